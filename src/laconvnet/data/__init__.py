"""Pictures, sentences and labels: one record schema, transforms, batches, and readers of public datasets."""

from laconvnet.data.answers import answer_list, best_answer, normalize_answer, soft_scores
from laconvnet.data.collate import Batch, Collator, union_box
from laconvnet.data.dataset import Example, FolderDataset
from laconvnet.data.drawn_scene import SERVED, DrawnScene, draw_scenes
from laconvnet.data.files import replace_file
from laconvnet.data.generate import generate, scene_info
from laconvnet.data.images import ImageError, read_image
from laconvnet.data.loader import Loader, build_loader, set_epoch
from laconvnet.data.masks import encode_mask, mask_area, resize_mask, union_mask
from laconvnet.data.mixed import MixedDataset
from laconvnet.data.sampler import ImageBatchSampler
from laconvnet.data.scene_dataset import SceneDataset
from laconvnet.data.scene_loader import SceneLoader
from laconvnet.data.schema import DatasetInfo, Record, SchemaError, iterate_records, read_records, splits, write_records
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
from laconvnet.data.writer import DatasetWriter

__all__ = [
    "SERVED",
    "Augmentation",
    "Batch",
    "Collator",
    "ColorJitter",
    "Compose",
    "DatasetInfo",
    "DatasetWriter",
    "DrawnScene",
    "Example",
    "Flip",
    "FolderDataset",
    "ImageBatchSampler",
    "ImageError",
    "Loader",
    "MixedDataset",
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
    "encode_mask",
    "generate",
    "iterate_records",
    "mask_area",
    "normalize_answer",
    "read_image",
    "read_records",
    "replace_file",
    "resize_mask",
    "resize_to_input",
    "scene_info",
    "set_epoch",
    "soft_scores",
    "splits",
    "swap_left_right",
    "union_box",
    "union_mask",
    "write_records",
]
