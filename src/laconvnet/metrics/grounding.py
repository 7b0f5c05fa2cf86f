"""Accuracy of pointing: the share of sentences whose predicted box overlaps the true one enough."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from laconvnet.metrics.boxes import box_iou
from laconvnet.metrics.grouped import GroupedSums

THRESHOLDS = (0.25, 0.5, 0.75)


class GroundingAccuracy(GroupedSums):
    """Accuracy at IoU > 0.25, 0.5 and 0.75 and the mean IoU, over all sentences and per group of sentences.

    A sentence counts as found when IoU(prediction, target) is strictly above the threshold. Sentences without
    a target (a NaN row) are left out; a prediction that is not finite is a miss. Every state is a sum, so the
    value over several processes is the value one process would have computed on all of their sentences, also
    when the processes met different groups.

    With `no_target`, a network also decides whether there is a target: "N-acc" is the share of the sentences without
    one of which it says so, "T-acc" the share of the others of which it does not.
    """

    by_group = ("accuracy@0.5",)

    def __init__(self, *, no_target: bool = False, **kwargs: Any) -> None:
        """Start empty.

        Args:
            no_target: whether decisions that there is no target are counted, too.
            **kwargs: passed to `torchmetrics.Metric`.
        """
        # number of sentences with a target, sum of IoU, hits per threshold; then number of sentences without a target,
        # and of both kinds where the decision is right
        super().__init__(columns=2 + len(THRESHOLDS) + 3 * no_target, **kwargs)
        self.no_target = no_target

    def update(
        self,
        pred_boxes: Tensor,
        target_boxes: Tensor,
        groups: Sequence[str | None] | None = None,
        *,
        no_target: Tensor | None = None,
    ) -> None:
        """Count a batch, without waiting for the device.

        Args:
            pred_boxes: (N, 4) predicted boxes, x0, y0, x1, y1; NaN where there is none, which is a miss.
            target_boxes: (N, 4) true boxes in the same frame; a NaN row means that there is no target.
            groups: the group of each sentence, or None for a sentence without a group.
            no_target: bool (N,), the decisions that there is none, where the metric counts them.

        Raises:
            ValueError: the shapes or the number of groups do not fit, or decisions are missing or not wanted.
        """
        if pred_boxes.shape != target_boxes.shape or pred_boxes.ndim != 2 or pred_boxes.shape[1] != 4:
            shapes = f"{tuple(pred_boxes.shape)} and {tuple(target_boxes.shape)}"
            raise ValueError(f"predicted and true boxes must share one shape (N, 4), got {shapes}")
        if (no_target is not None) != self.no_target:
            raise ValueError(f"a metric made with no_target={self.no_target} got decisions: {no_target is not None}")

        target = target_boxes.double()
        iou = box_iou(pred_boxes.double(), target).nan_to_num(0.0)
        present = target.isfinite().all(dim=1)
        hits = [(iou > threshold).double() for threshold in THRESHOLDS]
        rows = torch.stack([torch.ones_like(iou), iou, *hits], dim=1)
        rows = torch.where(present[:, None], rows, torch.zeros_like(rows))
        if no_target is not None:
            decided = torch.stack([~present, ~present & no_target, present & ~no_target], dim=1)
            rows = torch.cat([rows, decided.double()], dim=1)
        self.add_rows(rows, groups)

    def ratios(self, sums: Tensor) -> dict[str, Tensor]:
        """ "accuracy@0.25", "accuracy@0.5", "accuracy@0.75" and "mean_iou", with decisions also "N-acc" and "T-acc"."""
        count, total_iou, *rest = sums.unbind(-1)
        values = {f"accuracy@{t:g}": hit / count for t, hit in zip(THRESHOLDS, rest, strict=False)}
        values["mean_iou"] = total_iou / count
        if self.no_target:
            absent, absent_agreed, present_agreed = rest[-3:]
            values |= {"N-acc": absent_agreed / absent, "T-acc": present_agreed / count}
        return values
