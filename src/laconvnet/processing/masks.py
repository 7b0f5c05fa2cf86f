"""COCO run-length encodings to boolean masks and back.

A mask is read column by column; its runs are the numbers of pixels outside, inside, outside, ... the object.
The compressed form writes each run, from the fourth on less the run two before it, as a signed number in
groups of five bits, lowest first, one character of 48 + bits + 32 if more follow for each group.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

Box = tuple[float, float, float, float]
"""Half-open pixel corners (x0, y0, x1, y1), 0 <= x0 < x1 <= width and 0 <= y0 < y1 <= height."""


def decode_mask(mask: Mapping[str, Any]) -> npt.NDArray[np.bool_]:
    """Decodes one run-length encoding.

    Args:
        mask: `size` [height, width] and `counts`, compressed (string) or plain (list of run lengths).

    Returns:
        bool (height, width).

    Raises:
        ValueError: the counts are malformed, or do not fill the picture exactly.
    """
    height, width = mask["size"]
    counts = mask["counts"]
    runs = np.array(_decompress(counts) if isinstance(counts, str) else counts, dtype=np.int64)
    if (runs < 0).any() or runs.sum() != height * width:
        raise ValueError(
            f"a mask of {height} x {width} needs runs of 0 or more that sum to {height * width} pixels; "
            f"the shortest of {len(runs)} is {runs.min(initial=0)}, the sum is {runs.sum()}"
        )
    inside = np.arange(len(runs)) % 2 == 1
    return np.repeat(inside, runs).reshape(width, height).T


def encode_mask(mask: npt.NDArray[np.bool_]) -> dict[str, Any]:
    """Encodes a boolean (H, W) mask as a compressed run-length encoding that JSON can hold."""
    from pycocotools import mask as coco

    encoding = coco.encode(np.asfortranarray(mask, dtype=np.uint8))
    return {"size": [int(side) for side in encoding["size"]], "counts": encoding["counts"].decode("ascii")}


def union_mask(masks: Sequence[Mapping[str, Any]], height: int, width: int) -> npt.NDArray[np.bool_]:
    """Decodes the union of run-length encodings of one picture as bool (height, width); empty without any."""
    union = np.zeros((height, width), dtype=bool)
    for mask in masks:
        union |= decode_mask(mask)
    return union


def mask_box(mask: npt.NDArray[np.bool_]) -> Box | None:
    """The box around a mask (H, W); None if it is empty."""
    columns, rows = np.flatnonzero(mask.any(axis=0)), np.flatnonzero(mask.any(axis=1))
    if not len(rows):
        return None
    return float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1)


def resize_mask(mask: npt.NDArray[np.bool_], width: int, height: int) -> npt.NDArray[np.bool_]:
    """Brings a mask to another size, bilinearly."""
    if mask.shape == (height, width):
        return mask
    picture = Image.fromarray(mask.astype(np.uint8) * 255)
    return np.asarray(picture.resize((width, height), Image.Resampling.BILINEAR)) > 127


def mask_area(mask: Mapping[str, Any]) -> int:
    """The number of pixels inside a run-length encoded mask."""
    counts = mask["counts"]
    return sum((_decompress(counts) if isinstance(counts, str) else counts)[1::2])


def _decompress(counts: str) -> list[int]:
    runs: list[int] = []
    value = shift = 0
    for letter in counts:
        code = ord(letter) - 48
        if not 0 <= code < 64:
            raise ValueError(f"compressed runs are written with the characters '0' to 'o', got {letter!r}")
        value |= (code & 31) << shift
        shift += 5
        if code & 32:
            continue
        if code & 16:
            value -= 1 << shift
        if len(runs) > 2:
            value += runs[-2]
        runs.append(value)
        value = shift = 0
    if shift:
        raise ValueError("compressed runs end within a number")
    return runs
