"""RES and GRES: cut out what the sentence names, one thing, or any number of them."""

from __future__ import annotations

from typing import Any, Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor
from torchmetrics import Metric

from laconvnet.data import encode_mask, mask_area
from laconvnet.metrics import GeneralizedSegmentationMetrics, SegmentationMetrics
from laconvnet.tasks.masks import MaskRule, attention_loss, to_record_masks, true_masks
from laconvnet.tasks.task import Batch, Outputs, check_weights

NoTargetRule = Literal["pixels", "classifier"]

MIN_PIXELS = 50
"""A mask of fewer pixels, at the picture's own size, says that there is no target (Sec. 4.2, after gRefCOCO)."""


def mask_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """Mean binary cross-entropy over all pixels, the same for every batch size.

    The authors multiply it by the batch size; with their gradient clipping that hardly changes training.

    Args:
        logits: (N, 1, H, W).
        targets: (N, 1, H, W) in [0, 1]; soft values come from resized masks.

    Returns:
        A scalar.
    """
    return F.binary_cross_entropy_with_logits(logits.float(), targets.float())


def dice_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """``mean_n (1 - (2 sum(p t) + 1) / (sum(p) + sum(t) + 1))`` over the pixels of each mask (Milletari et al., 2016).

    It weighs small objects as much as large ones; where nothing is wanted, it is low only where nothing is found.

    Args:
        logits: (N, 1, H, W); p is their sigmoid.
        targets: t, (N, 1, H, W) in [0, 1].

    Returns:
        A scalar in [0, 1].
    """
    inside, wanted = logits.float().sigmoid().flatten(1), targets.float().flatten(1)
    overlap = (inside * wanted).sum(1)
    return (1 - (2 * overlap + 1) / (inside.sum(1) + wanted.sum(1) + 1)).mean()


class Segmentation:
    """RES: mask loss, decoding to the record's size, and IoU.

    Args:
        dice_weight: weight of the dice term beside the cross-entropy; the authors have none.
        mask_rule: how masks get the record's size; see `to_record_masks`.

    Raises:
        ValueError: the weight is negative, or there is no such rule.
    """

    name = "res"
    main_metric = "mean_iou"
    heads: tuple[str, ...] = ("res",)
    labels = ("masks",)

    def __init__(self, *, dice_weight: float = 0.0, mask_rule: MaskRule = "interpolate"):
        check_weights(dice_weight=dice_weight)
        if mask_rule not in get_args(MaskRule):
            raise ValueError(f"mask_rule must be one of {get_args(MaskRule)}, got {mask_rule!r}")
        self.dice_weight, self.mask_rule = dice_weight, mask_rule

    def loss(self, outputs: Outputs, batch: Batch) -> dict[str, Tensor]:
        """``BCE + dice_weight * dice``, of the union of a record's masks.

        Args:
            outputs: "res" (N, 1, H, W).
            batch: "target_masks" (N, H, W) bool.

        Returns:
            Scalars "loss", "mask_loss" and, with a weight, "dice_loss".
        """
        logits, targets = outputs["res"], batch["target_masks"][:, None]
        cross_entropy = mask_loss(logits, targets)
        losses = {"loss": cross_entropy, "mask_loss": cross_entropy.detach()}
        if self.dice_weight:
            dice = dice_loss(logits, targets)
            losses["loss"] = cross_entropy + self.dice_weight * dice
            losses["dice_loss"] = dice.detach()
        return losses

    def metric(self) -> Metric:
        """Mean IoU, overall IoU and Pr@X, the first two also by group."""
        return SegmentationMetrics()

    def _areas(self, outputs: Outputs, batch: Batch) -> Tensor:
        """Pixels in both masks, in the predicted and in the true one, at the record's size: int64 (3, N)."""
        masks = to_record_masks(outputs["res"], batch["frames"], batch["sizes"], self.mask_rule)
        counts = [
            torch.stack([torch.count_nonzero(mask) for mask in (predicted & true, predicted, true)])
            for predicted, true in zip(masks, true_masks(batch), strict=True)
        ]
        return torch.stack(counts, 1)

    def update(self, metric: Metric, outputs: Outputs, batch: Batch) -> None:
        """Count every mask, at the size of its record."""
        both, predicted, true = self._areas(outputs, batch).to(metric.device)
        metric.update(both, predicted + true - both, batch["groups"])

    def predictions(self, outputs: Outputs, batch: Batch) -> list[dict[str, Any]]:
        """Returns {"mask": COCO run-length encoding at the record's size} per sample."""
        masks = to_record_masks(outputs["res"], batch["frames"], batch["sizes"], self.mask_rule)
        return [{"mask": encode_mask(mask.cpu().numpy())} for mask in masks]


class GeneralizedSegmentation(Segmentation):
    """GRES: as RES, but a sentence may name several things, whose union is the mask, or none.

    Args:
        dice_weight: weight of the dice term beside the cross-entropy; the authors have none.
        mask_rule: how masks get the record's size; see `to_record_masks`.
        no_target: what says that there is none: a mask of less than `min_pixels` ("pixels", the paper's rule), or a
            classifier of the whole picture ("classifier", a head of its own).
        min_pixels: at the record's size.
        no_target_weight: weight of the classifier's cross-entropy.
        no_target_pos_weight: how much more in it a sentence without a target counts; where they are a fifth of all, 4
            has the classifier err as often on them as on the others.
        attention_weight: weight of the classifier's attention resting on the targets; see `attention_loss`.

    Raises:
        ValueError: a number is out of range, there is no such rule, or `attention_weight` is without the classifier.
    """

    name = "gres"
    main_metric = "gIoU"

    def __init__(
        self,
        *,
        dice_weight: float = 0.0,
        mask_rule: MaskRule = "interpolate",
        no_target: NoTargetRule = "pixels",
        min_pixels: int = MIN_PIXELS,
        no_target_weight: float = 1.0,
        no_target_pos_weight: float = 1.0,
        attention_weight: float = 0.0,
    ):
        super().__init__(dice_weight=dice_weight, mask_rule=mask_rule)
        if no_target not in get_args(NoTargetRule):
            raise ValueError(f"no_target must be one of {get_args(NoTargetRule)}, got {no_target!r}")
        if min_pixels < 1:
            raise ValueError(f"min_pixels must be 1 or more, got {min_pixels}")
        check_weights(
            no_target_weight=no_target_weight,
            no_target_pos_weight=no_target_pos_weight,
            attention_weight=attention_weight,
        )
        if attention_weight and no_target != "classifier":
            raise ValueError(f"attention_weight is {attention_weight}, and only no_target='classifier' has attention")
        self.no_target, self.min_pixels = no_target, min_pixels
        self.no_target_weight, self.no_target_pos_weight = no_target_weight, no_target_pos_weight
        self.attention_weight = attention_weight
        if no_target == "classifier":
            self.heads = ("res", "no_target", "no_target_attention") if attention_weight else ("res", "no_target")

    def loss(self, outputs: Outputs, batch: Batch) -> dict[str, Tensor]:
        """``BCE + dice_weight * dice + no_target_weight * BCE(no target) + attention_weight * attention_loss``.

        Args:
            outputs: "res" (N, 1, H, W) and, with the classifier, "no_target" (N,) and "no_target_attention" (N, h, w).
            batch: "target_masks" (N, H, W) bool, empty where there is no target.

        Returns:
            Scalars "loss", "mask_loss" and, where they count, "dice_loss", "no_target_loss" and "attention_loss".
        """
        losses = super().loss(outputs, batch)
        if self.no_target == "classifier":
            logits, absent = outputs["no_target"].float(), ~batch["target_masks"].flatten(1).any(1)
            counts = 1 + (self.no_target_pos_weight - 1) * absent.float()
            decided = F.binary_cross_entropy_with_logits(logits, absent.float(), weight=counts)
            losses["loss"] = losses["loss"] + self.no_target_weight * decided
            losses["no_target_loss"] = decided.detach()
            if self.attention_weight:
                strays = attention_loss(outputs["no_target_attention"], batch["target_masks"])
                losses["loss"] = losses["loss"] + self.attention_weight * strays
                losses["attention_loss"] = strays.detach()
        return losses

    def metric(self) -> Metric:
        """gIoU, cIoU, N-acc, T-acc and Pr@X, the first two also by group."""
        return GeneralizedSegmentationMetrics(self.min_pixels)

    def update(self, metric: Metric, outputs: Outputs, batch: Batch) -> None:
        """Count every mask, at the size of its record."""
        decisions = self._decisions(outputs)
        metric.update(
            *self._areas(outputs, batch).to(metric.device),
            no_target=None if decisions is None else decisions.to(metric.device),
            groups=batch["groups"],
        )

    def _decisions(self, outputs: Outputs) -> Tensor | None:
        """Bool (N,), what the classifier says; None where pixels are counted."""
        return outputs["no_target"] > 0 if self.no_target == "classifier" else None

    def predictions(self, outputs: Outputs, batch: Batch) -> list[dict[str, Any]]:
        """Returns {"mask": COCO run-length encoding at the record's size, "no_target": bool} per sample."""
        answers = super().predictions(outputs, batch)
        decisions = self._decisions(outputs)
        absent = (
            [mask_area(answer["mask"]) < self.min_pixels for answer in answers]
            if decisions is None
            else decisions.tolist()
        )
        return [answer | {"no_target": none} for answer, none in zip(answers, absent, strict=True)]
