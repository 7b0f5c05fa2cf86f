"""The losses by hand."""

import math

import pytest
import torch

from laconvnet.tasks.boxes import Cells
from laconvnet.tasks.losses import (
    attention_loss,
    box_distance,
    box_loss,
    dice_loss,
    mask_loss,
    no_target_loss,
    objectness_loss,
    right_answer_loss,
    soft_answers_loss,
)


@pytest.fixture
def cells():
    """Two cells: their boxes have an IoU of 1/2 and of 0 with the target, and their logits are 0 and log 3."""
    boxes = torch.tensor([[[16.0, 16.0, 32.0, 32.0], [80.0, 16.0, 32.0, 32.0]]])
    return Cells(boxes, torch.tensor([[0.0, math.log(3.0)]]), torch.tensor([[16.0, 16.0], [48.0, 16.0]]))


TARGET = torch.tensor([[16.0, 16.0, 32.0, 64.0]])
FIRST, BOTH = torch.tensor([[1.0, 0.0]]), torch.ones(1, 2)


def test_box_loss_by_hand(cells):
    assert box_loss(cells, TARGET, FIRST) == pytest.approx(1 - 1 / 4)
    assert box_loss(cells, TARGET, BOTH) == pytest.approx((3 / 4 + 1) / 2)
    assert box_loss(cells, TARGET * math.nan, FIRST * 0) == 0, "no positive cell, no loss"


def test_objectness_loss_by_hand(cells):
    assert objectness_loss(cells, FIRST) == pytest.approx(math.log(2) + math.log(4))
    assert objectness_loss(cells, BOTH) == pytest.approx((math.log(2) + math.log(4 / 3)) / 2)
    assert objectness_loss(cells, FIRST * 0) == pytest.approx(math.log(2) + math.log(4))


def test_box_distance_by_hand(cells):
    assert box_distance(cells, TARGET, FIRST.bool(), 32) == pytest.approx(math.log(2))
    assert box_distance(cells, TARGET, BOTH.bool(), 32) == pytest.approx((2 * math.log(2) + 2) / 2)
    assert box_distance(cells, TARGET, BOTH.bool(), 16) == pytest.approx((2 * math.log(2) + 4) / 2)
    assert box_distance(cells, TARGET * math.nan, FIRST.bool() & False, 32) == 0


def test_mask_loss_by_hand_and_independent_of_batch_size():
    logits = torch.tensor([[[[0.0, math.log(3.0)]]]])
    targets = torch.tensor([[[[1.0, 0.0]]]])
    expected = (math.log(2) + math.log(4)) / 2
    assert mask_loss(logits, targets) == pytest.approx(expected)
    assert mask_loss(logits.repeat(5, 1, 1, 1), targets.repeat(5, 1, 1, 1)) == pytest.approx(expected)


def test_dice_by_hand_and_independent_of_batch_size():
    logits = torch.tensor([[[[0.0, math.log(3.0)]]]])  # shares 1/2 and 3/4
    targets = torch.tensor([[[[1.0, 0.0]]]])
    expected = 1 - (2 * 0.5 + 1) / (1.25 + 1 + 1)
    assert dice_loss(logits, targets) == pytest.approx(expected)
    assert dice_loss(logits.repeat(5, 1, 1, 1), targets.repeat(5, 1, 1, 1)) == pytest.approx(expected)
    nothing = torch.zeros(1, 1, 8, 8)
    assert dice_loss(nothing - 50, nothing) == pytest.approx(0.0)
    assert dice_loss(nothing + 50, nothing) == pytest.approx(1 - 1 / 65)
    # Each sample counts alike, however large its mask.
    mixed = dice_loss(torch.cat([logits, logits + 5]), torch.cat([targets, targets * 0 + 1]))
    assert mixed == pytest.approx((expected + dice_loss(logits + 5, targets * 0 + 1).item()) / 2)


def test_attention_is_to_rest_on_the_targets_evenly():
    targets = torch.zeros(3, 16, 24, dtype=torch.bool)
    targets[0, :8, :8] = True  # one cell of 2 x 3
    targets[1, 8:, 8:12] = targets[1, 8:, 16:20] = True  # half of each of two cells; the last sample has no target
    even = attention_loss(torch.zeros(3, 2, 3), targets)
    assert even.item() == pytest.approx(math.log(6))
    best = torch.full((3, 2, 3), -30.0)
    best[0, 0, 0] = best[1, 1, 1] = best[1, 1, 2] = 0.0
    assert attention_loss(best, targets).item() == pytest.approx(math.log(2) / 2)
    assert attention_loss(best.bfloat16(), targets).dtype == torch.float32


def test_attention_learns_nothing_from_samples_without_a_target():
    scores = torch.randn(2, 2, 2, requires_grad=True)
    targets = torch.zeros(2, 16, 16, dtype=torch.bool)
    targets[0, :4, :4] = True
    attention_loss(scores, targets).backward()
    assert scores.grad[0].abs().min() > 0 and not scores.grad[1].any()
    assert attention_loss(scores, torch.zeros_like(targets)).item() == 0


def test_loss_of_there_being_no_target_by_hand():
    logits, absent = torch.tensor([math.log(3.0), math.log(3.0)]), torch.tensor([True, False])  # shares 3/4
    assert no_target_loss(logits, absent, 1.0) == pytest.approx((math.log(4 / 3) + math.log(4)) / 2)
    assert no_target_loss(logits, absent, 4.0) == pytest.approx((4 * math.log(4 / 3) + math.log(4)) / 2)
    assert no_target_loss(logits, absent, 0.0) == pytest.approx(math.log(4) / 2)
    assert no_target_loss(logits.bfloat16(), absent, 1.0).dtype == torch.float32


def test_loss_of_the_right_answer_by_hand():
    logits = torch.tensor([[math.log(2.0), 0.0, 0.0], [5.0, -3.0, 1.0], [0.0, 0.0, math.log(6.0)]])
    assert right_answer_loss(logits, torch.tensor([1, -1, 2])) == pytest.approx((math.log(4) + math.log(8 / 6)) / 2)
    assert right_answer_loss(logits, torch.tensor([-1, -1, -1])) == 0


def test_loss_of_soft_answers_by_hand():
    logits = torch.tensor([[0.0, math.log(3.0)], [0.0, 0.0]])
    first = math.log(2) + 0.3 * math.log(4 / 3) + 0.7 * math.log(4)
    loss = soft_answers_loss(logits, torch.tensor([[1.0, 0.3], [0.0, 0.0]]))
    assert loss == pytest.approx((first + 2 * math.log(2)) / 2)
