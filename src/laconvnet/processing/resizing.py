"""From a picture of any size to the square that a network reads, and the frame that leads back."""

from __future__ import annotations

from typing import Literal, TypeVar, get_args

import numpy as np
import numpy.typing as npt
from PIL import Image

UInt8Array = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]
T = TypeVar("T", bound=np.generic)

Frame = tuple[float, float, float, float]
"""(sx, sy, ox, oy): a point of the original picture lies at (x * sx + ox, y * sy + oy) of the resized one.

sx is negative in a mirrored picture.
"""
ResizeMode = Literal["letterbox", "stretch"]

PADDING = 127
"""Value of all three channels around a letterboxed picture."""


def fit(width: int, height: int, size: int, mode: ResizeMode) -> tuple[int, int, int, int]:
    """Return where a picture lies in the square that the network reads.

    Args:
        width: of the picture, pixels.
        height: of the picture, pixels.
        size: side of the square, pixels.
        mode: "letterbox" keeps the aspect, truncates to whole pixels and centers; "stretch" fills the square.

    Returns:
        Width, height, left and top of the resized picture in the square.

    Raises:
        ValueError: the size is below 1, or there is no such mode.
    """
    if mode not in get_args(ResizeMode):
        raise ValueError(f"resize mode must be one of {get_args(ResizeMode)}, got {mode!r}")
    if size < 1:
        raise ValueError(f"the input size must be at least 1 pixel, got {size}")
    if mode == "stretch":
        return size, size, 0, 0
    longest = max(width, height)
    new_width, new_height = max(1, width * size // longest), max(1, height * size // longest)
    return new_width, new_height, (size - new_width) // 2, (size - new_height) // 2


def resize_picture(picture: UInt8Array, size: int, mode: ResizeMode) -> tuple[UInt8Array, Frame]:
    """Bring a picture to the square that the network reads, padded with `PADDING`.

    Args:
        picture: uint8 (H, W, 3).
        size: side of the square, pixels.
        mode: see `fit`.

    Returns:
        uint8 (size, size, 3), and the frame from the pixels of `picture` to those of the square.
    """
    height, width = picture.shape[:2]
    new_width, new_height, left, top = fit(width, height, size, mode)
    square = _pad(_resize(picture, new_width, new_height), size, left, top, PADDING)
    return square, (new_width / width, new_height / height, left, top)


def resize_mask_to_input(mask: Mask, size: int, mode: ResizeMode) -> Mask:
    """Bring a mask, bool (H, W), to the square that the network reads, empty in the padding: bool (size, size)."""
    new_width, new_height, left, top = fit(mask.shape[1], mask.shape[0], size, mode)
    resized = _resize(mask.astype(np.uint8) * 255, new_width, new_height) > 127
    return _pad(resized, size, left, top, False)


def _resize(image: UInt8Array, width: int, height: int) -> UInt8Array:
    """Resize bilinearly with antialiasing."""
    if image.shape[:2] == (height, width):
        return image
    picture = Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR, reducing_gap=2.0)
    return np.asarray(picture)


def _pad(image: npt.NDArray[T], size: int, left: int, top: int, value: int) -> npt.NDArray[T]:
    """Place an image in a square of one value."""
    height, width = image.shape[:2]
    if (height, width) == (size, size):
        return image
    square = np.full((size, size, *image.shape[2:]), value, dtype=image.dtype)
    square[top : top + height, left : left + width] = image
    return square
