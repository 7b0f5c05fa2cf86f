"""Pictures known again by their content: byte for byte, or re-encoded and resized."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image
from tqdm import tqdm

from laconvnet.data.loader import worker_map
from laconvnet.processing.pictures import read_image

BITS = 256
NEAR = 24
"""Bits by which a copy may differ; docs/datasets/pretraining.md has the measurement."""

_STEPS = 16  # differences of one row or column
_DECODED_SIDE = 128  # pixels that are enough for the hash
_PER_JOB = 64  # pictures that a process reads at a time
_BLOCK = 4096  # pictures compared with as many at a time: 64 MiB of float32


class Fingerprint(NamedTuple):
    """What is known of a picture's content, in hexadecimal: SHA-256 of the file, and `difference_hash`."""

    sha256: str
    difference: str


def difference_hash(image: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
    """Where brightness rises from left to right, and from top to bottom.

    The picture is averaged to 17 x 8 grey values, whose 16 x 8 horizontal differences give half the bits, and to
    8 x 17, whose 8 x 16 vertical ones give the others. Unrelated pictures differ by half the bits; size, proportions
    and compression change few.

    Args:
        image: RGB (H, W, 3).

    Returns:
        bool (256,).
    """
    # In floating point, since rounded neighbours would often be equal.
    grey = Image.fromarray(image).convert("L").convert("F")
    across = np.asarray(grey.resize((_STEPS + 1, _STEPS // 2), Image.Resampling.BILINEAR))
    down = np.asarray(grey.resize((_STEPS // 2, _STEPS + 1), Image.Resampling.BILINEAR))
    return np.concatenate([(np.diff(across, axis=1) > 0).ravel(), (np.diff(down, axis=0) > 0).ravel()])


def fingerprint(path: str | os.PathLike[str]) -> Fingerprint:
    """Reads the fingerprint of one picture.

    Raises:
        ImageError: the file is missing or not a picture.
    """
    bits = difference_hash(read_image(path, at_least=_DECODED_SIDE))
    with open(path, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return Fingerprint(digest, np.packbits(bits).tobytes().hex())


def fingerprints(paths: Sequence[str], *, workers: int = 1, progress: bool = False) -> dict[str, Fingerprint]:
    """Reads the fingerprints of many pictures.

    Args:
        paths: the pictures.
        workers: processes that read them; 1 reads in this one.
        progress: whether to show a progress bar.

    Raises:
        ImageError: a file is missing or not a picture.
        ValueError: workers is below 1.
    """
    if workers < 1:
        raise ValueError(f"workers must be 1 or more, got {workers}")

    with worker_map(fingerprint, paths, 0 if workers == 1 else workers, chunksize=_PER_JOB) as found:
        bar = tqdm(found, desc="reading pictures", total=len(paths), unit="picture", disable=not progress)
        return dict(zip(paths, bar, strict=True))


def nearest(hashes: Sequence[str], others: Sequence[str], *, progress: bool = False) -> Iterator[tuple[int, int]]:
    """Yields for each hash (index of the nearest other one, bits by which they differ).

    All pairs are compared, as products of ±1 vectors: those are 256 - 2 x bits. Of several nearest the first counts.

    Args:
        hashes: N hashes as `Fingerprint.difference`.
        others: M hashes, at least one.
        progress: whether to show a progress bar.
    """
    signs = _signs(others)
    bar = tqdm(desc="comparing", total=len(hashes), unit="picture", disable=not progress)
    with bar:
        for start in range(0, len(hashes), _BLOCK):
            block = _signs(hashes[start : start + _BLOCK])
            best = np.full(len(block), -np.inf, np.float32)
            index = np.zeros(len(block), np.int64)
            for first in range(0, len(signs), _BLOCK):
                products = block @ signs[first : first + _BLOCK].T
                found = products.argmax(1)
                values = products[np.arange(len(block)), found]
                better = values > best
                best[better], index[better] = values[better], found[better] + first
            bar.update(len(block))
            yield from zip(index.tolist(), ((BITS - best) / 2).astype(int).tolist(), strict=True)


def _signs(hashes: Sequence[str]) -> npt.NDArray[np.float32]:
    """Hashes in hexadecimal as rows of ±1, float32 (N, 256)."""
    packed = np.frombuffer(bytes.fromhex("".join(hashes)), np.uint8)
    bits = np.unpackbits(packed.reshape(len(hashes), BITS // 8), axis=1)
    return 2 * bits.astype(np.float32) - 1
