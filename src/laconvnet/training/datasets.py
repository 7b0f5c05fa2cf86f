"""The data of a run: splits of a dataset folder or of the embedded world, and their batches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from laconvnet.data import (
    Augmentation,
    Collator,
    DatasetInfo,
    FolderDataset,
    ImageBatchSampler,
    Loader,
    Record,
    SceneDataset,
    SceneLoader,
    build_loader,
    scene_info,
)
from laconvnet.language import Vocabulary
from laconvnet.scenes import words
from laconvnet.training.config import ScenesConfig, TrainConfig


def train_dataset(config: TrainConfig) -> FolderDataset | SceneDataset:
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
            shuffle_sentences=is_control,
            seed=config.seed,
            cache=_cache(data.scenes, "train"),
        )
    assert data.root is not None
    dataset = FolderDataset(
        data.root, data.train_split, size=data.size, resize=data.resize, augment=augment, seed=config.seed
    )
    if is_control:
        dataset.records = shuffled_sentences(dataset.records, config.seed)
    return dataset


def eval_dataset(config: TrainConfig) -> FolderDataset | SceneDataset:
    """The split to evaluate on."""
    data = config.data
    is_control = data.shuffle_sentences in (True, "val")
    if data.scenes is not None:
        return SceneDataset(
            data.scenes.source("val"),
            data.val_split,
            data.scenes.val,
            size=data.size,
            shuffle_sentences=is_control,
            cache=_cache(data.scenes, "val"),
        )
    assert data.root is not None
    dataset = FolderDataset(data.root, data.val_split, size=data.size, resize=data.resize, seed=config.seed)
    if is_control:
        dataset.records = shuffled_sentences(dataset.records, config.seed)
    dataset.records = dataset.records[: data.val_limit]
    return dataset


def _cache(scenes: ScenesConfig, name: str) -> Path | None:
    """Learning and evaluation keep their scenes apart, since their worlds may differ."""
    return None if scenes.cache is None else scenes.cache / name


def list_words(config: TrainConfig, dataset: FolderDataset | SceneDataset) -> Vocabulary:
    """The words of the training split; of scenes, all that their sentences can use."""
    data = config.data
    if isinstance(dataset, SceneDataset):
        return Vocabulary.from_texts(words(dataset.source.world.values), 1, data.num_buckets)
    return Vocabulary.from_texts((record.text for record in dataset.records), data.min_count, data.num_buckets)


def dataset_info(config: TrainConfig) -> DatasetInfo:
    """Where the data comes from, and its licence."""
    data = config.data
    if data.scenes is not None:
        return scene_info(data.scenes.source())
    assert data.root is not None
    return DatasetInfo.load(data.root)


def load(
    config: TrainConfig,
    dataset: FolderDataset | SceneDataset,
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


def shuffled_sentences(records: Sequence[Record], seed: int) -> list[Record]:
    """Permute the sentences among the images, the control that shows whether a network reads them.

    Args:
        records: the records of a split.
        seed: seed of the permutation.

    Returns:
        The records in their order, each with the text and group of another one. No sentence stays with its
        own image, unless one image holds more than half of them.
    """
    rng = np.random.default_rng(seed)
    by_image: dict[str, list[int]] = {}
    for index in rng.permutation(len(records)):
        by_image.setdefault(records[index].image, []).append(int(index))
    # The images stand one after the other; a shift by the longest of them leaves no sentence in its place.
    order = [index for indices in by_image.values() for index in indices]
    shift = max(map(len, by_image.values()), default=0)
    shuffled = list(records)
    for place, index in enumerate(order):
        donor = records[order[(place + shift) % len(order)]]
        shuffled[index] = replace(records[index], text=donor.text, group=donor.group)
    return shuffled
