"""How many pictures a core reads, changes and batches in a second."""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain, count
from pathlib import Path
from typing import Any

from laconvnet.bench.report import Report
from laconvnet.bench.timing import Timing, compare, use_threads
from laconvnet.data import (
    Augmentation,
    Collator,
    FolderDataset,
    ImageBatchSampler,
    Loader,
    SceneDataset,
    build_loader,
    set_epoch,
)
from laconvnet.scenes import SceneSource
from laconvnet.tables import Row

AUGMENTATION = Augmentation(flip=0.5, color_jitter=0.2, hue=0.02, crop=(0.5, 1.0))
"""All that training can change in a picture, at common strengths."""

COLUMNS = (
    *("contender", "pictures", "sentences", "median_ms", "per_core_second", "low", "high"),
    "sentences_per_core_second",
)


def bench_data(
    root: Path | None = None,
    *,
    split: str = "train",
    size: int = 416,
    pictures: int = 64,
    batch: int = 32,
    cores: int = 1,
    repeats: int = 5,
) -> Report:
    """Time the loading of pictures with all their sentences, as they are and with the random changes of training.

    The files are in the system's cache after the first round, so this measures processors, not disks.

    Args:
        root: dataset folder; None for scenes of the embedded world, made and drawn anew.
        split: its split.
        size: side of the network's square input.
        pictures: how many of the split, the first ones.
        batch: sentences together.
        cores: 1 loads in this process, more in as many worker processes; one thread each.
        repeats: timed rounds.

    Returns:
        A row without and a row with the random changes; "per_core_second" counts pictures, "low" and "high" are the
        quartiles of the same.

    Raises:
        SchemaError: the split is not one; names file and line.
        ValueError: a number is out of range.
    """
    if pictures < 1 or cores < 1:
        raise ValueError(f"pictures and cores must be 1 or more, got {pictures} and {cores}")
    contenders = {"as they are": Augmentation(flip=0.0), "with random changes": AUGMENTATION}
    with use_threads(1):
        loaders = {name: _loader(root, split, size, pictures, batch, cores, a) for name, a in contenders.items()}
        times = compare({name: _epochs(loader) for name, loader in loaders.items()}, repeats=repeats)
        rows = [_row(name, loader.dataset, times[name], cores) for name, loader in loaders.items()]
        settings = {
            "data": "scenes" if root is None else str(root),
            "split": split,
            "size": size,
            "batch": batch,
            "cores": cores,
            "repeats": repeats,
        }
        return Report("data", settings, rows, columns=COLUMNS)


def _loader(
    root: Path | None, split: str, size: int, pictures: int, batch: int, cores: int, augment: Augmentation
) -> Loader:
    dataset: FolderDataset | SceneDataset
    if root is None:
        dataset = SceneDataset(SceneSource(), split, pictures, size=size, augment=augment)
    else:
        dataset = FolderDataset(root, split, size=size, augment=augment if augment.changes else None)
        chosen = sorted(chain.from_iterable(dataset.groups[:pictures]))
        dataset.records = [dataset.records[index] for index in chosen]
    sampler = ImageBatchSampler(dataset, batch)
    return build_loader(dataset, sampler, Collator(_encode), 0 if cores == 1 else cores)


def _encode(text: str) -> list[int]:
    """Stand-in for a vocabulary."""
    return [1] * max(1, len(text.split()))


def _epochs(loader: Loader) -> Callable[[], None]:
    """A function that loads one epoch, another one at every call."""
    epochs = count()

    def load() -> None:
        set_epoch(loader, next(epochs))
        for _ in loader:
            pass

    return load


def _row(name: str, dataset: Any, time: Timing, cores: int) -> Row:
    pictures = len(dataset.groups)

    def rate(milliseconds: float, amount: int = pictures) -> float:
        return round(1e3 * amount / milliseconds / cores, 1)

    return {
        "contender": name,
        "pictures": pictures,
        "sentences": len(dataset),
        **time.row(),
        "per_core_second": rate(time.median),
        "low": rate(time.high),
        "high": rate(time.low),
        "sentences_per_core_second": rate(time.median, len(dataset)),
    }
