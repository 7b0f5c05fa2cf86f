"""Several datasets as one."""

from __future__ import annotations

import bisect
from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate

from torch.utils.data import Dataset

from laconvnet.data.batch import Example
from laconvnet.data.dataset import FolderDataset


class ConcatDataset(Dataset[Example]):
    """The examples of several splits, one split after the other.

    Args:
        parts: the splits, at least one.
        weights: of each part, how often an epoch visits its examples; of 0.5 it visits another half every time.

    Raises:
        ValueError: there is no part, or a weight is not above 0.
    """

    def __init__(self, parts: Sequence[FolderDataset], weights: Sequence[float]) -> None:
        if not parts or len(parts) != len(weights) or not all(weight > 0 for weight in weights):
            raise ValueError(f"{len(parts)} datasets need as many weights above 0, got {list(weights)}")
        self.parts, self.weights = tuple(parts), tuple(weights)
        self._ends = list(accumulate(map(len, parts)))

    def __len__(self) -> int:
        return self._ends[-1]

    def _first(self, part: int) -> int:
        return self._ends[part] - len(self.parts[part])

    @property
    def groups(self) -> list[list[int]]:
        """The indices of the records of each picture."""
        return [
            [self._first(number) + index for index in group]
            for number, part in enumerate(self.parts)
            for group in part.groups
        ]

    @property
    def shares(self) -> list[tuple[range, float]]:
        """The indices of each part, and its weight."""
        return [(range(self._first(n), self._ends[n]), weight) for n, weight in enumerate(self.weights)]

    def set_epoch(self, epoch: int) -> None:
        """Chooses the random changes of an epoch."""
        for part in self.parts:
            part.set_epoch(epoch)

    def __getitem__(self, index: int) -> Example:
        return self.__getitems__([index])[0]

    def __getitems__(self, indices: Sequence[int]) -> list[Example]:
        """Makes the examples of a batch; each part decodes every picture once."""
        places: dict[int, list[int]] = {}
        for index in indices:
            places.setdefault(bisect.bisect_right(self._ends, index), []).append(index)
        made: dict[int, Example] = {}
        for number, own in places.items():
            first = self._first(number)
            for index, example in zip(own, self.parts[number].__getitems__([i - first for i in own]), strict=True):
                made[index] = replace(example, index=index)
        return [made[index] for index in indices]
