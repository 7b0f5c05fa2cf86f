"""Pictures are known again by their content, whatever their size and compression."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter

from laconvnet.data.leakage.picture_hash import NEAR, Fingerprint, difference_hash, fingerprint, fingerprints, nearest
from laconvnet.processing import ImageError


def photo(seed: int, width: int = 96, height: int = 64) -> Image.Image:
    """Smooth random blobs: like a photograph, little changes when it is resized or compressed."""
    values = np.random.default_rng(seed).integers(0, 256, (9, 12, 3), dtype=np.uint8)
    return Image.fromarray(values).resize((width, height), Image.Resampling.BICUBIC)


def bits_between(first: Fingerprint, second: Fingerprint) -> int:
    return (int(first.difference, 16) ^ int(second.difference, 16)).bit_count()


def test_the_hash_knows_copies_and_tells_pictures_apart(tmp_path: Path) -> None:
    path, copy = tmp_path / "a.png", tmp_path / "b.jpg"
    photo(0, 320, 240).save(path)
    own = fingerprint(path)
    assert own.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    for size in ((128, 96), (200, 200), (500, 333)):
        for quality in (50, 95):
            photo(0, 320, 240).resize(size).convert("RGB").save(copy, quality=quality)
            assert bits_between(own, fingerprint(copy)) <= NEAR, (size, quality)
    others = [fingerprint_of(photo(seed), copy) for seed in range(1, 30)]
    assert min(bits_between(own, other) for other in others) > 2 * NEAR
    half = photo(0, 320, 240)
    half.paste(photo(1, 160, 240).filter(ImageFilter.GaussianBlur(2)), (160, 0))
    assert bits_between(own, fingerprint_of(half, copy)) > NEAR


def fingerprint_of(picture: Image.Image, path: Path) -> Fingerprint:
    picture.save(path)
    return fingerprint(path)


def test_the_hash_is_of_rises_across_and_down() -> None:
    ramp = np.broadcast_to(np.arange(0, 255, 5, dtype=np.uint8)[None, :, None], (40, 51, 3)).copy()
    assert difference_hash(ramp).tolist() == [True] * 128 + [False] * 128
    assert difference_hash(ramp.swapaxes(0, 1)).tolist() == [False] * 128 + [True] * 128
    assert not difference_hash(255 - ramp).any()


def test_nearest_equals_counting_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("laconvnet.data.leakage.picture_hash._BLOCK", 7)
    draw = np.random.default_rng(0)
    mine, others = (
        [draw.integers(0, 256, 32, dtype=np.uint8).tobytes().hex() for _ in range(count)] for count in (10, 20)
    )
    others += [others[3], mine[8]]
    found = list(nearest(mine, others))
    distances = [[(int(one, 16) ^ int(other, 16)).bit_count() for other in others] for one in mine]
    assert found == [(min(range(22), key=row.__getitem__), min(row)) for row in distances]
    assert found[8] == (21, 0)


def test_processes_read_the_same(tmp_path: Path) -> None:
    paths = [str(tmp_path / f"{n}.png") for n in range(3)]
    for number, path in enumerate(paths):
        photo(number).save(path)
    assert fingerprints(paths, workers=2) == fingerprints(paths)
    with pytest.raises(ImageError, match=r"nowhere\.png: no such file"):
        fingerprints(["nowhere.png"], workers=2)
