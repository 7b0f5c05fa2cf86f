"""Saving, failing to save, and reading back."""

from __future__ import annotations

import errno
import os
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from toy_world import same

from laconvnet.training.state import (
    TrainState,
    check_same_run,
    random_state,
    replace_file,
    restore_random_state,
)


def make_state(step: int = 3) -> TrainState:
    return TrainState(
        config={"seed": 1, "data": {"crop": [0.5, 1.0]}},
        step=step,
        epoch=1,
        batch=2,
        elapsed=4.5,
        best=None,
        evaluated=2,
        model={"w": torch.randn(3)},
        ema={"updates": 3, "tensors": {"w": torch.randn(3)}},
        optimizer={"state": {0: {"step": torch.tensor(3.0)}}, "param_groups": [{"betas": (0.9, 0.98)}]},
        scaler=None,
        rng=[random_state()],
        data={"0: train.jsonl": "abc"},
    )


def test_a_state_comes_back_equal(tmp_path: Path) -> None:
    state = make_state()
    state.save(tmp_path / "new" / "state.pt")
    assert same(vars(TrainState.load(tmp_path / "new" / "state.pt")), vars(state))


def test_random_numbers_go_on_where_they_were() -> None:
    def draw() -> list[float]:
        return [random.random(), random.gauss(0, 1), float(np.random.randn()), float(torch.rand(()))]

    draw()
    state = random_state()
    first = draw()
    restore_random_state(state)
    assert draw() == first


def disk_is_full(*_: Any, **__: Any) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("where", ["write", "replace"])
def test_a_full_disk_leaves_the_previous_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    path = tmp_path / "state.pt"
    make_state(step=3).save(path)
    if where == "replace":
        monkeypatch.setattr(os, "replace", disk_is_full)
    else:

        def half(values: Any, target: Path) -> None:
            target.write_bytes(b"half of it")
            disk_is_full()

        monkeypatch.setattr(torch, "save", half)
    with pytest.raises(OSError, match="No space"):
        make_state(step=4).save(path)
    assert TrainState.load(path).step == 3
    assert os.listdir(tmp_path) == ["state.pt"]


def test_a_killed_writer_leaves_the_previous_file(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_text("old")

    def write(partial: Path) -> None:
        partial.write_text("ne")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        replace_file(path, write)
    assert path.read_text() == "old" and os.listdir(tmp_path) == ["x"]


def test_what_is_not_a_state_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no saved state to resume from"):
        TrainState.load(tmp_path / "state.pt")
    torch.save({"weights": torch.zeros(1)}, tmp_path / "other.pt")
    with pytest.raises(ValueError, match="not a saved training state"):
        TrainState.load(tmp_path / "other.pt")


def test_only_settings_that_leave_the_run_the_same_may_change() -> None:
    saved = {"seed": 1, "epochs": 3, "schedule": {"kind": "cosine"}, "data": {"num_workers": 2, "flip": 0.5}}
    now = {"seed": 1, "epochs": 9, "schedule": {"kind": "steps"}, "data": {"num_workers": 0, "flip": 0.5}}
    check_same_run(saved, now)
    now["data"]["flip"] = 0.0  # type: ignore[index]
    with pytest.raises(ValueError, match=r"data\.flip was 0\.5, now 0\.0"):
        check_same_run(saved, now)
