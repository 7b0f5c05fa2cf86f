"""Masks of the network in the pixels of the pictures they are about."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor

from laconvnet.processing import Mask, union_mask

if TYPE_CHECKING:
    from laconvnet.data import Batch

MaskRule = Literal["interpolate", "dilate"]
"""How a mask gets its size: interpolate logits, then threshold; or, as the authors do, the other way round."""


def to_record_masks(logits: Tensor, frames: Tensor, sizes: Tensor, rule: MaskRule = "interpolate") -> list[Tensor]:
    """Bring masks from input pixels to the frames of the records.

    "interpolate" is bilinear between the logits and calls a pixel positive above 0. The authors threshold first,
    interpolate the zeros and ones, and keep whatever is above 0: objects grow by up to a pixel of the input on all
    sides, which costs a perfect mask of 20 pixels a tenth of its IoU and more. "dilate" is that rule, to compare with
    figures made by it.

    Args:
        logits: (N, 1, H, W), positive inside.
        frames: (N, 4), where the record's frame lies in the input; see `processing.Frame`. Not mirrored.
        sizes: (N, 2) int64, width and height of the record's frame.
        rule: "interpolate" or "dilate".

    Returns:
        N masks, bool (height, width), on the device of the logits.

    Raises:
        ValueError: there is no such rule.
    """
    if rule not in get_args(MaskRule):
        raise ValueError(f"the rule of masks must be one of {get_args(MaskRule)}, got {rule!r}")
    values = logits.float() if rule == "interpolate" else (logits > 0).float()
    masks: list[Tensor] = []
    for begin, end in _alike(frames, sizes):
        (sx, sy, ox, oy), (width, height) = frames[begin].tolist(), sizes[begin].tolist()
        left, top = round(ox), round(oy)
        inner = values[begin:end, :, top : top + max(1, round(height * sy)), left : left + max(1, round(width * sx))]
        resized = F.interpolate(inner, (height, width), mode="bilinear", align_corners=False)
        masks += (resized[:, 0] > 0).unbind()
    return masks


def _alike(frames: Tensor, sizes: Tensor) -> list[tuple[int, int]]:
    """Runs of samples that lie alike in the input, as begin and end."""
    rows = torch.cat([frames.cpu().double(), sizes.cpu().double()], 1)
    changes = (rows[1:] != rows[:-1]).any(1).nonzero().flatten() + 1
    ends = [*changes.tolist(), len(rows)]
    return [pair for pair in zip([0, *ends], ends, strict=False) if pair[0] < pair[1]]


def true_masks(batch: Batch) -> list[Mask]:
    """Return the true masks of a batch in the frames of its records.

    Args:
        batch: "record_masks", for each sample the run-length encodings of its record, or None where there are none;
            then its row of "target_masks" is taken, which must be of the record's size.

    Returns:
        N masks, bool (height, width).

    Raises:
        ValueError: a sample without encodings was resized.
    """
    targets, masks = batch["target_masks"], []
    for row, (encodings, (width, height)) in enumerate(
        zip(batch["record_masks"], batch["sizes"].tolist(), strict=True)
    ):
        if encodings is not None:
            masks.append(union_mask(encodings, height, width))
        elif targets.shape[1:] == (height, width):
            masks.append(targets[row].cpu().numpy())
        else:
            raise ValueError(
                f"sample {batch['ids'][row]!r} has no mask at its own size of {width} x {height}, "
                f"only one of {targets.shape[2]} x {targets.shape[1]}"
            )
    return masks
