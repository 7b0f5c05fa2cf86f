"""Masks from the network's pixels to the record's: exact where they can be, and the authors' rule beside it."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from laconvnet.data import Sample, resize_to_input
from laconvnet.processing import encode_mask
from laconvnet.tasks.masks import to_record_masks, true_masks


def to_input(mask, size, mode="letterbox"):
    """A mask as a network sees it at its best: logits (1, 1, size, size), and frame and size of its record."""
    height, width = mask.shape
    sample = Sample(np.zeros((height, width, 3), np.uint8), np.zeros((0, 4), np.float32), "x", masks=[mask])
    moved = resize_to_input(sample, size, mode)
    logits = torch.from_numpy(moved.masks[0])[None, None].float() * 8 - 4
    return logits, torch.tensor([moved.frame]), torch.tensor([[width, height]])


def interpolated(values, height, width, shift=(0.0, 0.0)):
    """Bilinear interpolation of (h, w) between the centres of pixels, by its definition, or a little beside them."""
    for axis, length in ((0, height), (1, width)):
        old = values.shape[axis]
        places = (np.arange(length) + 0.5) * old / length - 0.5 + shift[axis]
        values = np.apply_along_axis(lambda row, old=old, at=places: np.interp(at, np.arange(old), row), axis, values)
    return values


def random_mask(height, width, seed=0):
    return np.random.default_rng(seed).random((height, width)) < 0.4


@pytest.mark.parametrize("rule", ["interpolate", "dilate"])
def test_nothing_changes_where_record_and_input_are_one(rule):
    logits = torch.randn(3, 1, 32, 32)
    frames, sizes = torch.tensor([[1.0, 1.0, 0.0, 0.0]] * 3), torch.tensor([[32, 32]] * 3)
    found = torch.stack(to_record_masks(logits, frames, sizes, rule))
    assert found.dtype == torch.bool
    assert torch.equal(found, logits[:, 0] > 0)


@pytest.mark.parametrize(
    ("frame", "size", "place"),
    [
        ((0.5, 0.5, 0.0, 4.0), (32, 16), (slice(4, 12), slice(0, 16))),  # letterboxed, wide
        ((0.5, 0.5, 4.0, 0.0), (16, 32), (slice(0, 16), slice(4, 12))),  # letterboxed, high
        ((0.5, 1.0, 0.0, 0.0), (32, 16), (slice(0, 16), slice(0, 16))),  # stretched
    ],
)
def test_twice_as_large_every_pixel_becomes_a_block(frame, size, place):
    logits = torch.full((1, 1, 16, 16), 4.0)  # around the picture, too, a network may say anything
    inner = torch.from_numpy(random_mask(*logits[0, 0][place].shape))
    logits[0, 0][place] = inner.float() * 8 - 4
    (found,) = to_record_masks(logits, torch.tensor([frame]), torch.tensor([size]))
    height, width = (size[1] // inner.shape[0], size[0] // inner.shape[1])
    assert torch.equal(found, inner.repeat_interleave(height, 0).repeat_interleave(width, 1))


@pytest.mark.parametrize(("mode", "factors"), [("letterbox", (2, 2)), ("stretch", (4, 2))])
def test_a_picture_that_was_enlarged_gets_its_mask_back(mode, factors):
    mask = random_mask(16 // factors[0] * (2 if mode == "stretch" else 1), 16)
    (found,) = to_record_masks(*to_input(mask, 32, mode))
    np.testing.assert_array_equal(found.numpy(), mask)


@settings(deadline=None, max_examples=60)
@given(
    width=st.integers(1, 90),
    height=st.integers(1, 90),
    mode=st.sampled_from(["letterbox", "stretch"]),
    seed=st.integers(0, 1000),
)
def test_any_size_by_the_definition(width, height, mode, seed):
    _, frames, sizes = to_input(np.zeros((height, width), bool), 32, mode)
    logits = torch.from_numpy(np.random.default_rng(seed).normal(size=(1, 1, 32, 32))).float()
    sides = [32, 32] if mode == "stretch" else [max(1, side * 32 // max(width, height)) for side in (width, height)]
    left, top = ((32 - side) // 2 for side in sides)
    inner = logits[0, 0, top : top + sides[1], left : left + sides[0]].double().numpy()
    expected = interpolated(inner, height, width)
    (found,) = to_record_masks(logits, frames, sizes)
    assert found.shape == (height, width)
    clear = abs(expected) > 1e-4
    np.testing.assert_array_equal(found.numpy()[clear], expected[clear] > 0)
    (grown,) = to_record_masks(logits, frames, sizes, "dilate")
    # Where a pixel lies on the centre of another, rounding decides whether its neighbours have a share.
    ones = (inner > 0) * 1.0
    beside = [interpolated(ones, height, width, (y, x)) for y in (-1e-5, 1e-5) for x in (-1e-5, 1e-5)]
    assert grown.numpy()[interpolated(ones, height, width) > 1e-4].all()
    assert not grown.numpy()[np.max(beside, 0) == 0].any()


@pytest.mark.parametrize("rule", ["interpolate", "dilate"])
def test_mixed_sizes_in_one_batch_equal_one_by_one(rule):
    shapes = [(40, 90), (40, 90), (90, 40), (7, 64), (40, 90), (32, 32), (32, 32), (1, 1)]
    inputs = [to_input(random_mask(*shape, seed), 32) for seed, shape in enumerate(shapes)]
    logits, frames, sizes = (torch.cat(parts) for parts in zip(*inputs, strict=True))
    logits = logits + torch.randn(logits.shape)
    together = to_record_masks(logits, frames, sizes, rule)
    assert [tuple(mask.shape) for mask in together] == shapes
    for row, mask in enumerate(together):
        one = slice(row, row + 1)
        assert torch.equal(to_record_masks(logits[one], frames[one], sizes[one], rule)[0], mask)


def test_no_samples_give_no_masks():
    assert to_record_masks(torch.zeros(0, 1, 32, 32), torch.zeros(0, 4), torch.zeros(0, 2, dtype=torch.int64)) == []


def mean_iou(shape, rule, count=16):
    """Mean IoU of masks that are perfect at 416 pixels, of objects anywhere in pictures of 640 x 480."""
    rng, found = np.random.default_rng(0), []
    rows, columns = np.mgrid[:480, :640] + 0.5
    for _ in range(count):
        mask = shape(rng, columns, rows)
        predicted = to_record_masks(*to_input(mask, 416), rule)[0].numpy()
        found.append((predicted & mask).sum() / (predicted | mask).sum())
    return np.mean(found)


@pytest.mark.parametrize(
    ("size", "by_dilating", "by_interpolating"),
    [(20, 0.851, 0.941), (40, 0.917, 0.972), (80, 0.957, 0.986), (160, 0.978, 0.993), (300, 0.988, 0.996)],
)
def test_the_rule_of_the_authors_costs_what_was_measured_of_it(size, by_dilating, by_interpolating):
    """The figures were measured with the authors' code; discs of these diameters meet them, at 20 pixels to 0.015."""

    def disc(rng, x, y):
        centre = rng.uniform(size / 2, (640 - size / 2, 480 - size / 2))
        return (x - centre[0]) ** 2 + (y - centre[1]) ** 2 < size**2 / 4

    near = 0.015 if size == 20 else 0.008
    assert mean_iou(disc, "dilate") == pytest.approx(by_dilating, abs=near)
    assert mean_iou(disc, "interpolate") == pytest.approx(by_interpolating, abs=near)


@pytest.mark.parametrize("side", [20, 40, 80, 160, 300])
def test_dilated_squares_grow_by_half_a_pixel_of_the_input_on_every_side(side):
    def square(rng, x, y):
        left, top = rng.integers(0, (640 - side, 480 - side))
        return (x > left) & (x < left + side) & (y > top) & (y < top + side)

    grown = side + 640 / 416
    assert mean_iou(square, "dilate") == pytest.approx((side / grown) ** 2, abs=0.5 / side)


def test_another_rule_is_refused():
    with pytest.raises(ValueError, match=r"rule of masks must be one of \('interpolate', 'dilate'\), got 'nearest'"):
        to_record_masks(*to_input(random_mask(8, 8), 32), "nearest")


def batch(encodings, targets, sizes):
    return {
        "record_masks": encodings,
        "target_masks": targets,
        "sizes": torch.tensor(sizes),
        "ids": [f"r{row}" for row in range(len(sizes))],
    }


def test_true_masks_are_unions_of_run_lengths_or_the_targets():
    a, b = random_mask(20, 30, 1), random_mask(20, 30, 2)
    target = torch.from_numpy(random_mask(32, 32, 3))
    targets = torch.stack([torch.ones(32, 32).bool(), torch.zeros(32, 32).bool(), target])
    encodings = [(encode_mask(a), encode_mask(b)), (), None]
    first, second, third = true_masks(batch(encodings, targets, [[30, 20], [7, 5], [32, 32]]))
    np.testing.assert_array_equal(first, a | b)
    assert second.shape == (5, 7) and not second.any()
    np.testing.assert_array_equal(third, target)
    assert {mask.dtype for mask in (first, second, third)} == {np.dtype(bool)}


def test_a_resized_sample_needs_run_lengths():
    with pytest.raises(ValueError, match="sample 'r1' has no mask at its own size of 32 x 16, only one of 32 x 32"):
        true_masks(batch([(), None], torch.zeros(2, 32, 32).bool(), [[32, 32], [32, 16]]))
