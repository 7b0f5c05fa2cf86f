"""Pictures, sentences and labels: one record schema, transforms, batches, and readers of public datasets."""

from laconvnet.data.answers import answer_list, best_answer, normalize_answer, soft_scores
from laconvnet.data.batch import Batch, Collator, Example, to_device, union_box
from laconvnet.data.concat import ConcatDataset
from laconvnet.data.dataset import FolderDataset, Learner
from laconvnet.data.folder.schema import (
    DatasetInfo,
    Record,
    SchemaError,
    iterate_records,
    read_records,
    splits,
    write_records,
)
from laconvnet.data.folder.writer import DatasetWriter
from laconvnet.data.loader import Loader, build_loader, set_epoch
from laconvnet.data.sampler import ImageBatchSampler
from laconvnet.data.scenes.dataset import SceneDataset
from laconvnet.data.scenes.drawn import DrawnScene, draw_scenes
from laconvnet.data.scenes.generate import generate, scene_info
from laconvnet.data.scenes.loader import SceneLoader
from laconvnet.data.shuffle import shuffled_sentences
from laconvnet.data.transforms import (
    Augmentation,
    ColorJitter,
    Compose,
    Flip,
    RandomCrop,
    Sample,
    resize_to_input,
)
from laconvnet.data.words import swap_left_right

__all__ = [
    "Augmentation",
    "Batch",
    "Collator",
    "ColorJitter",
    "Compose",
    "ConcatDataset",
    "DatasetInfo",
    "DatasetWriter",
    "DrawnScene",
    "Example",
    "Flip",
    "FolderDataset",
    "ImageBatchSampler",
    "Learner",
    "Loader",
    "RandomCrop",
    "Record",
    "Sample",
    "SceneDataset",
    "SceneLoader",
    "SchemaError",
    "answer_list",
    "best_answer",
    "build_loader",
    "draw_scenes",
    "generate",
    "iterate_records",
    "normalize_answer",
    "read_records",
    "resize_to_input",
    "scene_info",
    "set_epoch",
    "shuffled_sentences",
    "soft_scores",
    "splits",
    "swap_left_right",
    "to_device",
    "union_box",
    "write_records",
]
