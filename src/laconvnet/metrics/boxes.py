"""How much boxes overlap. Boxes are (..., 4) as x0, y0, x1, y1; one with x1 < x0 or y1 < y0 is empty."""

from __future__ import annotations

import torch
from torch import Tensor


def box_area(boxes: Tensor) -> Tensor:
    """Return the areas (...,) of boxes (..., 4)."""
    sides = (boxes[..., 2:] - boxes[..., :2]).clamp(min=0)
    return sides[..., 0] * sides[..., 1]


def box_intersection(a: Tensor, b: Tensor) -> Tensor:
    """Return the area that boxes share.

    Args:
        a: (..., 4).
        b: (..., 4), of a shape that broadcasts with that of `a`.

    Returns:
        (...,); NaN where a coordinate is.
    """
    low = torch.maximum(a[..., :2], b[..., :2])
    high = torch.minimum(a[..., 2:], b[..., 2:])
    sides = (high - low).clamp(min=0)
    return sides[..., 0] * sides[..., 1]


def box_iou(a: Tensor, b: Tensor) -> Tensor:
    """Return the intersection over union of boxes, in [0, 1], 0 where both are empty; see `box_intersection`."""
    intersection = box_intersection(a, b)
    union = box_area(a) + box_area(b) - intersection
    return torch.where(union == 0, torch.zeros_like(union), intersection / union)
