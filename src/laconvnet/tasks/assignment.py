"""Which cells learn a box, as whole-batch tensor code: by optimal transport, or by where the target lies.

Legend: N batch, A cells.
"""

import torch
from torch import Tensor

from laconvnet.metrics import box_intersection
from laconvnet.tasks.boxes import Cells, to_corners

CENTRE_RADIUS = 2.5  # cells
IOU_COST = 3.0
OUTSIDE_COST = 1e5
TOP = 10


def iou_with_target(boxes: Tensor, targets: Tensor, eps: float = 0.0) -> Tensor:
    """IoU of each cell's box (N, A, 4) with its sample's target (N, 4), both centre x, y, width, height: (N, A)."""
    intersection = box_intersection(to_corners(boxes), to_corners(targets)[:, None])
    union = boxes[..., 2] * boxes[..., 3] + (targets[:, 2] * targets[:, 3])[:, None] - intersection
    return intersection / (union + eps)


@torch.no_grad()
def assign(cells: Cells, targets: Tensor, stride: int) -> Tensor:
    """Choose the positive cells of every sample (SimOTA, Ge et al. 2021, with a single target and no classes).

    Candidates have their centre inside the target or within 2.5 cells of its centre. The number k of positives is the
    sum of the ten best candidate IoUs, rounded down, at least one; the k candidates of least cost
    ``3 * -log(IoU) + 1e5 * [not both inside and near]`` are positive.

    Args:
        cells: the network's boxes.
        targets: (N, 4) centre x, y, width, height in input pixels; a NaN row has no positives.
        stride: input pixels per cell.

    Returns:
        (N, A) bool.
    """
    from_centre = (cells.centres - targets[:, None, :2]).abs()
    inside = (from_centre < targets[:, None, 2:] / 2).all(-1)
    near = (from_centre < CENTRE_RADIUS * stride).all(-1)
    candidate = inside | near
    iou = iou_with_target(cells.boxes, targets).nan_to_num(0.0)
    cost = IOU_COST * -torch.log(iou + 1e-8) + OUTSIDE_COST * ~(inside & near)
    cost = cost.masked_fill(~candidate, torch.inf)
    best = (iou * candidate).topk(min(TOP, iou.shape[1]), dim=1).values
    count = best.sum(1).int().clamp(min=1)
    rank = cost.argsort(dim=1, stable=True).argsort(dim=1)
    return (rank < count[:, None]) & candidate


@torch.no_grad()
def assign_nearest(cells: Cells, targets: Tensor) -> Tensor:
    """Choose one positive cell of every sample, the one whose centre is nearest to the target's.

    It does not depend on what the network answers yet, and so suits targets that are smaller than a cell: optimal
    transport chooses among answers that mostly miss them.

    Args:
        cells: the network's boxes.
        targets: (N, 4) centre x, y, width, height in input pixels; a NaN row has no positives.

    Returns:
        (N, A) bool.
    """
    distance = (cells.centres - targets[:, None, :2]).square().sum(-1)
    nearest = distance.nan_to_num(0.0).argmin(1, keepdim=True)
    return (nearest == torch.arange(distance.shape[1], device=distance.device)) & distance.isfinite()
