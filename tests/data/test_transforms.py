"""Changes that must move picture, boxes, masks and words together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from laconvnet.data import Augmentation, ColorJitter, Compose, Flip, RandomCrop, Sample, resize_to_input

RED, GREY = (250, 10, 10), (90, 90, 90)


def scene(width: int, height: int, box: Sequence[int], text: str = "the left dog") -> Sample:
    """A grey picture with one red rectangle, its box and its mask."""
    x0, y0, x1, y1 = box
    image = np.full((height, width, 3), GREY, np.uint8)
    image[y0:y1, x0:x1] = RED
    mask = np.zeros((height, width), bool)
    mask[y0:y1, x0:x1] = True
    return Sample(image, np.array([box], np.float32), text, masks=[mask])


def red_box(image: np.ndarray) -> list[int]:
    """Where the red rectangle really is."""
    rows, columns = np.nonzero((image[..., 0] > 170) & (image[..., 1] < 50))
    return [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]


def mask_box(mask: np.ndarray) -> list[int]:
    rows, columns = np.nonzero(mask)
    return [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]


def map_box(box: Sequence[float], frame: Sequence[float]) -> list[float]:
    """Carries a box of the record into the picture by the frame alone."""
    sx, sy, ox, oy = frame
    xs, ys = sorted((box[0] * sx + ox, box[2] * sx + ox)), sorted((box[1] * sy + oy, box[3] * sy + oy))
    return [xs[0], ys[0], xs[1], ys[1]]


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_a_flip_moves_everything_together() -> None:
    sample = scene(10, 6, (1, 2, 4, 5))
    before = sample.image.copy()
    flipped = Flip(1.0)(sample, rng())
    np.testing.assert_array_equal(flipped.image, before[:, ::-1])
    assert flipped.boxes.tolist() == [[6, 2, 9, 5]]
    assert red_box(flipped.image) == [6, 2, 9, 5]
    assert flipped.masks is not None and mask_box(flipped.masks[0]) == [6, 2, 9, 5]
    assert flipped.text == "the right dog"
    assert map_box((1, 2, 4, 5), flipped.frame) == [6, 2, 9, 5]
    # The sample that went in is untouched.
    np.testing.assert_array_equal(sample.image, before)
    assert sample.boxes.tolist() == [[1, 2, 4, 5]]


def test_two_flips_give_the_sample_back() -> None:
    sample = scene(11, 6, (1, 2, 4, 5), "Left of the rightmost, bright dog")
    again = Flip(1.0)(Flip(1.0)(sample, rng()), rng())
    np.testing.assert_array_equal(again.image, sample.image)
    np.testing.assert_array_equal(again.boxes, sample.boxes)
    assert again.text == sample.text and again.frame == sample.frame


def test_the_probability_of_a_flip() -> None:
    sample, generator = scene(4, 4, (0, 0, 1, 1)), rng()
    count = sum(Flip(0.3)(sample, generator) is not sample for _ in range(1000))
    assert 240 < count < 360
    assert Flip(0.0)(sample, generator) is sample


@pytest.mark.parametrize(("mode", "expected"), [("letterbox", [8, 19.2, 32, 32]), ("stretch", [8, 6.4, 32, 32])])
def test_resizing_moves_everything_together(mode: str, expected: list[int]) -> None:
    sample = resize_to_input(scene(40, 20, (5, 2, 20, 10)), 64, mode)  # type: ignore[arg-type]
    assert sample.image.shape == (64, 64, 3)
    assert sample.boxes[0].tolist() == pytest.approx(expected)
    assert sample.boxes[0].tolist() == pytest.approx(map_box((5, 2, 20, 10), sample.frame))
    assert red_box(sample.image) == pytest.approx(sample.boxes[0].tolist(), abs=1.0)
    assert sample.masks is not None and sample.masks[0].shape == (64, 64)
    assert mask_box(sample.masks[0]) == pytest.approx(sample.boxes[0].tolist(), abs=1.0)


def test_a_letterbox_is_centred_truncated_and_padded_with_127() -> None:
    sample = resize_to_input(scene(30, 11, (0, 0, 30, 11)), 20, "letterbox")
    # 11 * 20 / 30 = 7.33 -> 7 rows, 6 above and 7 below.
    assert sample.frame == pytest.approx((20 / 30, 7 / 11, 0, 6))
    assert (sample.image[:6] == 127).all() and (sample.image[13:] == 127).all()
    np.testing.assert_array_equal(sample.image[6:13], np.broadcast_to(RED, (7, 20, 3)))
    assert sample.boxes.tolist() == [[0, 6, 20, 13]]


@pytest.mark.parametrize("shape", [(1, 1), (1, 500), (500, 1)])
@pytest.mark.parametrize("mode", ["letterbox", "stretch"])
def test_thin_pictures_keep_at_least_one_pixel(shape: tuple[int, int], mode: str) -> None:
    width, height = shape
    sample = resize_to_input(scene(width, height, (0, 0, width, height)), 32, mode)  # type: ignore[arg-type]
    x0, y0, x1, y1 = sample.boxes[0].tolist()
    assert x1 - x0 >= 1 and y1 - y0 >= 1
    assert red_box(sample.image) == [x0, y0, x1, y1]


def test_a_picture_of_the_right_size_is_not_touched() -> None:
    sample = scene(32, 32, (1, 2, 3, 4))
    assert resize_to_input(sample, 32).image is sample.image


def test_resizing_refuses_other_modes_and_sizes() -> None:
    with pytest.raises(ValueError, match=r"\('letterbox', 'stretch'\), got 'crop'"):
        resize_to_input(scene(4, 4, (0, 0, 1, 1)), 32, "crop")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="at least 1 pixel, got 0"):
        resize_to_input(scene(4, 4, (0, 0, 1, 1)), 0)


@st.composite
def scenes(draw: st.DrawFn) -> Sample:
    width, height = draw(st.integers(1, 60)), draw(st.integers(1, 60))
    x0, y0 = draw(st.integers(0, width - 1)), draw(st.integers(0, height - 1))
    return scene(width, height, (x0, y0, draw(st.integers(x0 + 1, width)), draw(st.integers(y0 + 1, height))))


@settings(deadline=None)
@given(sample=scenes(), seed=st.integers(0, 2**32 - 1), low=st.floats(0.01, 1.0))
def test_a_crop_holds_the_box_and_moves_everything_together(sample: Sample, seed: int, low: float) -> None:
    cropped = RandomCrop((low, 1.0), (0.5, 2.0))(sample, rng(seed))
    height, width = cropped.image.shape[:2]
    x0, y0, x1, y1 = cropped.boxes[0].tolist()
    assert 0 <= x0 < x1 <= width and 0 <= y0 < y1 <= height
    assert red_box(cropped.image) == [x0, y0, x1, y1]
    assert cropped.masks is not None and mask_box(cropped.masks[0]) == [x0, y0, x1, y1]
    assert map_box(sample.boxes[0], cropped.frame) == [x0, y0, x1, y1]


@settings(deadline=None)
@given(sample=scenes(), seed=st.integers(0, 2**32 - 1))
def test_chains_keep_box_and_frame_together(sample: Sample, seed: int) -> None:
    chain = Augmentation(flip=0.5, color_jitter=0.2, crop=(0.3, 1.0)).build()
    result = resize_to_input(chain(sample, rng(seed)), 48)
    x0, y0, x1, y1 = result.boxes[0].tolist()
    assert 0 <= x0 < x1 <= 48 and 0 <= y0 < y1 <= 48
    assert map_box(sample.boxes[0], result.frame) == pytest.approx([x0, y0, x1, y1], abs=1e-3)
    assert ("right" in result.text) == (result.frame[0] < 0)


def test_a_crop_has_the_share_and_reaches_every_place() -> None:
    image = np.zeros((100, 200, 3), np.uint8)
    sample = Sample(image, np.zeros((0, 4), np.float32), "a place")
    generator, corners = rng(1), []
    for _ in range(400):
        cropped = RandomCrop((0.25, 0.25), (1.0, 1.0))(sample, generator)
        assert cropped.image.shape == (50, 100, 3)
        corners.append([-cropped.frame[2], -cropped.frame[3]])
    lowest, highest = np.min(corners, axis=0), np.max(corners, axis=0)
    assert (lowest < 5).all() and (highest > [95, 45]).all() and (highest <= [100, 50]).all()


def test_a_fractional_box_stays_whole() -> None:
    boxes = np.array([[3.4, 3.6, 6.2, 6.9], [8.5, 1.0, 9.25, 2.0]], np.float32)
    sample = Sample(np.zeros((10, 10, 3), np.uint8), boxes, "two")
    for seed in range(50):
        cropped = RandomCrop((0.01, 0.02))(sample, rng(seed))
        height, width = cropped.image.shape[:2]
        assert (cropped.boxes >= 0).all() and (cropped.boxes <= [width, height, width, height]).all()


class Fixed(np.random.Generator):
    """A generator whose uniform numbers are always the highest."""

    def __init__(self) -> None:
        super().__init__(np.random.PCG64(0))

    def uniform(self, low: float = 0.0, high: float = 1.0, size: int | None = None) -> np.ndarray:  # type: ignore[override]
        return np.full(size or (), high)


def colours() -> Sample:
    image = np.array([[[100, 60, 20], [20, 60, 100], [80, 80, 80], [200, 10, 10]]], np.uint8)
    return Sample(image, np.array([[0, 0, 2, 1]], np.float32), "left")


def test_brightness_multiplies() -> None:
    result = ColorJitter(brightness=0.5)(colours(), Fixed())
    expected = np.clip(colours().image * 1.5, 0, 255).round()
    np.testing.assert_allclose(result.image, expected, atol=1)


def test_contrast_moves_away_from_the_mean_luma() -> None:
    image = np.array([[[100, 100, 100], [50, 50, 50]]] * 2, np.uint8).repeat(8, axis=1).repeat(4, axis=0)
    result = ColorJitter(contrast=0.4)(Sample(image, np.zeros((0, 4), np.float32), "x"), Fixed()).image
    assert {tuple(v) for v in result.reshape(-1, 3).tolist()} == {(110, 110, 110), (40, 40, 40)}


def test_saturation_moves_away_from_grey_and_keeps_luma() -> None:
    before = colours().image[0, :3].astype(float)
    after = ColorJitter(saturation=0.3)(colours(), Fixed()).image[0, :3].astype(float)
    luma = np.array([0.299, 0.587, 0.114])
    grey = (before @ luma)[:, None]
    np.testing.assert_allclose(after, grey + 1.3 * (before - grey), atol=1)


def test_hue_turns_colours_and_leaves_grey() -> None:
    sample = colours()
    result = ColorJitter(hue=0.5)(sample, Fixed()).image[0]
    assert result[2].tolist() == [80, 80, 80]
    luma = np.array([0.299, 0.587, 0.114])
    # Half a turn exchanges a colour for its opposite of equal luma.
    expected = 2 * (sample.image[0, 0] @ luma) - sample.image[0, 0]
    np.testing.assert_allclose(result[0], expected.clip(0, 255), atol=1.5)


def test_colours_leave_everything_else_and_zero_strength_leaves_colours() -> None:
    sample = colours()
    result = ColorJitter(0.4, 0.4, 0.4, 0.1)(sample, rng())
    assert (result.image != sample.image).any()
    assert result.boxes is sample.boxes and result.text == sample.text and result.frame == sample.frame
    np.testing.assert_array_equal(ColorJitter()(sample, rng()).image, sample.image)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Flip(1.5), "1.5"),
        (lambda: ColorJitter(contrast=-0.1), "contrast must lie in"),
        (lambda: ColorJitter(hue=0.7), r"\[0, 0.5\], got 0.7"),
        (lambda: RandomCrop((0.0, 1.0)), r"got \(0.0, 1.0\)"),
        (lambda: RandomCrop((0.5, 1.1)), "1.1"),
        (lambda: RandomCrop((0.5, 1.0), (2.0, 1.0)), "aspect"),
    ],
)
def test_settings_out_of_range_are_refused(make: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()  # type: ignore[operator]


def test_an_augmentation_builds_only_what_it_needs() -> None:
    assert Augmentation(flip=0.0).build() == Compose([])
    assert Augmentation().build() == Compose([Flip(0.5)])
    full = Augmentation(flip=0.2, color_jitter=0.3, hue=0.1, crop=(0.4, 0.9)).build()
    assert full == Compose([RandomCrop((0.4, 0.9)), Flip(0.2), ColorJitter(0.3, 0.3, 0.3, 0.1)])


def test_a_crop_without_boxes_holds_the_masks() -> None:
    mask = np.zeros((64, 64), bool)
    mask[40:50, 5:15] = True
    sample = Sample(np.zeros((64, 64, 3), np.uint8), np.zeros((0, 4), np.float32), "it", masks=[mask])
    for seed in range(40):
        cropped = RandomCrop((0.05, 0.3))(sample, np.random.default_rng(seed))
        assert cropped.masks is not None and cropped.masks[0].sum() == 100
