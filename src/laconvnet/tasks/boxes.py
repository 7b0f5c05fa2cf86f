"""Boxes: from the raw map of the box head to pixels, from input pixels to the picture's own."""

from typing import NamedTuple

import torch
from torch import Tensor

from laconvnet.metrics import box_iou

_SUPPRESSING_IOU = 0.5


class Cells(NamedTuple):
    """A raw map read cell by cell; A = h*w cells, row by row.

    Attributes:
        boxes: (N, A, 4) centre x, y, width, height in input pixels.
        objectness: (N, A) logits.
        centres: (A, 2) x, y of each cell's centre in input pixels.
    """

    boxes: Tensor
    objectness: Tensor
    centres: Tensor


def read_cells(raw: Tensor, stride: int) -> Cells:
    """Turn the raw map (N, 5, h, w) into boxes: centre = (t + cell) * stride, size = exp(t) * stride.

    Args:
        raw: 4 box numbers and 1 objectness logit per cell, any floating dtype; computed in float32 at least.
        stride: input pixels per cell.

    Returns:
        The cells.
    """
    raw = raw if raw.dtype == torch.float64 else raw.float()
    height, width = raw.shape[2:]
    rows = torch.arange(height, device=raw.device, dtype=raw.dtype)
    columns = torch.arange(width, device=raw.device, dtype=raw.dtype)
    corners = torch.stack(torch.meshgrid(columns, rows, indexing="xy"), -1).view(-1, 2)
    flat = raw.flatten(2).transpose(1, 2)
    centre = (flat[..., :2] + corners) * stride
    size = flat[..., 2:4].exp() * stride
    return Cells(torch.cat([centre, size], -1), flat[..., 4], (corners + 0.5) * stride)


def to_corners(boxes: Tensor) -> Tensor:
    """(..., 4) centre x, y, width, height to x0, y0, x1, y1."""
    centre, half = boxes[..., :2], boxes[..., 2:] / 2
    return torch.cat([centre - half, centre + half], -1)


def to_centres(boxes: Tensor) -> Tensor:
    """(..., 4) x0, y0, x1, y1 to centre x, y, width, height."""
    low, high = boxes[..., :2], boxes[..., 2:]
    return torch.cat([(low + high) / 2, high - low], -1)


def best_boxes(raw: Tensor, stride: int, top_k: int = 1) -> tuple[Tensor, Tensor]:
    """Return the boxes of the most object-like cells.

    Args:
        raw: (N, 5, h, w).
        stride: input pixels per cell.
        top_k: boxes of a sample, at most h*w. Above 1, a box that overlaps a better one by an IoU above 0.5 gets the
            score 0 (non-maximum suppression), and the others come first.

    Returns:
        Boxes (N, top_k, 4) as x0, y0, x1, y1 in input pixels, and scores (N, top_k) in [0, 1], the best one first.
    """
    cells = read_cells(raw, stride)
    scores = cells.objectness.sigmoid()
    if top_k == 1:
        score, index = scores.max(1, keepdim=True)
        return to_corners(cells.boxes.gather(1, index[:, :, None].expand(-1, -1, 4))), score
    score, index = scores.sort(dim=1, descending=True, stable=True)
    boxes = to_corners(cells.boxes.gather(1, index[:, :, None].expand(-1, -1, 4)))
    score = score.masked_fill(_suppressed(boxes), 0.0)
    score, index = score.sort(dim=1, descending=True, stable=True)
    count = min(top_k, score.shape[1])
    return boxes.gather(1, index[:, :count, None].expand(-1, -1, 4)), score[:, :count]


def _suppressed(boxes: Tensor) -> Tensor:
    """Which of boxes (N, A, 4), the best one first, overlap a better one that is not suppressed itself: bool (N, A)."""
    overlap = box_iou(boxes[:, :, None], boxes[:, None]) > _SUPPRESSING_IOU
    suppressed = torch.zeros(boxes.shape[:2], dtype=torch.bool, device=boxes.device)
    for better in range(boxes.shape[1] - 1):
        worse = overlap[:, better, better + 1 :] & ~suppressed[:, better, None]
        suppressed[:, better + 1 :] |= worse
    return suppressed


def to_record_frame(boxes: Tensor, frames: Tensor, sizes: Tensor) -> Tensor:
    """Undo resizing and padding, and clip to the picture.

    Args:
        boxes: (N, ..., 4) x0, y0, x1, y1 in input pixels.
        frames: (N, 4) scale x, y and offset x, y with input = record * scale + offset.
        sizes: (N, 2) width and height of each record's frame.

    Returns:
        (N, ..., 4) in the pixels of the record's frame.
    """
    scale, offset, limit = (
        pair.repeat(1, 2).view(-1, *[1] * (boxes.ndim - 2), 4)
        for pair in (frames[:, :2], frames[:, 2:], sizes.to(boxes.dtype))
    )
    return ((boxes - offset) / scale).clamp(min=torch.zeros_like(limit), max=limit)
