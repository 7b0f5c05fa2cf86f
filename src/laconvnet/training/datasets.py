"""The data of a run: splits of a dataset folder or of the embedded world, and their batches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain
from pathlib import Path
from typing import Literal

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
    shuffled_sentences,
)
from laconvnet.language import Vocabulary
from laconvnet.scenes import answers, words
from laconvnet.tasks import Task, labels_of
from laconvnet.training.config import ScenesConfig, TrainConfig

Split = FolderDataset | ConcatDataset | SceneDataset


def train_dataset(config: TrainConfig, task: Task) -> Split:
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
            with_masks="masks" in chain(*labels_of(task, config.tasks).values()),
            shuffle_sentences=is_control,
            seed=config.seed,
            cache=_cache(data.scenes, "train"),
        )
    return _folders(config, task, "train", augment, is_control)


def eval_dataset(config: TrainConfig, task: Task) -> Split:
    """The split to evaluate on."""
    data = config.data
    is_control = data.shuffle_sentences in (True, "val")
    if data.scenes is not None:
        return SceneDataset(
            data.scenes.source("val"),
            data.val_split,
            data.scenes.val,
            size=data.size,
            with_masks="masks" in chain(*labels_of(task, config.tasks).values()),
            shuffle_sentences=is_control,
            cache=_cache(data.scenes, "val"),
        )
    return _folders(config, task, "val", None, is_control)


def _folders(
    config: TrainConfig,
    task: Task,
    name: Literal["train", "val"],
    augment: Augmentation | None,
    is_control: bool,
) -> FolderDataset | ConcatDataset:
    """The split of one dataset folder, or of several."""
    data = config.data
    parts, sources = [], [source for source in data.folders if name == "train" or source.evaluate]
    for source in sources:
        served = source.tasks or tuple(config.tasks)
        split = (source.train_split or data.train_split) if name == "train" else (source.val_split or data.val_split)
        dataset = FolderDataset(
            source.root,
            split,
            size=data.size,
            resize=data.resize,
            augment=augment,
            require=labels_of(task, served),
            tasks=served,
            seed=config.seed,
        )
        if is_control:
            dataset.records = shuffled_sentences(dataset.records, config.seed)
        if name == "val":
            dataset.records = dataset.records[: data.val_limit]
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


def list_answers(config: TrainConfig) -> tuple[str, ...]:
    """The answers to learn: of folders, those that are right often enough, of scenes, all that questions can have.

    Raises:
        ValueError: no answer is right often enough.
    """
    data = config.data
    if "vqa" not in config.tasks:
        return ()
    if data.scenes is not None:
        return answers(data.scenes.source().world.values)
    right = (
        best_answer(record.answer, record.answers)
        for source in config.data.folders
        if "vqa" in (source.tasks or config.tasks)
        for split in data.answers.splits or (source.train_split or data.train_split,)
        for record in read_records(source.root / f"{split}.jsonl")
    )
    return answer_list((answer for answer in right if answer is not None), data.answers.min_count)


def dataset_infos(*configs: TrainConfig) -> list[DatasetInfo]:
    """Where the data of runs comes from, and its licence: of each dataset once."""
    infos: list[DatasetInfo] = []
    for data in (config.data for config in configs):
        if data.scenes is not None:
            infos.append(scene_info(data.scenes.source()))
        else:
            infos += [DatasetInfo.load(source.root) for source in data.folders]
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
