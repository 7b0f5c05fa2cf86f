"""Decoding boxes, by hand."""

import math

import pytest
import torch

from laconvnet.tasks.boxes import best_boxes, read_cells, to_centres, to_corners, to_record_frame


def test_cells_are_read_row_by_row():
    raw = torch.zeros(1, 5, 2, 3)
    raw[0, :4, 1, 2] = torch.tensor([0.5, 0.25, math.log(2.0), math.log(3.0)])
    cells = read_cells(raw, 32)
    assert cells.centres.tolist() == [[16, 16], [48, 16], [80, 16], [16, 48], [48, 48], [80, 48]]
    torch.testing.assert_close(cells.boxes[0, 5], torch.tensor([80.0, 40.0, 64.0, 96.0]))
    torch.testing.assert_close(cells.boxes[0, 1], torch.tensor([32.0, 0.0, 32.0, 32.0]))


def test_the_most_object_like_cell_wins():
    raw = torch.zeros(2, 5, 2, 2)
    raw[0, 4, 0, 1], raw[1, 4, 1, 0] = 3.0, 1.0
    boxes, scores = best_boxes(raw, 32)
    assert boxes.tolist() == [[[16, -16, 48, 16]], [[-16, 16, 16, 48]]]
    torch.testing.assert_close(scores, torch.tensor([[3.0], [1.0]]).sigmoid())


def row_of_boxes(lefts, logits, widths=None):
    """A raw map of one row, whose cell n answers (lefts[n], 0, lefts[n] + width, 32) at a stride of 32."""
    raw = torch.zeros(1, 5, 1, len(lefts))
    raw[0, 1] = 0.5
    for cell, (left, logit, width) in enumerate(zip(lefts, logits, widths or [32] * len(lefts), strict=True)):
        raw[0, 0, 0, cell] = (left + width / 2) / 32 - cell
        raw[0, 2, 0, cell] = math.log(width / 32)
        raw[0, 4, 0, cell] = logit
    return raw


def test_of_boxes_that_overlap_the_better_one_is_told():
    """Of 0..32, 8..40 and 16..48 the second is too near the first (0.6); the third (1/3) is near the second alone."""
    raw = row_of_boxes([96, 16, 8, 0], [0.0, 1.0, 2.0, 3.0])
    boxes, scores = best_boxes(raw, 32, 3)
    assert boxes[0, :, 0].tolist() == [0, 16, 96] and boxes[0, :, 2].tolist() == [32, 48, 128]
    torch.testing.assert_close(scores, torch.tensor([[3.0, 1.0, 0.0]]).sigmoid())
    two, _ = best_boxes(raw, 32, 2)
    assert torch.equal(two, boxes[:, :2])
    everything, rated = best_boxes(raw, 32, 9)
    assert everything[0, :, 0].tolist() == [0, 16, 96, 8] and rated[0, 3] == 0


def test_an_overlap_of_exactly_a_half_is_allowed():
    _, scores = best_boxes(row_of_boxes([0, 0, 0], [2.0, 1.0, 0.0], [32, 16, 17]), 32, 3)
    torch.testing.assert_close(scores, torch.tensor([[2.0, 1.0, -torch.inf]]).sigmoid())


def test_boxes_of_one_sample_do_not_suppress_those_of_another():
    near, apart = row_of_boxes([0, 8], [2.0, 1.0]), row_of_boxes([0, 64], [2.0, 1.0])
    _, scores = best_boxes(torch.cat([near, apart]), 32, 2)
    assert (scores > 0).tolist() == [[True, False], [True, True]]


@pytest.mark.parametrize("top_k", [1, 2, 5, 20])
def test_the_best_box_does_not_depend_on_how_many_are_asked_for(top_k):
    raw = torch.randn(3, 5, 3, 4)
    boxes, scores = best_boxes(raw, 16, top_k)
    count = min(top_k, 12)
    assert boxes.shape == (3, count, 4) and scores.shape == (3, count)
    assert (scores[:, :-1] >= scores[:, 1:]).all()
    first, best = best_boxes(raw, 16)
    assert torch.equal(boxes[:, :1], first) and torch.equal(scores[:, :1], best)


def test_corners_and_centres_are_inverse():
    boxes = torch.rand(5, 4)
    torch.testing.assert_close(to_centres(to_corners(boxes)), boxes)
    assert to_corners(torch.tensor([10.0, 20.0, 4.0, 8.0])).tolist() == [8, 16, 12, 24]


def test_back_to_the_picture_undoes_the_frame_and_clips():
    frames = torch.tensor([[0.5, 0.25, 10.0, 20.0]])
    sizes = torch.tensor([[100, 60]])
    boxes = torch.tensor([[15.0, 22.5, 90.0, 30.0]])
    assert to_record_frame(boxes, frames, sizes).tolist() == [[10, 10, 100, 40]]
    several = torch.tensor([[[15.0, 22.5, 90.0, 30.0], [0.0, 0.0, 20.0, 25.0]]])
    assert to_record_frame(several, frames, sizes).tolist() == [[[10, 10, 100, 40], [0, 0, 20, 20]]]
