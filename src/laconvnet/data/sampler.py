"""Which records go into which batch, image by image, on every process."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np
from torch.utils.data import Sampler


class Grouped(Protocol):
    """A dataset whose examples belong to images."""

    @property
    def groups(self) -> Sequence[Sequence[int]]:
        """The indices of the examples of each image; every index stands in one group."""
        ...


class ImageBatchSampler(Sampler[list[int]]):
    """Batches of record indices in which the sentences of one image stand together.

    Training (`shuffle=True`): an image is visited as often as its sentences need, each visit takes up to
    `sentences_per_image` of them at random, and the visits of all images are shuffled. Cut into batches,
    that is every record exactly once an epoch. All processes get the same number of batches, and the
    batches of R processes together are those of one process with R times the batch size. Where the last
    round is not full it is shared out evenly; if not every process would get a record of it, its records
    join the last full round instead, whose batches are then one larger.

    Evaluation (`shuffle=False`): images in the order of the file, every record exactly once over all
    processes, and an image is split only if it has more records than a batch. Processes may then get
    different numbers of batches.

    Args:
        dataset: anything with `groups`.
        batch_size: records of one batch on one process.
        sentences_per_image: sentences of one visit, None for all of the image; only for training.
        shares: ranges of indices that an epoch of training visits more or less than once, and how often; for 0.5,
            another half of them at random each time.
        shuffle: training or evaluation.
        seed: seed of the order; the order is a function of (seed, epoch) alone.
        rank: this process, 0 <= rank < world_size.
        world_size: number of processes.
        drop_last: leave out the last round of an epoch if it is not full; only for training.
    """

    def __init__(
        self,
        dataset: Grouped,
        batch_size: int,
        *,
        sentences_per_image: int | None = None,
        shares: Sequence[tuple[range, float]] = (),
        shuffle: bool = True,
        seed: int = 0,
        rank: int = 0,
        world_size: int = 1,
        drop_last: bool = False,
    ) -> None:
        if batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, got {batch_size}")
        if sentences_per_image is not None and sentences_per_image < 1:
            raise ValueError(f"sentences_per_image must be at least 1 or None, got {sentences_per_image}")
        if seed < 0:
            raise ValueError(f"the seed must be 0 or more, got {seed}")
        if not 0 <= rank < world_size:
            raise ValueError(f"rank must lie in 0..world_size-1, got rank {rank} of {world_size}")
        if not shuffle and (sentences_per_image is not None or drop_last or shares):
            raise ValueError("sentences_per_image, shares and drop_last are for training, with shuffle=True only")
        self.batch_size, self.shuffle, self.seed, self.drop_last = batch_size, shuffle, seed, drop_last
        self.rank, self.world_size = rank, world_size
        self.sentences_per_image = sentences_per_image
        self.epoch = self.start = 0

        self._groups = [list(group) for group in dataset.groups]
        self._visits = np.ones(sum(map(len, self._groups)), dtype=np.int64)
        self._parts: list[tuple[range, int]] = []  # and how many of the range are visited once more
        for indices, weight in shares:
            self._visits[indices] = whole = int(weight)
            self._parts.append((indices, round((weight - whole) * len(indices))))
        count = int(self._visits.sum()) + sum(extra for _, extra in self._parts)
        self._cuts = self._training_cuts(count) if shuffle else []
        self._evaluation = [] if shuffle else self._pack()

    def set_epoch(self, epoch: int, start: int = 0) -> None:
        """Chooses the order of an epoch.

        Args:
            epoch: its number, from 0.
            start: batches of this process to skip without decoding them, to resume within an epoch.
        """
        self.epoch, self.start = epoch, start

    def __len__(self) -> int:
        """Number of batches of a whole epoch on this process."""
        if self.shuffle:
            return len(self._cuts)
        return len(range(self.rank, len(self._evaluation), self.world_size))

    def __iter__(self) -> Iterator[list[int]]:
        if self.shuffle:
            order = self._shuffled()
            for begin, end in self._cuts[self.start :]:
                yield order[begin:end].tolist()
        else:
            yield from self._evaluation[self.rank :: self.world_size][self.start :]

    def _training_cuts(self, count: int) -> list[tuple[int, int]]:
        """Returns begin and end of this process's batches in the shuffled order of an epoch."""
        size, world = self.batch_size, self.world_size
        rounds, rest = divmod(count, size * world)
        if self.drop_last:
            if rounds == 0:
                raise ValueError(
                    f"drop_last leaves no batch: {count} records are fewer than {world} x batch_size {size}"
                )
            rest = 0
        if rounds == 0 and rest < world:
            raise ValueError(f"{count} records cannot be shared among {world} processes")
        sizes = np.full((rounds, world), size)
        shares = rest // world + (np.arange(world) < rest % world)
        if rest >= world:
            sizes = np.vstack([sizes, shares])
        else:
            sizes[-1] += shares
        ends = sizes.cumsum().reshape(sizes.shape)
        return list(zip((ends - sizes)[:, self.rank].tolist(), ends[:, self.rank].tolist(), strict=True))

    def _shuffled(self) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        """Returns all records, visit after visit."""
        rng = np.random.default_rng([self.seed, self.epoch])
        counts = self._visits.copy()
        for indices, extra in self._parts:
            counts[rng.permutation(indices)[:extra]] += 1
        visits = []
        for group in self._groups:
            size = self.sentences_per_image or len(group)
            for time in range(counts[group].max()):
                order = rng.permutation(group)
                order = order[counts[order] > time]
                visits += [order[begin : begin + size] for begin in range(0, len(order), size)]
        return np.concatenate([visits[number] for number in rng.permutation(len(visits))])

    def _pack(self) -> list[list[int]]:
        """Fills batches in the order of the file without splitting an image where that can be helped."""
        batches: list[list[int]] = []
        for group in self._groups:
            for begin in range(0, len(group), self.batch_size):
                piece = group[begin : begin + self.batch_size]
                if batches and len(batches[-1]) + len(piece) <= self.batch_size:
                    batches[-1] += piece
                else:
                    batches.append(piece)
        return batches
