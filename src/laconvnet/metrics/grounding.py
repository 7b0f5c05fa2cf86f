"""Accuracy of pointing: the share of sentences whose predicted box overlaps the true one enough."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torchmetrics import Metric

THRESHOLDS = (0.25, 0.5, 0.75)


def box_iou(a: Tensor, b: Tensor) -> Tensor:
    """Intersection over union of aligned pairs of boxes, the shared area over the covered area.

    Args:
        a: (N, 4) boxes as x0, y0, x1, y1 in pixels; a box with x1 < x0 or y1 < y0 is empty.
        b: (N, 4) boxes in the same frame; row n is compared with row n of `a`.

    Returns:
        (N,) values in [0, 1]; 0 where both boxes are empty, NaN where a coordinate is NaN.

    Raises:
        ValueError: when the shapes differ or are not (N, 4).
    """
    if a.shape != b.shape or a.ndim != 2 or a.shape[1] != 4:
        raise ValueError(f"box_iou compares two tensors of one shape (N, 4), got {tuple(a.shape)} and {tuple(b.shape)}")
    sides = (torch.minimum(a[:, 2:], b[:, 2:]) - torch.maximum(a[:, :2], b[:, :2])).clamp(min=0)
    intersection = sides.prod(dim=1)
    area_a = (a[:, 2:] - a[:, :2]).clamp(min=0).prod(dim=1)
    area_b = (b[:, 2:] - b[:, :2]).clamp(min=0).prod(dim=1)
    union = area_a + area_b - intersection
    return torch.where(union == 0, torch.zeros_like(union), intersection / union)


class GroundingAccuracy(Metric):
    """Accuracy at IoU > 0.25, 0.5 and 0.75 and the mean IoU, over all sentences and per group of sentences.

    A sentence counts as found when IoU(prediction, target) is strictly above the threshold. Sentences without
    a target (a NaN row) are left out; a prediction that is not finite is a miss. Every state is a sum, so the
    value over several processes is the value one process would have computed on all of their sentences, also
    when the processes met different groups.
    """

    is_differentiable = False
    higher_is_better = True
    full_state_update = True

    sums: Tensor
    group_sums: Tensor

    def __init__(self, **kwargs: Any) -> None:
        """Start empty.

        Args:
            **kwargs: passed to `torchmetrics.Metric`.
        """
        super().__init__(**kwargs)
        columns = len(THRESHOLDS) + 2  # number of sentences, sum of IoU, hits per threshold
        self.add_state("sums", torch.zeros(columns, dtype=torch.float64), dist_reduce_fx="sum")
        # One row per group. The names only ever grow, in an order all processes are brought to before a sum.
        self.add_state("group_sums", torch.zeros(0, columns, dtype=torch.float64), dist_reduce_fx="sum")
        self.group_names: list[str] = []

    def update(self, pred_boxes: Tensor, target_boxes: Tensor, groups: Sequence[str | None] | None = None) -> None:
        """Count a batch, without waiting for the device.

        Args:
            pred_boxes: (N, 4) predicted boxes, x0, y0, x1, y1.
            target_boxes: (N, 4) true boxes in the same frame; a NaN row means that there is no target.
            groups: the group of each sentence, or None for a sentence without a group.

        Raises:
            ValueError: when the shapes or the number of groups do not fit.
        """
        groups = [None] * len(pred_boxes) if groups is None else groups
        if len(groups) != len(pred_boxes):
            raise ValueError(f"{len(pred_boxes)} boxes need {len(pred_boxes)} groups, got {len(groups)}")
        target = target_boxes.double()
        iou = box_iou(pred_boxes.double(), target).nan_to_num(0.0)
        hits = [(iou > threshold).double() for threshold in THRESHOLDS]
        rows = torch.stack([torch.ones_like(iou), iou, *hits], dim=1)
        rows = torch.where(target.isfinite().all(dim=1, keepdim=True), rows, torch.zeros_like(rows))
        self.sums = self.sums + rows.sum(dim=0)
        self._update_groups(rows, groups)

    def _update_groups(self, rows: Tensor, groups: Sequence[str | None]) -> None:
        for name in dict.fromkeys(groups):
            if name is not None and name not in self.group_names:
                self.group_names.append(name)
        if not self.group_names:
            return
        row_of = {name: row for row, name in enumerate(self.group_names)}
        nowhere = len(self.group_names)  # a last row, dropped again, takes the sentences without a group
        index = torch.tensor([nowhere if name is None else row_of[name] for name in groups], dtype=torch.int64)
        sums = rows.new_zeros(nowhere + 1, rows.shape[1])
        sums[: len(self.group_sums)] = self.group_sums
        self.group_sums = sums.index_add_(0, index.to(rows.device, non_blocking=True), rows)[:nowhere]

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

    def compute(self) -> dict[str, Tensor]:
        """Divide the sums.

        Returns:
            0-d tensors in [0, 1] by name: "accuracy@0.25", "accuracy@0.5", "accuracy@0.75", "mean_iou", and
            "accuracy@0.5/<group>" for every group with a sentence; NaN when no sentence had a target.
        """
        count, total_iou, *hits = self.sums.unbind()
        values = {f"accuracy@{t:g}": hit / count for t, hit in zip(THRESHOLDS, hits, strict=True)}
        values["mean_iou"] = total_iou / count
        column = 2 + THRESHOLDS.index(0.5)
        for name, row in sorted(zip(self.group_names, self.group_sums, strict=False), key=lambda pair: pair[0]):
            if row[0] > 0:
                values[f"accuracy@0.5/{name}"] = row[column] / row[0]
        return values
