"""The square that the network reads, and the frame that leads back."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from laconvnet.processing import resize_picture
from laconvnet.processing.resizing import PADDING, fit, resize_mask_to_input

MODES = ("letterbox", "stretch")


@pytest.mark.parametrize(
    ("width", "height", "size", "mode", "expected"),
    [
        (40, 20, 64, "letterbox", (64, 32, 0, 16)),
        (20, 40, 64, "letterbox", (32, 64, 16, 0)),
        (30, 11, 20, "letterbox", (20, 7, 0, 6)),  # 11 * 20 / 30 = 7.33: 7 rows, 6 above and 7 below
        (64, 64, 64, "letterbox", (64, 64, 0, 0)),
        (1, 500, 32, "letterbox", (1, 32, 15, 0)),
        (500, 1, 32, "letterbox", (32, 1, 0, 15)),
        (40, 20, 64, "stretch", (64, 64, 0, 0)),
        (1, 500, 32, "stretch", (32, 32, 0, 0)),
    ],
)
def test_where_a_picture_lies(width: int, height: int, size: int, mode: Any, expected: tuple[int, ...]) -> None:
    assert fit(width, height, size, mode) == expected


def test_other_modes_and_sizes_are_refused() -> None:
    with pytest.raises(ValueError, match=r"resize mode must be one of \('letterbox', 'stretch'\), got 'crop'"):
        fit(4, 4, 32, "crop")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="the input size must be at least 1 pixel, got 0"):
        fit(4, 4, 0, "stretch")


@settings(deadline=None)
@given(
    width=st.integers(1, 90),
    height=st.integers(1, 90),
    size=st.integers(1, 70),
    mode=st.sampled_from(MODES),
    seed=st.integers(0, 99),
)
def test_pictures_and_masks_lie_in_the_same_place(width: int, height: int, size: int, mode: Any, seed: int) -> None:
    picture = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    square, (sx, sy, ox, oy) = resize_picture(picture, size, mode)
    new_width, new_height, left, top = fit(width, height, size, mode)
    assert square.shape == (size, size, 3) and square.dtype == np.uint8
    assert (sx, sy, ox, oy) == (new_width / width, new_height / height, left, top)
    assert 0 <= left and 0 <= top and left + new_width <= size and top + new_height <= size
    whole = resize_mask_to_input(np.ones((height, width), bool), size, mode)
    assert whole.shape == (size, size) and whole.dtype == np.bool_
    assert whole[top : top + new_height, left : left + new_width].all() and whole.sum() == new_width * new_height
    assert (square[~whole] == PADDING).all()
    assert not resize_mask_to_input(np.zeros((height, width), bool), size, mode).any()


def test_a_picture_of_the_right_size_is_not_touched() -> None:
    picture, mask = np.zeros((32, 32, 3), np.uint8), np.zeros((32, 32), bool)
    for mode in MODES:
        square, frame = resize_picture(picture, 32, mode)  # type: ignore[arg-type]
        assert square is picture and frame == (1.0, 1.0, 0, 0)
        np.testing.assert_array_equal(resize_mask_to_input(mask, 32, mode), mask)  # type: ignore[arg-type]


def test_an_edge_moves_with_the_frame() -> None:
    picture = np.zeros((20, 40, 3), np.uint8)
    picture[:, 10:] = 250
    for mode in MODES:
        square, (sx, _, ox, _) = resize_picture(picture, 80, mode)  # type: ignore[arg-type]
        row = square[40, :, 0] > 127
        assert int(np.flatnonzero(row)[0]) == pytest.approx(10 * sx + ox, abs=1)
        mask = resize_mask_to_input(picture[..., 0] > 0, 80, mode)  # type: ignore[arg-type]
        np.testing.assert_array_equal(mask[40], row & (square[40, :, 0] != PADDING))


def test_shrinking_averages() -> None:
    picture = np.tile(np.array([[0, 200]], np.uint8).repeat(3).reshape(1, 2, 3), (64, 32, 1))
    square, _ = resize_picture(picture, 8, "stretch")
    assert np.abs(square.astype(int) - 100).max() <= 2
