"""How much boxes overlap. Boxes are (..., 4) as x0, y0, x1, y1; one with x1 < x0 or y1 < y0 is empty."""

from __future__ import annotations

import torch
from torch import Tensor


def box_area(boxes: Tensor) -> Tensor:
    """Return the areas (...,) of boxes (..., 4)."""
    sides = (boxes[..., 2:] - boxes[..., :2]).clamp(min=0)
    return sides[..., 0] * sides[..., 1]


def box_overlap(a: Tensor, b: Tensor, *, areas: tuple[Tensor, Tensor] | None = None) -> tuple[Tensor, Tensor]:
    """Return the areas of intersection and union of boxes.

    Args:
        a: (..., 4).
        b: (..., 4), of a shape that broadcasts with that of `a`.
        areas: those of `a` and `b`, where they are known better than from the corners.

    Returns:
        Two tensors (...,); NaN where a coordinate is.
    """
    sides = (torch.minimum(a[..., 2:], b[..., 2:]) - torch.maximum(a[..., :2], b[..., :2])).clamp(min=0)
    intersection = sides[..., 0] * sides[..., 1]
    area_a, area_b = areas or (box_area(a), box_area(b))
    return intersection, area_a + area_b - intersection


def box_iou(a: Tensor, b: Tensor) -> Tensor:
    """Return the intersection over union of boxes, as `box_overlap` has them: in [0, 1], 0 where both are empty."""
    intersection, union = box_overlap(a, b)
    return torch.where(union == 0, torch.zeros_like(union), intersection / union)
