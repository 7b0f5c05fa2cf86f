"""The log: one line per entry, cut where a resumed run takes over."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import torch

from laconvnet.training.meter import Meter
from laconvnet.training.progress import TrainingLog

NUMBERS = {"epoch": 0.5, "seconds": 1.0, "loss": 0.25, "lr": 1e-4, "samples_per_second": 8.0}


def test_lines_of_steps_that_are_repeated_are_dropped(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with TrainingLog(tmp_path, total_steps=10) as log:
        for step in (1, 2, 3):
            log.train(seconds_left=3725, step=step, **NUMBERS)
        log.evaluation(metrics={"acc": 0.5, "nothing": float("nan")}, main_metric="acc", step=3, epoch=1.0)
    with (tmp_path / "log.jsonl").open("a") as lines:
        lines.write('{"kind": "tr')
    with TrainingLog(tmp_path, total_steps=10, step=2):
        pass
    rows = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [1, 2]
    assert "step 1/10  epoch 0.50  loss 0.2500" in (shown := capsys.readouterr().err)
    assert "1:02:05 left" in shown and "acc 0.5000" in shown


def test_a_value_that_does_not_exist_is_null_in_json(tmp_path: Path) -> None:
    with TrainingLog(tmp_path, total_steps=1) as log:
        log.evaluation(metrics={"acc": float("nan")}, main_metric="acc", step=1, epoch=1.0)
    assert json.loads((tmp_path / "log.jsonl").read_text())["metrics"] == {"acc": None}


def test_other_processes_write_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with TrainingLog(tmp_path, total_steps=1, enabled=False) as log:
        log.advance()
        log.train(seconds_left=0, step=1, **NUMBERS)
        log.say("hello")
    assert list(tmp_path.iterdir()) == [] and capsys.readouterr().err == ""


def test_tensorboard_that_is_missing_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(ImportError, match=r"laconvnet\[plots\]"):
        TrainingLog(tmp_path, total_steps=1, tensorboard=True)


def test_tensorboard_gets_every_number(tmp_path: Path) -> None:
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    with TrainingLog(tmp_path, total_steps=1, tensorboard=True) as log:
        log.train(seconds_left=0, step=1, **NUMBERS)
        log.evaluation(metrics={"acc": 0.5}, main_metric="acc", step=1, epoch=1.0)
    events = accumulator.EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    assert set(events.Tags()["scalars"]) == {f"train/{name}" for name in NUMBERS} | {"eval/acc", "eval/epoch"}
    assert events.Scalars("eval/acc")[0].value == 0.5


def test_a_meter_gives_means_and_starts_again() -> None:
    meter = Meter()
    meter.add({"loss": torch.tensor(1.0)}, samples=2)
    meter.add({"loss": torch.tensor(2.0), "part": torch.tensor(5.0)}, samples=2)
    first = meter.read()
    assert (first["loss"], first["part"]) == (1.5, 5.0) and first["samples_per_second"] > 0
    assert meter.read() == {"samples_per_second": 0.0}
