"""The assignment of cells to a target, against a loop over pictures written from its description."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from laconvnet.tasks.assignment import assign, assign_nearest, iou_with_target
from laconvnet.tasks.boxes import read_cells


def plain_iou(a, b):
    """IoU of two boxes given by centre and size."""
    width = min(a[0] + a[2] / 2, b[0] + b[2] / 2) - max(a[0] - a[2] / 2, b[0] - b[2] / 2)
    height = min(a[1] + a[3] / 2, b[1] + b[3] / 2) - max(a[1] - a[3] / 2, b[1] - b[3] / 2)
    intersection = max(width, 0) * max(height, 0)
    return intersection / (a[2] * a[3] + b[2] * b[3] - intersection)


def one_picture(boxes, centres, target):
    """Positive cells of a single picture."""
    candidates = []
    for cell, ((x, y), box) in enumerate(zip(centres, boxes, strict=True)):
        inside = abs(x - target[0]) < target[2] / 2 and abs(y - target[1]) < target[3] / 2
        near = max(abs(x - target[0]), abs(y - target[1])) < 2.5 * 32
        if inside or near:
            iou = plain_iou(box, target)
            candidates.append((3 * -math.log(iou + 1e-8) + 1e5 * (not (inside and near)), cell, iou))
    count = max(int(sum(sorted((iou for *_, iou in candidates), reverse=True)[:10])), 1)
    return {cell for _, cell, _ in sorted(candidates)[:count]}


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), size=st.integers(1, 7))
def test_equals_the_loop(seed, size):
    generator = torch.Generator().manual_seed(seed)
    raw = torch.randn(3, 5, size, size, generator=generator, dtype=torch.float64)
    side = 32 * size
    corner = torch.rand(3, 2, generator=generator, dtype=torch.float64) * side * 0.8
    extent = 4 + torch.rand(3, 2, generator=generator, dtype=torch.float64) * side * 0.9
    targets = torch.cat([corner + extent / 2, extent], 1)
    targets[:, :2] = targets[:, :2].clamp(max=side - 1)
    cells = read_cells(raw, 32)
    positive = assign(cells, targets, 32)
    for row in range(3):
        expected = one_picture(cells.boxes[row].tolist(), cells.centres.tolist(), targets[row].tolist())
        assert set(positive[row].nonzero().flatten().tolist()) == expected


def test_iou_by_hand():
    boxes = torch.tensor([[[10.0, 10.0, 4.0, 4.0], [12.0, 10.0, 4.0, 4.0], [30.0, 30.0, 2.0, 2.0]]])
    iou = iou_with_target(boxes, torch.tensor([[10.0, 10.0, 4.0, 4.0]]))
    assert iou[0].tolist() == pytest.approx([1.0, 8 / 24, 0.0])


def test_no_target_has_no_positive():
    cells = read_cells(torch.randn(2, 5, 4, 4), 32)
    targets = torch.tensor([[float("nan")] * 4, [64.0, 64.0, 50.0, 50.0]])
    positive = assign(cells, targets, 32)
    assert not positive[0].any() and positive[1].any()


def test_no_value_leaves_the_device():
    """On the meta device there are no values: any host sync or data-dependent shape would raise."""
    cells = read_cells(torch.randn(2, 5, 4, 4, device="meta"), 32)
    assert assign(cells, torch.zeros(2, 4, device="meta"), 32).shape == (2, 16)


def test_the_nearest_cell_is_the_one_whose_centre_is_closest():
    cells = read_cells(torch.randn(4, 5, 3, 3, generator=torch.Generator().manual_seed(1)), 32)
    nan = float("nan")
    targets = torch.tensor([[40.0, 20.0, 5.0, 5.0], [95.0, 95.0, 90.0, 4.0], [nan] * 4, [31.0, 65.0, 8.0, 8.0]])
    assert assign_nearest(cells, targets).nonzero().tolist() == [[0, 1], [1, 8], [3, 6]]
