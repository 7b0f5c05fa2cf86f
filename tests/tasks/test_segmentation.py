"""The mask loss."""

import math

import pytest
import torch

from laconvnet.tasks import mask_loss


def test_by_hand_and_independent_of_batch_size():
    logits = torch.tensor([[[[0.0, math.log(3.0)]]]])
    targets = torch.tensor([[[[1.0, 0.0]]]])
    expected = (math.log(2) + math.log(4)) / 2
    assert mask_loss(logits, targets) == pytest.approx(expected)
    assert mask_loss(logits.repeat(5, 1, 1, 1), targets.repeat(5, 1, 1, 1)) == pytest.approx(expected)
