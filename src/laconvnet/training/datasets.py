"""The data of a run: splits of a dataset folder or of the embedded world, and their batches."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import torch

from laconvnet.data import (
    Augmentation,
    Collator,
    ConcatDataset,
    DatasetInfo,
    FolderDataset,
    ImageBatchSampler,
    Loader,
    SceneDataset,
    SceneLoader,
    answer_list,
    best_answer,
    build_loader,
    read_records,
    scene_info,
)
from laconvnet.language import Vocabulary
from laconvnet.scenes import answers, words
from laconvnet.tasks import Task, tasks_for_scenes
from laconvnet.training.config import ScenesConfig, TrainConfig

Split = FolderDataset | ConcatDataset | SceneDataset


def train_dataset(config: TrainConfig, tasks: Sequence[Task[Any]]) -> Split:
    """The split to learn from, with its random changes and, for the control experiment, shuffled sentences."""
    data = config.data
    augment = Augmentation(
        flip=data.flip, color_jitter=data.color_jitter, hue=data.hue, crop=data.crop, aspect=data.aspect
    )
    is_control = data.shuffle_sentences in (True, "train")
    if data.scenes is not None:
        return SceneDataset(
            data.scenes.source(),
            data.train_split,
            data.scenes.train,
            size=data.size,
            fresh=data.scenes.fresh,
            augment=augment,
            tasks=tasks,
            shuffle_sentences=is_control,
            seed=config.seed,
            cache=_cache(data.scenes, "train"),
        )
    return _folders(config, tasks, "train", augment, is_control)


def eval_dataset(config: TrainConfig, tasks: Sequence[Task[Any]]) -> Split:
    """The split to evaluate on."""
    data = config.data
    is_control = data.shuffle_sentences in (True, "val")
    if data.scenes is not None:
        return SceneDataset(
            data.scenes.source("val"),
            data.val_split,
            data.scenes.val,
            size=data.size,
            tasks=tasks,
            shuffle_sentences=is_control,
            cache=_cache(data.scenes, "val"),
        )
    return _folders(config, tasks, "val", None, is_control)


def _folders(
    config: TrainConfig,
    tasks: Sequence[Task[Any]],
    name: Literal["train", "val"],
    augment: Augmentation | None,
    is_control: bool,
) -> FolderDataset | ConcatDataset:
    """The split of one dataset folder, or of several."""
    data = config.data
    parts, sources = [], [source for source in data.folders if name == "train" or source.evaluate]
    for source in sources:
        split = (source.train_split or data.train_split) if name == "train" else (source.val_split or data.val_split)
        dataset = FolderDataset(
            source.root,
            split,
            size=data.size,
            resize=data.resize,
            augment=augment,
            tasks=[task for task in tasks if task.name in (source.tasks or config.tasks)],
            seed=config.seed,
        )
        if is_control:
            dataset = dataset.with_shuffled_sentences(config.seed)
        if name == "val" and data.val_limit is not None:
            dataset = dataset.select(range(min(data.val_limit, len(dataset))))
        parts.append(dataset)
    return parts[0] if data.sources is None else ConcatDataset(parts, [source.weight for source in sources])


def _cache(scenes: ScenesConfig, name: str) -> Path | None:
    """Learning and evaluation keep their scenes apart, since their worlds may differ."""
    return None if scenes.cache is None else scenes.cache / name


def _parts(dataset: FolderDataset | ConcatDataset) -> Sequence[FolderDataset]:
    return dataset.parts if isinstance(dataset, ConcatDataset) else [dataset]


def list_words(config: TrainConfig, dataset: Split) -> Vocabulary:
    """The words of the training split; of scenes, all that their sentences can use."""
    data = config.data
    if isinstance(dataset, SceneDataset):
        return Vocabulary.from_texts(words(dataset.source.world.values), 1, data.num_buckets)
    texts = (record.text for part in _parts(dataset) for record in part.records)
    return Vocabulary.from_texts(texts, data.min_count, data.num_buckets)


def list_answers(config: TrainConfig, task: str) -> tuple[str, ...]:
    """Return the answers that a task learns to give.

    Of folders, those that are right often enough; of scenes, all that questions can have.

    Raises:
        ValueError: no answer is right often enough.
    """
    data = config.data
    if data.scenes is not None:
        return answers(data.scenes.source().world.values)
    right = (
        best_answer(record.answer, record.answers)
        for source in data.folders
        if task in (source.tasks or config.tasks)
        for split in data.answers.splits or (source.train_split or data.train_split,)
        for record in read_records(source.root / f"{split}.jsonl")
    )
    return answer_list((answer for answer in right if answer is not None), data.answers.min_count)


def fingerprints(config: TrainConfig) -> dict[str, str]:
    """Return a hash of each file of records to learn from, by its place among them.

    Scenes are a function of the settings, and have none.
    """
    files = [source.root / f"{source.train_split or config.data.train_split}.jsonl" for source in config.data.folders]
    found = {}
    for number, path in enumerate(files):
        with path.open("rb") as file:
            found[f"{number}: {path.name}"] = hashlib.file_digest(file, "sha256").hexdigest()
    return found


def dataset_infos(*configs: TrainConfig) -> list[DatasetInfo]:
    """Where the data of runs comes from, and its licence: of each dataset once."""
    infos: list[DatasetInfo] = []
    for data in (config.data for config in configs):
        if data.scenes is not None:
            source = data.scenes.source()
            infos.append(scene_info(source, tasks_for_scenes(source.sorts)))
        else:
            infos += [DatasetInfo.load(folder.root) for folder in data.folders]
    return list(dict.fromkeys(infos))


def load(
    config: TrainConfig,
    dataset: Split,
    sampler: ImageBatchSampler,
    encode: Callable[[str], list[int]],
) -> Loader:
    """The batches of a split; those of scenes may be drawn on the accelerator.

    Args:
        config: the run's settings.
        dataset: the split.
        sampler: which examples to batch.
        encode: turns a text into word ids.
    """
    has_gpu = config.device == "auto" and torch.cuda.is_available()
    workers = config.data.num_workers
    if isinstance(dataset, SceneDataset) and config.data.scenes is not None and config.data.scenes.draw == "device":
        return SceneLoader(dataset, sampler, encode, workers, device="cuda" if has_gpu else "cpu")
    return build_loader(dataset, sampler, Collator(encode), workers, pin_memory=has_gpu)
