"""GRES: cut out everything that the sentence names, one thing, several, or none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, Self

import torch
from pydantic import Field, model_validator
from torch import Tensor

from laconvnet.settings import NotNegative
from laconvnet.tasks.answer import Answer
from laconvnet.tasks.losses import attention_loss
from laconvnet.tasks.masks import to_record_masks
from laconvnet.tasks.no_target import NoTargetOptions, add_no_target_loss, decisions
from laconvnet.tasks.segmentation import SegmentationOptions, cut_out_loss, mask_areas
from laconvnet.tasks.task import Outputs, Scores, Task

if TYPE_CHECKING:
    from laconvnet.data import Batch, Record
    from laconvnet.metrics import GeneralizedSegmentationMetrics


class GeneralizedSegmentationOptions(SegmentationOptions, NoTargetOptions):
    """The settings of `gres`."""

    no_target: Literal["pixels", "classifier"] = Field(
        "pixels",
        description="What says that nothing is meant: a mask of fewer than min_pixels, the paper's rule, or a "
        "classifier of the picture.",
    )
    min_pixels: int = Field(
        50,
        ge=1,
        description="A mask of fewer pixels, at the picture's own size, says that nothing is meant (Sec. 4.2).",
    )
    attention_weight: NotNegative = Field(
        0.0, description="Weight of the classifier's attention resting on the targets."
    )

    @model_validator(mode="after")
    def _has_attention(self) -> Self:
        if self.attention_weight and self.no_target != "classifier":
            raise ValueError(
                f"attention_weight is {self.attention_weight}, and only no_target: classifier has attention"
            )
        return self


class GeneralizedSegmentation(Task[GeneralizedSegmentationOptions]):
    """Mask loss and classifier loss, decoding, and the metrics of gRefCOCO."""

    name = "gres"
    job = "cut out all, or none"
    Options = GeneralizedSegmentationOptions
    headline = ("gIoU", "cIoU", "N-acc", "T-acc")
    scene_sorts = ("gres",)

    @property
    def decides(self) -> bool:
        """Whether the classifier says that nothing is meant."""
        return self.options.no_target == "classifier"

    @property
    def outputs(self) -> tuple[str, ...]:
        """The outputs that it reads."""
        wanted = {"res": True, "no_target": self.decides, "no_target_attention": self.options.attention_weight > 0}
        return tuple(name for name, is_wanted in wanted.items() if is_wanted)

    @property
    def labels(self) -> tuple[str, ...]:
        """The keys that its records must have."""
        return ("masks",)

    def loss(self, outputs: Outputs, batch: Batch) -> dict[str, Tensor]:
        """``BCE + dice_weight * dice + no_target_weight * BCE(no target) + attention_weight * attention_loss``.

        Args:
            outputs: "res" (N, 1, H, W) and, with the classifier, "no_target" (N,) and "no_target_attention" (N, h, w).
            batch: "target_masks" (N, H, W) bool, empty where there is no target.

        Returns:
            Scalars "loss", "mask_loss" and, where they count, "dice_loss", "no_target_loss" and "attention_loss".
        """
        losses = cut_out_loss(outputs, batch, self.options.dice_weight)
        if self.decides:
            absent = ~batch["target_masks"].flatten(1).any(1)
            losses = add_no_target_loss(losses, outputs, absent, self.options)
        if self.options.attention_weight:
            strays = attention_loss(outputs["no_target_attention"], batch["target_masks"])
            losses["loss"] = losses["loss"] + self.options.attention_weight * strays
            losses["attention_loss"] = strays.detach()
        return losses

    def decode(
        self, outputs: Outputs, frames: Tensor, sizes: Tensor, *, top_k: int = 1, min_score: float = 0.0
    ) -> list[Answer]:
        """Return masks, and whether nothing is meant; see `Task.decode`. The mask is as it was found all the same."""
        masks = to_record_masks(outputs["res"], frames, sizes, self.options.mask_rule)
        if self.decides:
            absent = decisions(outputs)
        else:
            absent = [int(mask.sum()) < self.options.min_pixels for mask in masks]
        return [Answer(mask=mask.cpu().numpy(), no_target=none) for mask, none in zip(masks, absent, strict=True)]

    def metric(self) -> GeneralizedSegmentationMetrics:
        """gIoU, cIoU, N-acc, T-acc and Pr@X, the first two also by group."""
        from laconvnet.metrics import GeneralizedSegmentationMetrics

        return GeneralizedSegmentationMetrics(self.options.min_pixels)

    def update(self, metric: Any, answers: Sequence[Answer], batch: Batch) -> None:
        """Count every mask, at the size of its picture."""
        decided = torch.tensor([bool(answer.no_target) for answer in answers], device=metric.device)
        metric.update(*mask_areas(answers, batch).to(metric.device), no_target=decided, groups=batch["groups"])

    def blind(self, train: Sequence[Record], records: Sequence[Record]) -> Scores:
        """The whole image, the best constant mask, and that there is nothing."""
        from laconvnet.tasks.blind.masks import BlindMasks

        return BlindMasks.fit(train).score(records, min_pixels=self.options.min_pixels)
