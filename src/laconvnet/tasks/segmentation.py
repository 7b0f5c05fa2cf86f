"""RES: cut out what the sentence names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from laconvnet.settings import NotNegative
from laconvnet.tasks.answer import Answer
from laconvnet.tasks.losses import dice_loss, mask_loss
from laconvnet.tasks.masks import MaskRule, to_record_masks, true_masks
from laconvnet.tasks.task import Outputs, Scores, Task, TaskOptions

if TYPE_CHECKING:
    from laconvnet.data import Batch, Record
    from laconvnet.metrics import SegmentationMetrics


class SegmentationOptions(TaskOptions):
    """The settings of `res`."""

    dice_weight: NotNegative = Field(
        0.0, description="Weight of the dice term beside the cross-entropy; the authors have none."
    )
    mask_rule: MaskRule = Field(
        "interpolate",
        description="How masks get the picture's size: interpolate logits, then threshold, or dilate, the authors' "
        "order, to compare with their figures.",
    )


class Segmentation(Task[SegmentationOptions]):
    """Mask loss, decoding to the picture's size, and IoU."""

    name = "res"
    job = "cut it out"
    Options = SegmentationOptions
    headline = ("mean_iou", "oIoU", "Pr@0.5", "Pr@0.9")
    scene_sorts = ("rec",)

    @property
    def outputs(self) -> tuple[str, ...]:
        """The outputs that it reads."""
        return ("res",)

    @property
    def labels(self) -> tuple[str, ...]:
        """The keys that its records must have."""
        return ("masks",)

    def loss(self, outputs: Outputs, batch: Batch) -> dict[str, Tensor]:
        """``BCE + dice_weight * dice``, of the union of a record's masks.

        Args:
            outputs: "res" (N, 1, H, W).
            batch: "target_masks" (N, H, W) bool.

        Returns:
            Scalars "loss", "mask_loss" and, with a weight, "dice_loss".
        """
        return cut_out_loss(outputs, batch, self.options.dice_weight)

    def decode(
        self, outputs: Outputs, frames: Tensor, sizes: Tensor, *, top_k: int = 1, min_score: float = 0.0
    ) -> list[Answer]:
        """Return masks; see `Task.decode`."""
        masks = to_record_masks(outputs["res"], frames, sizes, self.options.mask_rule)
        return [Answer(mask=mask.cpu().numpy()) for mask in masks]

    def metric(self) -> SegmentationMetrics:
        """Mean IoU, overall IoU and Pr@X, the first two also by group."""
        from laconvnet.metrics import SegmentationMetrics

        return SegmentationMetrics()

    def update(self, metric: Any, answers: Sequence[Answer], batch: Batch) -> None:
        """Count every mask, at the size of its picture."""
        both, predicted, true = mask_areas(answers, batch).to(metric.device)
        metric.update(both, predicted + true - both, batch["groups"])

    def blind(self, train: Sequence[Record], records: Sequence[Record]) -> Scores:
        """The whole image, and the best constant mask."""
        from laconvnet.tasks.blind.masks import BlindMasks

        return BlindMasks.fit(train).score(records)


def cut_out_loss(outputs: Outputs, batch: Batch, dice_weight: float) -> dict[str, Tensor]:
    """Return "loss", its part "mask_loss" and, with a weight, "dice_loss", of the masks of a batch."""
    logits, targets = outputs["res"], batch["target_masks"][:, None]
    cross_entropy = mask_loss(logits, targets)
    losses = {"loss": cross_entropy, "mask_loss": cross_entropy.detach()}
    if dice_weight:
        dice = dice_loss(logits, targets)
        losses["loss"] = cross_entropy + dice_weight * dice
        losses["dice_loss"] = dice.detach()
    return losses


def mask_areas(answers: Sequence[Answer], batch: Batch) -> Tensor:
    """Return the pixels in both masks, in the predicted and in the true one, at the pictures' sizes: int64 (3, N)."""
    counts = []
    for answer, true in zip(answers, true_masks(batch), strict=True):
        assert answer.mask is not None
        both = np.count_nonzero(answer.mask & true)
        counts.append((both, np.count_nonzero(answer.mask), np.count_nonzero(true)))
    return torch.tensor(counts, dtype=torch.int64).T
