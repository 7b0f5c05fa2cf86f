"""Overlap of boxes, by hand and by counting pixels."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from laconvnet.metrics import box_intersection, box_iou
from laconvnet.metrics.boxes import box_area


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ([0, 0, 10, 10], [0, 0, 10, 10], 1.0),
        ([0, 0, 10, 10], [5, 0, 15, 10], 50 / 150),
        ([0, 0, 10, 10], [2, 2, 4, 4], 4 / 100),
        ([0, 0, 10, 10], [10, 0, 20, 10], 0.0),
        ([0, 0, 10, 10], [20, 20, 30, 30], 0.0),
        ([10, 10, 0, 0], [0, 0, 10, 10], 0.0),  # corners the wrong way round: an empty box
        ([5, 5, 5, 5], [5, 5, 5, 5], 0.0),
        ([-5, -5, 5, 5], [0, 0, 5, 5], 25 / 100),
    ],
)
def test_overlap_by_hand(a: list[float], b: list[float], expected: float) -> None:
    left, right = torch.tensor([a], dtype=torch.float64), torch.tensor([b], dtype=torch.float64)
    assert box_iou(left, right).item() == pytest.approx(expected)
    assert box_iou(right, left).item() == pytest.approx(expected)


corners = st.lists(st.integers(-20, 20), min_size=4, max_size=4)


def pixels(box: list[int]) -> set[tuple[int, int]]:
    return {(x, y) for x in range(box[0], box[2]) for y in range(box[1], box[3])}


@given(corners, corners)
def test_overlap_counts_pixels(a: list[int], b: list[int]) -> None:
    union = len(pixels(a) | pixels(b))
    expected = len(pixels(a) & pixels(b)) / union if union else 0.0
    assert box_iou(torch.tensor([a]).double(), torch.tensor([b]).double()).item() == pytest.approx(expected)


@given(corners, corners)
def test_areas_count_pixels(a: list[int], b: list[int]) -> None:
    assert box_intersection(torch.tensor(a), torch.tensor(b)) == len(pixels(a) & pixels(b))
    assert box_area(torch.tensor(a)) == len(pixels(a))


def test_every_box_meets_every_other() -> None:
    boxes = torch.tensor([[0.0, 0.0, 10.0, 10.0], [5.0, 0.0, 15.0, 10.0], [20.0, 20.0, 30.0, 30.0]])
    iou = box_iou(boxes[:, None], boxes[None, :2])
    torch.testing.assert_close(iou, torch.tensor([[1.0, 1 / 3], [1 / 3, 1.0], [0.0, 0.0]]))
    assert box_intersection(boxes[:, None], boxes[None, :2]).tolist() == [[100, 50], [50, 100], [0, 0]]


def test_a_box_that_is_nowhere_has_no_overlap() -> None:
    nowhere, box = torch.full((4,), torch.nan), torch.tensor([0.0, 0.0, 2.0, 2.0])
    assert torch.isnan(torch.stack([box_intersection(nowhere, box), box_iou(box, nowhere)])).all()


def test_overlap_can_be_learned_from() -> None:
    """I = 2 (x1 - 1) and U = 2 (x1 - x0) + 4 - I: at x0 = 0 and x1 = 2, dIoU/dx0 = 2 I / U^2 and dIoU/dx1 = 2 / U."""
    box = torch.tensor([0.0, 0.0, 2.0, 2.0], requires_grad=True)
    (gradient,) = torch.autograd.grad(box_iou(box, torch.tensor([1.0, 0.0, 3.0, 2.0])), box)
    assert gradient[::2].tolist() == pytest.approx([1 / 9, 1 / 3])
