"""Accuracy of pointing: the share of sentences whose predicted box overlaps the true one enough."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from laconvnet.metrics.grouped import GroupedSums

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


class GroundingAccuracy(GroupedSums):
    """Accuracy at IoU > 0.25, 0.5 and 0.75 and the mean IoU, over all sentences and per group of sentences.

    A sentence counts as found when IoU(prediction, target) is strictly above the threshold. Sentences without
    a target (a NaN row) are left out; a prediction that is not finite is a miss. Every state is a sum, so the
    value over several processes is the value one process would have computed on all of their sentences, also
    when the processes met different groups.
    """

    by_group = ("accuracy@0.5",)

    def __init__(self, **kwargs: Any) -> None:
        """Start empty.

        Args:
            **kwargs: passed to `torchmetrics.Metric`.
        """
        # number of sentences, sum of IoU, hits per threshold
        super().__init__(columns=2 + len(THRESHOLDS), **kwargs)

    def update(self, pred_boxes: Tensor, target_boxes: Tensor, groups: Sequence[str | None] | None = None) -> None:
        """Count a batch, without waiting for the device.

        Args:
            pred_boxes: (N, 4) predicted boxes, x0, y0, x1, y1.
            target_boxes: (N, 4) true boxes in the same frame; a NaN row means that there is no target.
            groups: the group of each sentence, or None for a sentence without a group.

        Raises:
            ValueError: when the shapes or the number of groups do not fit.
        """
        target = target_boxes.double()
        iou = box_iou(pred_boxes.double(), target).nan_to_num(0.0)
        hits = [(iou > threshold).double() for threshold in THRESHOLDS]
        rows = torch.stack([torch.ones_like(iou), iou, *hits], dim=1)
        rows = torch.where(target.isfinite().all(dim=1, keepdim=True), rows, torch.zeros_like(rows))
        self.add_rows(rows, groups)

    def ratios(self, sums: Tensor) -> dict[str, Tensor]:
        """ "accuracy@0.25", "accuracy@0.5", "accuracy@0.75" and "mean_iou", all in [0, 1]."""
        count, total_iou, *hits = sums.unbind(-1)
        values = {f"accuracy@{t:g}": hit / count for t, hit in zip(THRESHOLDS, hits, strict=True)}
        return values | {"mean_iou": total_iou / count}
