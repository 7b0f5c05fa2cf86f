"""Sums per group of samples that agree over any number of processes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torchmetrics import Metric


class GroupedSums(Metric):
    """Sums of one row of numbers per sample, over all samples and per group of samples.

    A metric built on it makes the rows, with a 1 in the first column for a sample that counts, and says in `ratios`
    what is made of their sums. Every state is a sum, so the value over several processes is the value one process
    would have computed on all of their samples, also when the processes met different groups.

    Attributes:
        by_group: names of the values that are also given for every group.
        rows: set it to an empty list to keep every row, in order; see `bootstrap_intervals`.
    """

    by_group: tuple[str, ...]

    is_differentiable = False
    higher_is_better = True
    full_state_update = True

    sums: Tensor
    group_sums: Tensor

    def __init__(self, columns: int, **kwargs: Any) -> None:
        """Start empty.

        Args:
            columns: length of a row.
            **kwargs: passed to `torchmetrics.Metric`.
        """
        super().__init__(**kwargs)
        self.add_state("sums", torch.zeros(columns, dtype=torch.float64), dist_reduce_fx="sum")
        # One row per group. The names only ever grow, in an order all processes are brought to before a sum.
        self.add_state("group_sums", torch.zeros(0, columns, dtype=torch.float64), dist_reduce_fx="sum")
        self.group_names: list[str] = []
        self.rows: list[Tensor] | None = None

    def ratios(self, sums: Tensor) -> dict[str, Tensor]:
        """The metric's values, by name, of rows that were summed.

        Args:
            sums: float64 (..., columns).

        Returns:
            Tensors (...,) by name; NaN where there is nothing to divide by.
        """
        raise NotImplementedError

    def compute(self) -> dict[str, Tensor]:
        """The values over all samples, and those named in `by_group` as "<value>/<group>" for every group.

        Returns:
            0-d tensors by name.
        """
        values = self.ratios(self.sums)
        for group, sums in self.groups().items():
            of_group = self.ratios(sums)
            values |= {f"{name}/{group}": of_group[name] for name in self.by_group}
        return values

    def add_rows(self, rows: Tensor, groups: Sequence[str | None] | None) -> None:
        """Add rows to the sums, without waiting for the device.

        Args:
            rows: float64 (N, columns).
            groups: the group of each row, or None for a row without a group; None for no groups at all.

        Raises:
            ValueError: the number of groups is not N.
        """
        groups = [None] * len(rows) if groups is None else groups
        if len(groups) != len(rows):
            raise ValueError(f"{len(rows)} samples need {len(rows)} groups, got {len(groups)}")
        self.sums = self.sums + rows.sum(dim=0)
        if self.rows is not None:
            self.rows.append(rows)
        for name in dict.fromkeys(groups):
            if name is not None and name not in self.group_names:
                self.group_names.append(name)
        if not self.group_names:
            return
        row_of = {name: row for row, name in enumerate(self.group_names)}
        nowhere = len(self.group_names)  # a last row, dropped again, takes the samples without a group
        index = torch.tensor([nowhere if name is None else row_of[name] for name in groups], dtype=torch.int64)
        sums = rows.new_zeros(nowhere + 1, rows.shape[1])
        sums[: len(self.group_sums)] = self.group_sums
        self.group_sums = sums.index_add_(0, index.to(rows.device, non_blocking=True), rows)[:nowhere]

    def groups(self) -> dict[str, Tensor]:
        """The summed row of every group that has a sample, by name in alphabetical order."""
        rows = dict(zip(self.group_names, self.group_sums, strict=False))
        return {name: rows[name] for name in sorted(rows) if rows[name][0] > 0}

    def sync(
        self,
        dist_sync_fn: Callable[..., Any] | None = None,
        process_group: Any | None = None,
        should_sync: bool = True,
        distributed_available: Callable[[], bool] | None = None,
    ) -> None:
        """Sum the states of all processes, after giving every process the same rows in the same order.

        Args:
            dist_sync_fn: gathers a state over the processes; None takes torchmetrics' own.
            process_group: the processes to sum over; None takes all.
            should_sync: whether to do anything at all.
            distributed_available: tells whether there are several processes; None asks torch.distributed.
        """
        available = distributed_available or self.distributed_available_fn
        if should_sync and callable(available) and available() and dist.is_initialized():
            self._align_groups(process_group or self.process_group)
        super().sync(
            dist_sync_fn=dist_sync_fn,
            process_group=process_group,
            should_sync=should_sync,
            distributed_available=distributed_available,
        )

    def _align_groups(self, process_group: Any | None) -> None:
        gathered: list[Any] = [None] * dist.get_world_size(process_group)
        dist.all_gather_object(gathered, self.group_names, group=process_group)
        names = sorted({name for part in gathered for name in part})
        aligned = self.group_sums.new_zeros(len(names), self.sums.shape[0])
        for row, name in enumerate(self.group_names[: len(self.group_sums)]):
            aligned[names.index(name)] = self.group_sums[row]
        self.group_names, self.group_sums = names, aligned
