"""REC: point at what the sentence names, with one box."""

from typing import Any, Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor
from torchmetrics import Metric

from laconvnet.metrics import GroundingAccuracy
from laconvnet.tasks.assignment import assign, assign_nearest, iou_with_target
from laconvnet.tasks.boxes import STRIDE, best_boxes, read_cells, to_centres, to_record_frame
from laconvnet.tasks.task import Batch, Outputs, check_weights

Assignment = Literal["simota", "nearest"]


def _distance(boxes: Tensor, targets: Tensor) -> Tensor:
    """Distance of boxes (N, A, 4) from the targets (N, 4), centres in cells and sizes as logarithms: (N, A)."""
    places = (boxes[..., :2] - targets[:, None, :2]).abs() / STRIDE
    sizes = (boxes[..., 2:].log() - targets[:, None, 2:].log()).abs()
    return (places + sizes).sum(-1)


class Grounding:
    """Box loss, decoding and accuracy.

    Args:
        box_weight: weight of the IoU term beside the objectness term.
        l1_weight: weight of the distance between box and target, which also pulls where they do not meet; the
            authors leave it out.
        assignment: "simota", as the authors, or "nearest", which suits targets smaller than a cell of 32 pixels.

    Raises:
        ValueError: a weight is negative, or there is no such assignment.
    """

    name = "rec"
    main_metric = "accuracy@0.5"
    heads = ("rec",)
    labels = ("boxes",)

    def __init__(self, *, box_weight: float = 5.0, l1_weight: float = 0.0, assignment: Assignment = "simota"):
        check_weights(box_weight=box_weight, l1_weight=l1_weight)
        if assignment not in get_args(Assignment):
            raise ValueError(f"assignment must be one of {get_args(Assignment)}, got {assignment!r}")
        self.box_weight, self.l1_weight, self.assignment = box_weight, l1_weight, assignment

    def loss(self, outputs: Outputs, batch: Batch) -> dict[str, Tensor]:
        """The authors' loss: ``box_weight * sum(1 - IoU^2) / P + sum(BCE(objectness)) / P`` over P positive cells.

        With ``l1_weight``, the mean over positive cells of ``|x - x*| + |y - y*|`` in cells plus
        ``|log(w / w*)| + |log(h / h*)|`` is added.

        Args:
            outputs: "rec" (N, 5, h, w).
            batch: "target_boxes" (N, 4), x0, y0, x1, y1 in input pixels; a NaN row has no target.

        Returns:
            Scalars "loss", "box_loss", "objectness_loss" and "positives" (cells per sample).
        """
        cells = read_cells(outputs["rec"])
        targets = to_centres(batch["target_boxes"].to(cells.boxes.dtype))
        chosen = assign(cells, targets, STRIDE) if self.assignment == "simota" else assign_nearest(cells, targets)
        positive = chosen.to(cells.boxes.dtype)
        count = positive.sum().clamp(min=1)
        iou = iou_with_target(cells.boxes, targets.nan_to_num(1.0), eps=1e-16)
        box_loss = ((1 - iou**2) * positive).sum() / count
        objectness_loss = F.binary_cross_entropy_with_logits(cells.objectness, positive, reduction="sum") / count
        losses = {
            "loss": self.box_weight * box_loss + objectness_loss,
            "box_loss": box_loss.detach(),
            "objectness_loss": objectness_loss.detach(),
            "positives": (count / len(targets)).detach(),
        }
        if self.l1_weight:
            # The others' widths may be 0 or infinite, whose logarithms no factor of 0 removes.
            wanted = targets.nan_to_num(1.0)
            boxes = torch.where(chosen[..., None], cells.boxes, wanted[:, None])
            l1_loss = _distance(boxes, wanted).sum() / count
            losses["loss"] = losses["loss"] + self.l1_weight * l1_loss
            losses["l1_loss"] = l1_loss.detach()
        return losses

    def metric(self) -> GroundingAccuracy:
        """Accuracy at IoU 0.25, 0.5, 0.75 and mean IoU, over all sentences and by group."""
        return GroundingAccuracy()

    def update(self, metric: Metric, outputs: Outputs, batch: Batch) -> None:
        """Count the best box of every sample, in the pixels of its picture."""
        frames, sizes = batch["frames"], batch["sizes"]
        boxes = to_record_frame(best_boxes(outputs["rec"])[0], frames, sizes)
        targets = to_record_frame(batch["target_boxes"], frames, sizes)
        metric.update(boxes.to(metric.device), targets.to(metric.device), batch["groups"])

    def predictions(self, outputs: Outputs, batch: Batch) -> list[dict[str, Any]]:
        """Returns {"box": [x0, y0, x1, y1] in the picture's pixels, "score": in [0, 1]} per sample."""
        boxes, scores = best_boxes(outputs["rec"])
        boxes = to_record_frame(boxes, batch["frames"], batch["sizes"])
        both = torch.cat([boxes, scores[:, None]], 1).tolist()
        return [{"box": [round(v, 2) for v in row[:4]], "score": round(row[4], 4)} for row in both]
