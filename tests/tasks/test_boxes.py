"""Decoding boxes, by hand."""

import math

import torch

from laconvnet.tasks.boxes import best_boxes, read_cells, to_centres, to_corners, to_record_frame


def test_cells_are_read_row_by_row():
    raw = torch.zeros(1, 5, 2, 3)
    raw[0, :4, 1, 2] = torch.tensor([0.5, 0.25, math.log(2.0), math.log(3.0)])
    cells = read_cells(raw)
    assert cells.centres.tolist() == [[16, 16], [48, 16], [80, 16], [16, 48], [48, 48], [80, 48]]
    torch.testing.assert_close(cells.boxes[0, 5], torch.tensor([80.0, 40.0, 64.0, 96.0]))
    torch.testing.assert_close(cells.boxes[0, 1], torch.tensor([32.0, 0.0, 32.0, 32.0]))


def test_the_most_object_like_cell_wins():
    raw = torch.zeros(2, 5, 2, 2)
    raw[0, 4, 0, 1], raw[1, 4, 1, 0] = 3.0, 1.0
    boxes, scores = best_boxes(raw)
    assert boxes.tolist() == [[16, -16, 48, 16], [-16, 16, 16, 48]]
    torch.testing.assert_close(scores, torch.tensor([3.0, 1.0]).sigmoid())


def test_corners_and_centres_are_inverse():
    boxes = torch.rand(5, 4)
    torch.testing.assert_close(to_centres(to_corners(boxes)), boxes)
    assert to_corners(torch.tensor([10.0, 20.0, 4.0, 8.0])).tolist() == [8, 16, 12, 24]


def test_back_to_the_picture_undoes_the_frame_and_clips():
    frames = torch.tensor([[0.5, 0.25, 10.0, 20.0]])
    sizes = torch.tensor([[100, 60]])
    boxes = torch.tensor([[15.0, 22.5, 90.0, 30.0]])
    assert to_record_frame(boxes, frames, sizes).tolist() == [[10, 10, 100, 40]]
