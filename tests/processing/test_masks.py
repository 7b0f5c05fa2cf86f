"""Run-length encodings."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask as coco

from laconvnet.processing import mask_area, mask_box, resize_mask, union_mask
from laconvnet.processing.masks import decode_mask, encode_mask


def test_plain_runs_go_down_the_columns() -> None:
    mask = decode_mask({"size": [2, 3], "counts": [1, 2, 3]})
    assert mask.dtype == np.bool_
    assert mask.astype(int).tolist() == [[0, 1, 0], [1, 0, 0]]


@settings(deadline=None)
@given(
    shape=st.tuples(st.integers(1, 70), st.integers(1, 70)),
    seed=st.integers(0, 10**6),
    share=st.sampled_from([0.0, 0.01, 0.5, 0.99, 1.0]),
)
def test_compressed_runs_of_pycocotools_are_understood(shape: tuple[int, int], seed: int, share: float) -> None:
    mask = np.random.default_rng(seed).random(shape) < share
    encoding = encode_mask(mask)
    assert encoding["size"] == list(shape) and isinstance(encoding["counts"], str)
    np.testing.assert_array_equal(decode_mask(encoding), mask)


def test_long_runs() -> None:
    mask = np.zeros((3000, 2000), bool)
    mask[1000:1010, 500:1500] = True
    np.testing.assert_array_equal(decode_mask(encode_mask(mask)), mask)


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        ([1, 2], "sum to 6 pixels.*the sum is 3"),
        ([7, -1], "the shortest of 2 is -1"),
        ([], "the sum is 0"),
        ("é", "'0' to 'o', got 'é'"),
        (" ", "got ' '"),
        ("P", "end within a number"),
        ("3", "the sum is 3"),
    ],
)
def test_malformed_runs_are_refused(counts: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        decode_mask({"size": [2, 3], "counts": counts})


@settings(deadline=None)
@given(
    shape=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    seed=st.integers(0, 10**6),
    shares=st.lists(st.sampled_from([0.0, 0.02, 0.3, 1.0]), max_size=4),
)
def test_unions_and_areas_are_those_of_pycocotools(shape: tuple[int, int], seed: int, shares: list[float]) -> None:
    rng = np.random.default_rng(seed)
    encodings = [encode_mask(rng.random(shape) < share) for share in shares]
    given = [{"size": mask["size"], "counts": mask["counts"].encode()} for mask in encodings]
    assert [mask_area(mask) for mask in encodings] == [int(coco.area(mask)) for mask in given]
    union = union_mask(encodings, *shape)
    assert union.dtype == np.bool_ and union.shape == shape
    empty = {"size": list(shape), "counts": encode_mask(np.zeros(shape, bool))["counts"].encode()}
    assert encode_mask(union)["counts"].encode() == coco.merge([*given, empty])["counts"]


def test_areas_and_unions_of_plain_runs() -> None:
    first, second = {"size": [2, 3], "counts": [1, 2, 3]}, {"size": [2, 3], "counts": [0, 1, 4, 1]}
    assert (mask_area(first), mask_area(second), mask_area({"size": [2, 3], "counts": [6]})) == (2, 2, 0)
    assert union_mask([first, second], 2, 3).astype(int).tolist() == [[1, 1, 0], [1, 0, 1]]
    assert union_mask((), 2, 3).shape == (2, 3) and not union_mask((), 2, 3).any()


def test_a_box_is_half_open_around_the_pixels() -> None:
    mask = np.zeros((6, 9), bool)
    assert mask_box(mask) is None
    mask[2, 3] = True
    assert mask_box(mask) == (3, 2, 4, 3)
    mask[5, 8] = True
    assert mask_box(mask) == (3, 2, 9, 6) and all(type(side) is float for side in mask_box(mask) or ())


def test_a_mask_in_another_size_covers_the_same_share() -> None:
    mask = np.zeros((20, 40), bool)
    mask[5:10, 10:30] = True
    larger = resize_mask(mask, 80, 60)
    assert larger.dtype == np.bool_ and larger.shape == (60, 80)
    assert mask_box(larger) == pytest.approx((20, 15, 60, 30), abs=1)
    assert resize_mask(mask, 40, 20) is mask
    assert not resize_mask(np.zeros((3, 3), bool), 7, 5).any() and resize_mask(np.ones((3, 3), bool), 7, 5).all()
