"""REC: point at what the sentence names, with one box."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import torch
from pydantic import Field
from torch import Tensor

from laconvnet.settings import NotNegative
from laconvnet.tasks.answer import Answer
from laconvnet.tasks.assignment import assign, assign_nearest
from laconvnet.tasks.boxes import best_boxes, read_cells, to_centres, to_record_frame
from laconvnet.tasks.losses import box_distance, box_loss, objectness_loss
from laconvnet.tasks.no_target import NoTargetOptions, add_no_target_loss, decisions
from laconvnet.tasks.task import Outputs, Scores, Task

if TYPE_CHECKING:
    from laconvnet.data import Batch, Record
    from laconvnet.metrics import GroundingAccuracy


class GroundingOptions(NoTargetOptions):
    """The settings of `rec`."""

    box_weight: NotNegative = Field(5.0, description="Weight of the IoU term beside the objectness term.")
    l1_weight: NotNegative = Field(
        0.0,
        description="Weight of the distance between box and target, which also pulls where they do not meet; the "
        "authors leave it out.",
    )
    assignment: Literal["simota", "nearest"] = Field(
        "simota",
        description="Which cells learn a box: simota, as the authors, or nearest, which suits targets smaller than a "
        "cell.",
    )
    no_target: Literal["never", "classifier"] = Field(
        "never", description="What says that nothing is meant: never, as the paper, or a classifier of the picture."
    )


class Grounding(Task[GroundingOptions]):
    """Box loss, decoding and accuracy."""

    name = "rec"
    job = "point at it"
    Options = GroundingOptions
    headline: tuple[str, ...] = ("accuracy@0.5", "accuracy@0.25", "accuracy@0.75", "mean_iou")
    scene_sorts = ("rec",)

    def __init__(self, options: GroundingOptions, *, stride: int = 32):
        super().__init__(options, stride=stride)
        if self.decides:
            self.headline = (*type(self).headline, "N-acc", "T-acc")

    @classmethod
    def sorts(cls, options: GroundingOptions) -> tuple[str, ...]:
        """Return the sorts of sentences about the embedded world: with the classifier also those that mean nothing."""
        return ("rec", "gres") if options.no_target == "classifier" else cls.scene_sorts

    @property
    def decides(self) -> bool:
        """Whether the classifier says that nothing is meant."""
        return self.options.no_target == "classifier"

    @property
    def outputs(self) -> tuple[str, ...]:
        """The outputs that it reads."""
        return ("rec", "no_target") if self.decides else ("rec",)

    @property
    def labels(self) -> tuple[str, ...]:
        """The keys that its records must have."""
        return ("boxes",)

    def loss(self, outputs: Outputs, batch: Batch) -> dict[str, Tensor]:
        """The authors' loss: ``box_weight * sum(1 - IoU^2) / P + sum(BCE(objectness)) / P`` over P positive cells.

        ``l1_weight * box_distance`` and the classifier's loss are added where they are wanted.

        Args:
            outputs: "rec" (N, 5, h, w) and, with the classifier, "no_target" (N,).
            batch: "target_boxes" (N, 4), x0, y0, x1, y1 in input pixels; a NaN row has no target.

        Returns:
            Scalars "loss", "box_loss", "objectness_loss", "positives" (cells per sample) and, where they count,
            "l1_loss" and "no_target_loss".
        """
        options = self.options
        cells = read_cells(outputs["rec"], self.stride)
        targets = to_centres(batch["target_boxes"].to(cells.boxes.dtype))
        is_simota = options.assignment == "simota"
        chosen = assign(cells, targets, self.stride) if is_simota else assign_nearest(cells, targets)
        positive = chosen.to(cells.boxes.dtype)
        of_boxes, of_objectness = box_loss(cells, targets, positive), objectness_loss(cells, positive)
        losses = {
            "loss": options.box_weight * of_boxes + of_objectness,
            "box_loss": of_boxes.detach(),
            "objectness_loss": of_objectness.detach(),
            "positives": (positive.sum().clamp(min=1) / len(targets)).detach(),
        }
        if options.l1_weight:
            distance = box_distance(cells, targets, chosen, self.stride)
            losses["loss"] = losses["loss"] + options.l1_weight * distance
            losses["l1_loss"] = distance.detach()
        if self.decides:
            losses = add_no_target_loss(losses, outputs, targets.isnan().any(1), options)
        return losses

    def decode(
        self, outputs: Outputs, frames: Tensor, sizes: Tensor, *, top_k: int = 1, min_score: float = 0.0
    ) -> list[Answer]:
        """Return boxes with a score of at least `min_score`; see `Task.decode`."""
        boxes, scores = best_boxes(outputs["rec"], self.stride, top_k)
        boxes = to_record_frame(boxes, frames, sizes)
        absent = decisions(outputs) if self.decides else [None] * len(boxes)
        answers = []
        for own, rated, none in zip(boxes.tolist(), scores.tolist(), absent, strict=True):
            kept = [place for place, score in enumerate(rated) if score >= min_score and (place == 0 or score > 0)]
            answers.append(
                Answer(tuple(tuple(own[place]) for place in kept), tuple(rated[p] for p in kept), no_target=none)
            )
        return answers

    def metric(self) -> GroundingAccuracy:
        """Accuracy at IoU 0.25, 0.5, 0.75 and mean IoU, over all sentences and by group."""
        from laconvnet.metrics import GroundingAccuracy

        return GroundingAccuracy(no_target=self.decides)

    def update(self, metric: GroundingAccuracy, answers: Sequence[Answer], batch: Batch) -> None:
        """Count the best box of every sample, in the pixels of its picture."""
        nowhere = (math.nan,) * 4
        found = [nowhere if answer.box is None or answer.no_target else answer.box for answer in answers]
        boxes = torch.tensor(found, dtype=torch.float32, device=metric.device)
        targets = to_record_frame(batch["target_boxes"], batch["frames"], batch["sizes"]).to(metric.device)
        decided = torch.tensor([bool(answer.no_target) for answer in answers], device=metric.device)
        metric.update(boxes, targets, batch["groups"], no_target=decided if self.decides else None)

    def blind(self, train: Sequence[Record], records: Sequence[Record]) -> Scores:
        """The whole image, the best constant box, and the best one per last word of the sentence."""
        from laconvnet.tasks.blind.boxes import BlindBoxes

        return BlindBoxes.fit(train).score(records)
