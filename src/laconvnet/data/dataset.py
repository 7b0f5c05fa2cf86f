"""A dataset folder as a PyTorch dataset."""

from __future__ import annotations

import copy
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Protocol, get_args

import numpy as np
import torch
from torch.utils.data import Dataset

from laconvnet.data.batch import Example
from laconvnet.data.folder.schema import Record, SchemaError, iterate_records
from laconvnet.data.shuffle import shuffled_sentences
from laconvnet.data.transforms import Augmentation, Sample, resize_to_input
from laconvnet.processing.masks import decode_mask, resize_mask
from laconvnet.processing.pictures import ImageError, read_image
from laconvnet.processing.resizing import Mask, ResizeMode, UInt8Array

# Pictures are decoded at no less than this factor of the input size, so that the final antialiased resize
# still sees more detail than it keeps.
_DETAIL = 2


class Learner(Protocol):
    """What learns from records: a task, of which the data know no more than this.

    Attributes:
        name: what it is called.
        labels: the keys that its records must have, of `LABELS`.
    """

    @property
    def name(self) -> str: ...

    @property
    def labels(self) -> tuple[str, ...]: ...

    def serves(self, record: Record) -> bool:
        """Return whether a record is for it, if it is labelled."""
        ...


class FolderDataset(Dataset[Example]):
    """One split of a dataset folder.

    What an example looks like depends on (seed, epoch, index) alone: not on the worker that makes it, on the
    batch it is in, or on what was asked for before.

    Args:
        root: folder with `<split>.jsonl` and pictures.
        split: name of the split.
        size: side of the network's square input, pixels.
        resize: "letterbox" keeps the aspect of the picture file, "stretch" fills the square.
        augment: random changes for training, None for none.
        tasks: those that learn from it. Of a folder with expressions and questions each takes its own records; what
            serves none is left out. Without any, all records are there, with whatever labels they have.
        with_masks: whether masks are decoded; None where a task needs them.
        seed: seed of the augmentation.

    Attributes:
        records: the records, in the order of the file.

    Raises:
        SchemaError: a line is not a record or lacks a label that a task needs, or no record serves one of the tasks;
            names file and line.
    """

    def __init__(
        self,
        root: str | os.PathLike[str],
        split: str,
        *,
        size: int,
        resize: ResizeMode = "letterbox",
        augment: Augmentation | None = None,
        tasks: Sequence[Learner] = (),
        with_masks: bool | None = None,
        seed: int = 0,
    ) -> None:
        if size < 1:
            raise ValueError(f"the input size must be at least 1 pixel, got {size}")
        if resize not in get_args(ResizeMode):
            raise ValueError(f"resize must be one of {get_args(ResizeMode)}, got {resize!r}")
        if seed < 0:
            raise ValueError(f"the seed must be 0 or more, got {seed}")
        self.root = Path(root)
        self.path = self.root / f"{split}.jsonl"
        self.split, self.size, self.resize, self.seed = split, size, resize, seed
        self.augment, self.tasks = augment, tuple(tasks)
        self._transform = None if augment is None else augment.build()
        wanted = any("masks" in task.labels for task in tasks)
        self._with_masks = wanted if with_masks is None else with_masks
        # Shared memory: workers that outlive an epoch see the new number too.
        self._epoch = torch.zeros((), dtype=torch.int64).share_memory_()  # type: ignore[no-untyped-call]
        self.records: Sequence[Record] = ()
        self._lines: Sequence[int] = ()
        self._load()

    def _load(self) -> None:
        """Reads the records that serve a task."""
        records, lines = [], []
        unserved, others = {task.name for task in self.tasks}, 0
        for line, record in iterate_records(self.path):
            served = [task for task in self.tasks if task.serves(record)]
            if self.tasks and not served:
                others += 1
                continue
            unserved.difference_update(task.name for task in served)
            for label in chain.from_iterable(task.labels for task in served):
                if getattr(record, label) is None:
                    raise SchemaError.at(f"{self.path}:{line}", [f"record {record.id!r} has no {label!r}"])
            records.append(record)
            lines.append(line)
        if not records and not others:
            raise SchemaError.at(str(self.path), ["holds no records"])
        if unserved:
            names = ", ".join(task.name for task in self.tasks if task.name in unserved)
            raise SchemaError.at(str(self.path), [f"none of its {len(records) + others} records serves {names}"])
        self.records, self._lines = records, lines

    def select(self, indices: Iterable[int]) -> FolderDataset:
        """Returns a dataset of some of the records, by their numbers, in the order given."""
        chosen = list(indices)
        selected = copy.copy(self)
        selected.records = [self.records[index] for index in chosen]
        selected._lines = [self._lines[index] for index in chosen]
        return selected

    def with_texts(self, texts: Mapping[int, str]) -> FolderDataset:
        """Returns a dataset of the records of these numbers, each with another text."""
        changed = self.select(texts)
        changed.records = [replace(self.records[index], text=text) for index, text in texts.items()]
        return changed

    def seen_as(self, *, size: int | None = None, augment: Augmentation | None = None) -> FolderDataset:
        """Returns a dataset of the same records with pictures of another input size, or changed ones."""
        seen = copy.copy(self)
        if size is not None:
            seen.size = size
        if augment is not None:
            seen.augment, seen._transform = augment, augment.build()
        return seen

    def with_shuffled_sentences(self, seed: int = 0) -> FolderDataset:
        """Returns a dataset with the sentences permuted among the pictures; see `shuffled_sentences`."""
        shuffled = copy.copy(self)
        shuffled.records = shuffled_sentences(self.records, seed)
        return shuffled

    def __len__(self) -> int:
        return len(self.records)

    def tasks_of(self, record: Record) -> tuple[str, ...]:
        """The names of the tasks of the dataset that a record serves."""
        return tuple(task.name for task in self.tasks if task.serves(record))

    @property
    def groups(self) -> list[list[int]]:
        """The indices of the records of each picture, pictures in the order of the file."""
        groups: dict[str, list[int]] = {}
        for index, record in enumerate(self.records):
            groups.setdefault(record.image, []).append(index)
        return list(groups.values())

    @property
    def epoch(self) -> int:
        """The epoch of which examples are made."""
        return int(self._epoch)

    def set_epoch(self, epoch: int) -> None:
        """Chooses the random changes of an epoch, in running workers too; call it between epochs."""
        self._epoch.fill_(epoch)

    def __getitem__(self, index: int) -> Example:
        return self.__getitems__([index])[0]

    def __getitems__(self, indices: Sequence[int]) -> list[Example]:
        """Makes the examples of a batch, decoding every picture once.

        Raises:
            ImageError: a picture is missing or corrupt; names the file, the record, and its line.
        """
        pictures: dict[str, UInt8Array] = {}
        examples = []
        for index in indices:
            record = self.records[index]
            picture = pictures.get(record.image)
            if picture is None:
                picture = pictures[record.image] = self._read(index)
            sample = self._sample(index, picture)
            if self._transform is not None:
                sample = self._transform(sample, np.random.default_rng([self.seed, self.epoch, index]))
            sample = resize_to_input(sample, self.size, self.resize)
            examples.append(Example(index, record, sample, self.tasks_of(record)))
        return examples

    def _read(self, index: int) -> UInt8Array:
        """Reads a record's picture, in no more detail than its input and its smallest crop need."""
        record = self.records[index]
        at_least = _DETAIL * self.size
        if self.augment is not None and self.augment.crop is not None:
            at_least = math.ceil(at_least / math.sqrt(self.augment.crop[0]))
        try:
            return read_image(self.root / record.image, None if self._with_masks else at_least)
        except ImageError as error:
            raise ImageError(f"{self.path}:{self._lines[index]}: record {record.id!r}: {error}") from error

    def _sample(self, index: int, picture: UInt8Array) -> Sample:
        """Joins a record and its picture; labels are scaled where the file is a resized copy of the frame."""
        record = self.records[index]
        height, width = picture.shape[:2]
        sx, sy = width / record.width, height / record.height
        boxes = np.array(record.boxes or (), dtype=np.float64).reshape(-1, 4) * (sx, sy, sx, sy)
        masks = None
        if self._with_masks:
            count = len(record.masks or ())
            masks = [resize_mask(self._decode(index, number), width, height) for number in range(count)]
        return Sample(picture, boxes.astype(np.float32), record.text, (sx, sy, 0.0, 0.0), masks)

    def _decode(self, index: int, number: int) -> Mask:
        record = self.records[index]
        assert record.masks is not None
        try:
            return decode_mask(record.masks[number])
        except (ValueError, TypeError) as error:
            where = f"{self.path}:{self._lines[index]}"
            raise SchemaError.at(where, [f"record {record.id!r}, masks[{number}]: {error}"]) from error
