"""The losses of all tasks.

Legend: N batch, A cells or answers, H and W sides of the input, h and w of a map.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from laconvnet.tasks.assignment import iou_with_target
from laconvnet.tasks.boxes import Cells


def box_loss(cells: Cells, targets: Tensor, positive: Tensor) -> Tensor:
    """Return ``sum(1 - IoU^2) / P`` over P positive cells.

    Args:
        cells: the network's boxes.
        targets: (N, 4) center x, y, width, height in input pixels; a NaN row has no positives.
        positive: (N, A), 1 at positive cells and 0 elsewhere.
    """
    iou = iou_with_target(cells.boxes, targets.nan_to_num(1.0), eps=1e-16)
    return ((1 - iou**2) * positive).sum() / positive.sum().clamp(min=1)


def objectness_loss(cells: Cells, positive: Tensor) -> Tensor:
    """Return the binary cross-entropy of all cells, summed, over the number of positive ones; arguments as above."""
    total = F.binary_cross_entropy_with_logits(cells.objectness, positive, reduction="sum")
    return total / positive.sum().clamp(min=1)


def box_distance(cells: Cells, targets: Tensor, chosen: Tensor, stride: int) -> Tensor:
    """Return the mean over positive cells of ``|x - x*| + |y - y*|`` in cells plus ``|log(w / w*)| + |log(h / h*)|``.

    Args:
        cells: the network's boxes.
        targets: (N, 4), see `box_loss`.
        chosen: bool (N, A), the positive cells.
        stride: input pixels per cell.
    """
    wanted = targets.nan_to_num(1.0)[:, None]
    # The others' widths may be 0 or infinite, whose logarithms no factor of 0 removes.
    boxes = torch.where(chosen[..., None], cells.boxes, wanted)
    places = (boxes[..., :2] - wanted[..., :2]).abs() / stride
    sizes = (boxes[..., 2:].log() - wanted[..., 2:].log()).abs()
    return (places + sizes).sum(-1).sum() / chosen.to(boxes.dtype).sum().clamp(min=1)


def mask_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """Return the mean binary cross-entropy over all pixels, the same for every batch size.

    The authors multiply it by the batch size; with their gradient clipping that hardly changes training.

    Args:
        logits: (N, 1, H, W).
        targets: (N, 1, H, W) in [0, 1]; soft values come from resized masks.
    """
    return F.binary_cross_entropy_with_logits(logits.float(), targets.float())


def dice_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """Return ``mean_n (1 - (2 sum(p t) + 1) / (sum(p) + sum(t) + 1))`` over a mask's pixels (Milletari et al., 2016).

    It weighs small objects as much as large ones; where nothing is wanted, it is low only where nothing is found.

    Args:
        logits: (N, 1, H, W); p is their sigmoid.
        targets: t, (N, 1, H, W) in [0, 1].
    """
    inside, wanted = logits.float().sigmoid().flatten(1), targets.float().flatten(1)
    overlap = (inside * wanted).sum(1)
    return (1 - (2 * overlap + 1) / (inside.sum(1) + wanted.sum(1) + 1)).mean()


def attention_loss(scores: Tensor, targets: Tensor) -> Tensor:
    """Return how far attention strays from targets: ``-sum(q log softmax(s))``, the mean of samples that have any.

    q is the share of the targets in each cell, so that attention is to spread over several things evenly.

    Args:
        scores: s, (N, h, w), logits of a softmax over all cells.
        targets: (N, H, W) in [0, 1], H and W multiples of h and w; an all-zero one does not count.

    Returns:
        A scalar, 0 where no sample has a target.
    """
    height, width = scores.shape[1:]
    wanted = F.adaptive_avg_pool2d(targets[:, None].float(), (height, width)).flatten(1)
    share = wanted / wanted.sum(1, keepdim=True).clamp(min=1e-6)
    strays = -(share * scores.float().flatten(1).log_softmax(1)).sum(1)
    return strays.sum() / targets.flatten(1).any(1).sum().clamp(min=1)


def no_target_loss(logits: Tensor, absent: Tensor, pos_weight: float) -> Tensor:
    """Return the mean binary cross-entropy of there being no target.

    Args:
        logits: (N,).
        absent: bool (N,), where there is none.
        pos_weight: how much more a sentence without a target counts.
    """
    counts = 1 + (pos_weight - 1) * absent.float()
    return F.binary_cross_entropy_with_logits(logits.float(), absent.float(), weight=counts)


def right_answer_loss(logits: Tensor, right: Tensor) -> Tensor:
    """Return the mean cross-entropy of the right answers.

    Args:
        logits: (N, A).
        right: int64 (N,), their numbers; -1 for one outside the list, which does not count.
    """
    total = F.cross_entropy(logits.float(), right, ignore_index=-1, reduction="sum")
    return total / (right >= 0).sum().clamp(min=1)


def soft_answers_loss(logits: Tensor, scores: Tensor) -> Tensor:
    """Return the binary cross-entropy of each answer by itself, summed, the mean of the samples.

    Args:
        logits: (N, A).
        scores: (N, A), how right each answer is, in [0, 1].
    """
    return F.binary_cross_entropy_with_logits(logits.float(), scores, reduction="sum") / len(logits)
