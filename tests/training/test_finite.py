"""The guard that looks late."""

from __future__ import annotations

import pytest
import torch
from toy_world import ToyTask

from laconvnet.training.finite import FiniteGuard, samples_at_fault


def test_the_first_bad_value_is_named_and_then_forgotten() -> None:
    guard = FiniteGuard()
    guard.check()
    guard.watch("loss", 4, ["a"], torch.tensor(1.0))
    guard.watch("loss", 5, ["b", "c"], torch.tensor(float("inf")))
    guard.watch("gradient norm", 5, ["b", "c"], torch.tensor(float("nan")))
    with pytest.raises(FloatingPointError, match=r"the loss is inf in step 5; .*Samples: b, c$"):
        guard.check()
    guard.check()


def test_all_samples_are_named_when_none_alone_is_to_blame() -> None:
    outputs = {"toy": torch.zeros(2, 4)}
    batch = {"ids": ["a", "b"], "target_boxes": torch.tensor([[0.0] * 4, [float("nan")] * 4])}
    assert samples_at_fault(ToyTask(), outputs, batch) == ["b"]
    assert samples_at_fault(ToyTask(), outputs, {**batch, "target_boxes": torch.zeros(2, 4)}) == ["a", "b"]
