"""The loop: exact resume, signals, accumulation, what stops it, and what it leaves on disk."""

from __future__ import annotations

import errno
import itertools
import json
import os
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor
from toy_world import ToyTask, load_state, same, toy_config

from laconvnet.language import Vocabulary
from laconvnet.models import Checkpoint
from laconvnet.training import TrainingInterrupted, load_config, state, train, trainer
from laconvnet.training import clock as training_clock

UseToy = Callable[..., None]


class Interrupting(ToyTask):
    """Does something when the loss of a step is asked for."""

    def __init__(self, step: int, action: Callable[[], Any]) -> None:
        self.calls, self.step, self.action = 0, step, action

    def loss(self, outputs: dict[str, Any], batch: dict[str, Any]) -> dict[str, Tensor]:
        self.calls += 1
        if self.calls == self.step:
            self.action()
        return super().loss(outputs, batch)


def weights(output: Path) -> dict[str, Any]:
    """Everything a run ended with but its clock, its settings and its place."""
    saved = load_state(output)
    return {
        name: saved[name]
        for name in ("step", "epoch", "batch", "best", "evaluated", "model", "ema", "optimizer", "rng")
    }


def log(output: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (output / "log.jsonl").read_text().splitlines()]


@pytest.mark.parametrize(
    ("number", "changes", "at"),
    [
        (signal.SIGINT, {}, 2),
        (signal.SIGTERM, {}, 3),
        (signal.SIGINT, {"gradient_accumulation": 2}, 3),
        (signal.SIGINT, {"data": {"num_workers": 1}}, 4),
    ],
    ids=["ctrl-c-mid-epoch", "sigterm-end-of-epoch", "accumulating", "with-a-worker"],
)
def test_interrupted_and_resumed_is_bit_equal(
    world: Path, tmp_path: Path, use_toy: UseToy, number: signal.Signals, changes: dict[str, Any], at: int
) -> None:
    train(toy_config(world, tmp_path / "whole", **changes))

    config = toy_config(world, tmp_path / "parts", **changes)
    use_toy(task=Interrupting(at, lambda: os.kill(os.getpid(), number)))
    handler = signal.getsignal(number)
    with pytest.raises(TrainingInterrupted, match=r"resume with: laconvnet train .*train\.yaml --resume"):
        train(config)
    assert signal.getsignal(number) == handler
    saved = load_state(config.output)
    assert saved["step"] == -(-at // config.gradient_accumulation)
    assert saved["epoch"] * 3 + saved["batch"] == at

    use_toy()
    torch.rand(3)  # whatever happened in between
    train(load_config(config.output / "train.yaml"), resume=True)
    assert same(weights(tmp_path / "whole"), weights(config.output))
    whole, parts = log(tmp_path / "whole"), log(config.output)
    clock = ("seconds", "samples_per_second")
    strip = [[{k: v for k, v in row.items() if k not in clock} for row in rows] for rows in (whole, parts)]
    assert strip[0] == strip[1]


def test_two_runs_are_equal_and_a_seed_matters(world: Path, tmp_path: Path, use_toy: UseToy) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        train(toy_config(world, tmp_path / name, seed=seed, epochs=1))
    assert same(weights(tmp_path / "a"), weights(tmp_path / "b"))
    assert not same(weights(tmp_path / "a")["model"], weights(tmp_path / "c")["model"])


@pytest.mark.parametrize("keep", [True, False])
def test_freed_memory_is_kept_if_wanted(
    world: Path, tmp_path: Path, use_toy: UseToy, monkeypatch: pytest.MonkeyPatch, keep: bool
) -> None:
    use_toy()
    calls: list[bool] = []
    monkeypatch.setattr(trainer, "keep_freed_memory", lambda: calls.append(True))
    trainer.train(toy_config(world, tmp_path / "run", keep_freed_memory=keep, max_steps=1))
    assert calls == [True] * keep


def test_a_toy_is_learned(world: Path, tmp_path: Path, use_toy: UseToy) -> None:
    results = train(
        toy_config(
            world,
            tmp_path / "run",
            epochs=40,
            data={"flip": 0.0, "val_split": "train"},
            eval_every=0,
            optimizer={"clip_grad_norm": None},
        )
    )
    rows = log(tmp_path / "run")
    assert rows[-2]["loss"] < 0.1 * rows[0]["loss"]
    assert results["metrics"]["mean_iou"] > 0.4


def test_accumulating_equals_one_big_batch(world: Path, tmp_path: Path, use_toy: UseToy) -> None:
    use_toy(norm=False, dropout=0.0)
    common: dict[str, Any] = {"epochs": 2, "data": {"flip": 0.0}, "schedule": {"warmup": 0}}
    train(toy_config(world, tmp_path / "big", **{**common, "data": {"flip": 0.0, "batch_size": 4}}))
    small = {**common, "data": {"flip": 0.0, "batch_size": 2}, "gradient_accumulation": 2}
    train(toy_config(world, tmp_path / "small", **small))
    big, small_state = load_state(tmp_path / "big"), load_state(tmp_path / "small")
    assert big["step"] == small_state["step"] == 6
    for name, value in big["model"].items():
        torch.testing.assert_close(small_state["model"][name], value, rtol=1e-4, atol=1e-6)


def test_a_last_group_of_batches_is_a_mean_too(world: Path, tmp_path: Path, use_toy: UseToy) -> None:
    """12 sentences in batches of 4, two batches a step: the second step's only batch must not be halved."""
    use_toy(norm=False, dropout=0.0)
    plain = {"flip": 0.0, "batch_size": 4}
    config = toy_config(world, tmp_path / "run", data=plain, gradient_accumulation=2, epochs=1, max_steps=2)
    train(config)
    train(toy_config(world, tmp_path / "single", data=plain, epochs=1))
    norms = [row["grad_norm"] for name in ("run", "single") for row in log(tmp_path / name) if "lr" in row]
    assert load_state(config.output)["step"] == 2
    assert norms[1] > 0.7 * norms[-1]


class Poisoned(ToyTask):
    """The loss of one sample is not a number."""

    def loss(self, outputs: dict[str, Any], batch: dict[str, Any]) -> dict[str, Tensor]:
        poison = torch.tensor([float("nan") if name == "train-3-1" else 0.0 for name in batch["ids"]])
        losses = super().loss(outputs, batch)
        return {**losses, "loss": losses["loss"] + poison.sum()}


class Infinite(ToyTask):
    """The loss is finite, its gradient is not."""

    def loss(self, outputs: dict[str, Any], batch: dict[str, Any]) -> dict[str, Tensor]:
        losses = super().loss(outputs, batch)
        return {**losses, "loss": losses["loss"] + (0 * outputs["toy"]).abs().sqrt().sum()}


def test_a_loss_that_is_not_a_number_names_its_sample(world: Path, tmp_path: Path, use_toy: UseToy) -> None:
    use_toy(task=Poisoned())
    with pytest.raises(FloatingPointError, match=r"the loss is nan in step \d+;.*Samples: train-3-1$"):
        train(toy_config(world, tmp_path / "run"))
    assert not (tmp_path / "run" / "last" / "state.pt").exists()


def test_a_gradient_that_is_not_finite_names_the_batch(world: Path, tmp_path: Path, use_toy: UseToy) -> None:
    use_toy(task=Infinite())
    with pytest.raises(FloatingPointError, match=r"the gradient norm is nan in step 0;") as caught:
        train(toy_config(world, tmp_path / "run"))
    assert str(caught.value).count("train-") == 4


def test_on_an_accelerator_the_check_waits_but_no_bad_state_is_saved(
    world: Path, tmp_path: Path, use_toy: UseToy, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare = trainer.Trainer.__init__

    def lazy(self: Any, *args: Any) -> None:
        prepare(self, *args)
        self._checks_each_step = False

    monkeypatch.setattr(trainer.Trainer, "__init__", lazy)
    config = toy_config(world, tmp_path / "run", eval_every=0, save_every=0.3, log_every=100)
    use_toy(task=Poisoned())
    with pytest.raises(FloatingPointError, match=r"the loss is nan in step \d+; .*train-3-1"):
        train(config)
    path = config.output / "last" / "state.pt"
    assert not path.exists() or all(t.isfinite().all() for t in load_state(config.output)["model"].values())


def test_a_full_disk_ends_the_run_and_keeps_the_state(
    world: Path, tmp_path: Path, use_toy: UseToy, monkeypatch: pytest.MonkeyPatch
) -> None:
    train(toy_config(world, tmp_path / "whole", epochs=2))
    config = toy_config(world, tmp_path / "run", epochs=2)
    save, calls = torch.save, itertools.count()

    def full(values: Any, target: Any) -> None:
        if Path(target).name.startswith("state.pt") and next(calls) == 1:
            Path(target).write_bytes(b"half")
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        save(values, target)

    monkeypatch.setattr(state.torch, "save", full)
    with pytest.raises(OSError, match="No space"):
        train(config)
    assert load_state(config.output)["step"] == 3
    assert sorted(os.listdir(config.output / "last")) == ["state.pt", "tasks.json", "vocabulary.json"]
    train(config, resume=True)
    assert same(weights(tmp_path / "whole"), weights(config.output))


def test_a_run_is_not_overwritten(world: Path, tmp_path: Path, use_toy: UseToy) -> None:
    config = toy_config(world, tmp_path / "run", epochs=1)
    with pytest.raises(FileNotFoundError, match="no saved state to resume from"):
        train(config, resume=True)
    train(config)
    with pytest.raises(FileExistsError, match="already holds a run"):
        train(config)


def test_resuming_another_run_is_refused(world: Path, tmp_path: Path, use_toy: UseToy) -> None:
    train(toy_config(world, tmp_path / "run", epochs=1))
    with pytest.raises(ValueError, match=r"data\.batch_size was 4, now 2"):
        train(toy_config(world, tmp_path / "run", epochs=1, data={"batch_size": 2}), resume=True)


class FakeClock:
    """Six seconds pass with every step."""

    def __init__(self) -> None:
        self.now = 100.0

    def advance(self) -> None:
        self.now += 6.0


@pytest.mark.parametrize("interrupt_at", [None, 4])
def test_time_ends_a_run_with_a_finished_schedule(
    world: Path, tmp_path: Path, use_toy: UseToy, monkeypatch: pytest.MonkeyPatch, interrupt_at: int | None
) -> None:
    clock = FakeClock()
    for module in (trainer, training_clock):
        monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: clock.now))

    class Slow(Interrupting):
        def loss(self, outputs: dict[str, Any], batch: dict[str, Any]) -> dict[str, Tensor]:
            clock.advance()
            return super().loss(outputs, batch)

    use_toy(task=Slow(interrupt_at or 0, lambda: os.kill(os.getpid(), signal.SIGINT)))
    config = toy_config(world, tmp_path / "run", epochs=1000, max_minutes=1, schedule={"warmup": 0.5})
    if interrupt_at:
        with pytest.raises(KeyboardInterrupt):
            train(config)
        clock.now += 1e6  # the time between the two is not counted
    results = train(config, resume=bool(interrupt_at))
    rates = [row["lr"] for row in log(config.output) if row["kind"] == "train"]
    assert results["step"] == len(rates) == 10
    assert results["seconds"] == pytest.approx(60)
    assert rates[2:] == sorted(rates[2:], reverse=True)
    assert rates[5] == pytest.approx(1e-2 / 2, rel=0.01) and rates[-1] < 3e-4
    assert "mean_iou" in results["metrics"]


def test_what_a_run_leaves(world: Path, tmp_path: Path, use_toy: UseToy) -> None:
    config = toy_config(world, tmp_path / "run", epochs=2, eval_every=0.34, log_every=2)
    results = train(config)
    assert sorted(os.listdir(config.output)) == [
        "best", "final", "last", "log.jsonl", "results.json", "train.yaml",
    ]  # fmt: skip
    assert json.loads((config.output / "results.json").read_text()) == results
    assert load_config(config.output / "train.yaml") == config
    rows = log(config.output)
    assert [row["step"] for row in rows if row["kind"] == "train"] == [2, 4, 6]
    assert [row["step"] for row in rows if row["kind"] == "eval"] == [1, 2, 3, 4, 5, 6]
    assert {"step", "epoch", "seconds", "loss", "loss_box", "lr", "grad_norm", "samples_per_second"} <= set(rows[1])
    assert results["n"] == 4 and results["step"] == 6 and results["epoch"] == 2
    saved = load_state(config.output)
    final = torch.load(config.output / "final" / "weights.pt", weights_only=True)
    assert same(final["conv.weight"], saved["ema"]["tensors"]["conv.weight"])
    assert not same(final["conv.weight"], saved["model"]["conv.weight"])
    assert same(final["words.weight"], saved["model"]["words.weight"])


def test_without_an_average_the_raw_weights_are_published(world: Path, tmp_path: Path, use_toy: UseToy) -> None:
    config = toy_config(world, tmp_path / "run", epochs=1, ema={"decay": None})
    train(config)
    final = torch.load(config.output / "final" / "weights.pt", weights_only=True)
    assert load_state(config.output)["ema"] is None and same(final, load_state(config.output)["model"])


def test_the_gradient_is_clipped_and_its_norm_logged_before(world: Path, tmp_path: Path, use_toy: UseToy) -> None:
    sgd_like = {
        "optimizer": {"clip_grad_norm": 1e-3, "eps": 1e3},
        "schedule": {"warmup": 0, "kind": "constant"},
    }
    config = toy_config(world, tmp_path / "run", epochs=1, max_steps=1, ema={"decay": None}, **sgd_like)
    train(config)
    moments = load_state(config.output)["optimizer"]["state"].values()
    gradient = torch.cat([moment["exp_avg"].flatten() / (1 - 0.9) for moment in moments])
    torch.testing.assert_close(gradient.norm(), torch.tensor(1e-3), rtol=1e-3, atol=0)
    assert log(config.output)[0]["grad_norm"] > 0.1


def test_bf16_trains(world: Path, tmp_path: Path, use_toy: UseToy) -> None:
    train(toy_config(world, tmp_path / "bf16", epochs=1, mixed_precision="bf16"))
    train(toy_config(world, tmp_path / "full", epochs=1))
    bf16, full = (load_state(tmp_path / name)["model"]["conv.weight"] for name in ("bf16", "full"))
    assert bf16.dtype == torch.float32 and not torch.equal(bf16, full)
    torch.testing.assert_close(bf16, full, rtol=0, atol=0.03)


def test_the_real_network_trains_saves_and_loads(world: Path, tmp_path: Path) -> None:
    config = toy_config(world, tmp_path / "run", preset="n", max_steps=2, eval_every=0, data={"size": 64})
    results = train(config)
    checkpoint = Checkpoint.load(config.output / "final")
    preprocess, vocabulary = checkpoint.processor.preprocess, checkpoint.processor.tokenizer
    assert results["step"] == 2 and set(results["metrics"]) > {"accuracy@0.5", "mean_iou", "accuracy@0.5/g0"}
    assert (preprocess.size, preprocess.resize, preprocess.max_length) == (64, "letterbox", 15)
    assert isinstance(vocabulary, Vocabulary) and "red" in vocabulary
    saved = load_state(config.output)
    for name, tensor in saved["ema"]["tensors"].items():
        assert torch.equal(checkpoint.network.state_dict()[name], tensor), name
    assert "CC0" in (config.output / "final" / "README.md").read_text()


class Dying:
    """A loader whose workers Ctrl-C has reached before the trainer asked for the next batch."""

    def __init__(self, loader: Any, action: Callable[[], Any]) -> None:
        self.loader, self.action = loader, action
        self.batch_sampler, self.dataset = loader.batch_sampler, loader.dataset

    def __len__(self) -> int:
        return len(self.loader)

    def __iter__(self) -> Any:
        yield next(iter(self.loader))
        self.action()
        raise RuntimeError("DataLoader worker (pid 1) exited unexpectedly")


@pytest.mark.parametrize("asked", [True, False])
def test_workers_gone_after_ctrl_c_are_no_error(
    world: Path, tmp_path: Path, use_toy: UseToy, monkeypatch: pytest.MonkeyPatch, asked: bool
) -> None:
    build = trainer.build_parts

    def dying(*args: Any, **kwargs: Any) -> Any:
        parts = build(*args, **kwargs)
        action = (lambda: os.kill(os.getpid(), signal.SIGINT)) if asked else (lambda: None)
        return replace(parts, train_loader=Dying(parts.train_loader, action))

    monkeypatch.setattr(trainer, "build_parts", dying)
    config = toy_config(world, tmp_path / "run")
    if asked:
        with pytest.raises(TrainingInterrupted):
            train(config)
        assert load_state(config.output)["step"] == 1
    else:
        with pytest.raises(RuntimeError, match="exited unexpectedly"):
            train(config)
