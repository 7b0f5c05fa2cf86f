"""Evaluation: every sample once, the network left as it was."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from toy_world import toy_config, toy_parts

from laconvnet.training import TrainingInterrupted, evaluate, to_model_input


def test_every_sample_is_measured_once_and_the_mode_stays(world: Path, tmp_path: Path) -> None:
    parts = toy_parts(toy_config(world, tmp_path))
    collected: list[dict[str, Any]] = []
    for mode in (True, False):
        parts.model.train(mode)
        before = {name: tensor.clone() for name, tensor in parts.model.state_dict().items()}
        metrics = evaluate(parts.model, parts.eval_loader, parts.task, "cpu", on_predictions=collected.extend)
        assert parts.model.training is mode
        assert all(torch.equal(before[name], tensor) for name, tensor in parts.model.state_dict().items())
    ids = [record.id for record in parts.eval_loader.dataset.records]  # type: ignore[attr-defined]
    assert [row["id"] for row in collected] == ids * 2
    assert collected[:4] == collected[4:]  # no dropout
    assert set(metrics) >= {"mean_iou", "accuracy@0.5", "accuracy@0.5/g0"}
    assert all(type(value) is float for value in metrics.values())


def test_it_can_be_stopped(world: Path, tmp_path: Path) -> None:
    parts = toy_parts(toy_config(world, tmp_path))
    answers = iter([False, True])
    with pytest.raises(TrainingInterrupted):
        evaluate(parts.model, parts.eval_loader, parts.task, "cpu", should_stop=lambda: next(answers))
    assert parts.model.training


def test_bytes_become_shares_of_one() -> None:
    batch = {"images": torch.tensor([[[[0, 51, 255]]]], dtype=torch.uint8), "ids": ["a"]}
    moved = to_model_input(batch, torch.device("cpu"))
    torch.testing.assert_close(moved["images"], torch.tensor([[[[0.0, 0.2, 1.0]]]]))
    assert moved["ids"] == ["a"] and batch["images"].dtype == torch.uint8
    assert torch.equal(to_model_input(moved, torch.device("cpu"))["images"], moved["images"])
