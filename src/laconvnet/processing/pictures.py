"""Picture files: read as RGB arrays, whatever their mode, depth or orientation, and written."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import ExifTags, Image, ImageOps

from laconvnet.files import replace_file
from laconvnet.processing.resizing import UInt8Array

_DECODER_ERRORS = (OSError, SyntaxError, ValueError, EOFError, IndexError, KeyError, struct.error)


class ImageError(OSError):
    """A picture is missing, corrupt, or too large; the message names the file."""


def read_image(path: str | os.PathLike[str], at_least: int | None = None) -> UInt8Array:
    """Reads a picture as RGB.

    EXIF orientation is applied, grey becomes RGB, 16-bit grey is scaled to 8 bits, and transparent
    pixels are laid over white.

    Args:
        path: a file in any format that Pillow reads.
        at_least: None for full size; otherwise a much larger picture may be returned shrunk by a whole
            factor, its shorter side still `at_least` pixels or more. JPEG files are then also decoded faster.

    Returns:
        uint8 (H, W, 3), possibly read-only.

    Raises:
        ImageError: the file is missing, truncated, not a picture, or has too many pixels.
    """
    with _named_errors(path):
        with Image.open(path) as picture:
            if at_least is not None:
                picture.draft(None, (at_least, at_least))
            picture.load()
            ImageOps.exif_transpose(picture, in_place=True)
            rgb = to_rgb(picture)
        if at_least is not None and (factor := min(rgb.size) // at_least) > 1:
            rgb = rgb.reduce(factor)
        return np.asarray(rgb)


Picture = str | os.PathLike[str] | Image.Image | npt.NDArray[Any]
"""A file, a Pillow image, or uint8 (H, W, 3) RGB."""


def is_picture(value: object) -> bool:
    """Return whether a value is a single picture, and not several."""
    return isinstance(value, str | bytes | os.PathLike | Image.Image | np.ndarray)


def as_picture(picture: Picture) -> UInt8Array:
    """Open a picture, upright and RGB.

    Args:
        picture: a file, a Pillow image, or uint8 (H, W, 3).

    Returns:
        uint8 (H, W, 3).

    Raises:
        ImageError: the file is missing or no picture.
        ValueError: an array of another shape or dtype.
        TypeError: none of these.
    """
    if isinstance(picture, Image.Image):
        return np.asarray(to_rgb(ImageOps.exif_transpose(picture)))
    if isinstance(picture, np.ndarray):
        if picture.ndim != 3 or picture.shape[2] != 3 or picture.dtype != np.uint8 or picture.size == 0:
            raise ValueError(
                f"an array picture must be uint8 (H, W, 3) RGB with pixels; got {picture.dtype} {picture.shape}"
            )
        return picture
    if not isinstance(picture, str | os.PathLike):
        raise TypeError(
            f"a picture must be a file, a Pillow image or a uint8 (H, W, 3) array, got {type(picture).__name__}"
        )
    return read_image(picture)


def image_size(path: str | os.PathLike[str]) -> tuple[int, int]:
    """Reads width and height of a picture as `read_image` turns it, without decoding it.

    Raises:
        ImageError: the file is missing, not a picture, or has too many pixels.
    """
    with _named_errors(path), Image.open(path) as picture:
        width, height = picture.size
        lies = picture.getexif().get(ExifTags.Base.Orientation) in (5, 6, 7, 8)
        return (height, width) if lies else (width, height)


@contextmanager
def _named_errors(path: str | os.PathLike[str]) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise ImageError(f"cannot read picture {os.fspath(path)}: no such file") from None
    except Image.DecompressionBombError as error:
        advice = "shrink the file, or raise PIL.Image.MAX_IMAGE_PIXELS"
        raise ImageError(f"cannot read picture {os.fspath(path)}: {error} {advice}") from None
    except _DECODER_ERRORS as error:
        raise ImageError(f"cannot read picture {os.fspath(path)}: {error}") from error


def to_rgb(picture: Image.Image) -> Image.Image:
    """Converts an opened picture of any mode to RGB.

    Raises:
        ValueError: the mode has no defined conversion, such as floating point or 32-bit values above 65535.
    """
    if picture.mode == "RGB" and not picture.has_transparency_data:
        return picture
    if picture.mode.startswith("I"):
        values = np.asarray(picture).astype(np.int64)
        low, high = int(values.min()), int(values.max())
        if low < 0 or high > 65535:
            raise ValueError(f"pixel values of mode {picture.mode} must lie in 0..65535, got {low}..{high}")
        return Image.fromarray(((values + 128) // 257).astype(np.uint8)).convert("RGB")
    if picture.mode == "F":
        raise ValueError("floating-point pixels have no defined range; save the picture with 8 or 16 bits")
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
    return picture.convert("RGB")


def picture_format(path: str | os.PathLike[str]) -> str:
    """Pillow's name of the format that a picture's ending stands for.

    Raises:
        ValueError: Pillow writes no such files.
    """
    ending = Path(path).suffix.lower()
    name = Image.registered_extensions().get(ending)
    if name not in Image.SAVE:
        raise ValueError(f"{path} needs the ending of a picture, such as .png or .jpg, got {ending or 'none'}")
    return name


def save_picture(picture: Image.Image, path: str | os.PathLike[str]) -> None:
    """Writes a picture aside, then puts it in place; folders are made, the ending says the format.

    Raises:
        ValueError: the ending is that of no picture.
        OSError: writing fails; the previous file stays.
    """
    name = picture_format(path)
    replace_file(Path(path), lambda partial: picture.save(partial, format=name))
