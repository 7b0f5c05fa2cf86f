"""The training loop."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from itertools import islice
from pathlib import Path
from typing import Any, cast

import torch
import torch.distributed as dist
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.utils import gather_object
from torch import Tensor

from laconvnet.data import Batch, set_epoch, to_device
from laconvnet.evaluation.evaluate import EvaluationStopped, evaluate
from laconvnet.files import replace_file, write_json
from laconvnet.language import Vocabulary
from laconvnet.training.clock import Clock
from laconvnet.training.config import TrainConfig
from laconvnet.training.datasets import fingerprints
from laconvnet.training.ema import ExponentialMovingAverage
from laconvnet.training.finite import FiniteGuard, non_finite, samples_at_fault
from laconvnet.training.interrupt import StopRequest, TrainingInterrupted
from laconvnet.training.memory import keep_freed_memory
from laconvnet.training.meter import Meter
from laconvnet.training.optimizer import build_optimizer
from laconvnet.training.progress import TrainingLog
from laconvnet.training.schedule import learning_rate
from laconvnet.training.setup import Begun, Parts, build_parts
from laconvnet.training.state import (
    TrainState,
    check_same_data,
    check_same_run,
    random_state,
    restore_random_state,
)


def train(config: TrainConfig, *, resume: bool = False) -> dict[str, Any]:
    """Train a network, or go on with a run that was interrupted.

    The run's folder `config.output` receives train.yaml (the settings), log.jsonl, last/ (the state to resume
    from), best/ and final/ (checkpoint folders of the averaged weights) and results.json.

    Args:
        config: the settings.
        resume: go on from the state in the run's folder; on a CPU, and without a time limit, the weights
            become those of a run that was never interrupted, bit for bit.

    Returns:
        What results.json holds: task, split, n, metrics of the final weights, best score, step, epoch,
        seconds.

    Raises:
        FileExistsError: when the folder already holds a run and `resume` is false.
        FileNotFoundError: when there is no state to resume from.
        FloatingPointError: when the loss or the gradient is not finite; names the step and the samples.
        TrainingInterrupted: after Ctrl-C or SIGTERM, with the state saved.
    """
    if config.threads is not None:
        torch.set_num_threads(config.threads)
    accelerator = build_accelerator(config)
    if config.keep_freed_memory and accelerator.device.type == "cpu":
        keep_freed_memory()
    if accelerator.is_main_process:
        _claim(config.output, resume)
    accelerator.wait_for_everyone()
    torch.manual_seed(config.seed)
    state = _saved(config) if resume else None
    parts = build_parts(
        config,
        None if state is None else Begun.load(config.output / "last"),
        rank=accelerator.process_index,
        world_size=accelerator.num_processes,
    )
    trainer = Trainer(config, parts, accelerator)
    if state is not None:
        trainer.restore(state)
    return trainer.run()


def _saved(config: TrainConfig) -> TrainState:
    """The state to go on from.

    Raises:
        ValueError: the settings, or the training data, would make it another run.
    """
    state = TrainState.load(config.output / "last" / "state.pt")
    check_same_run(state.config, config.model_dump(mode="json"))
    check_same_data(state.data, fingerprints(config))
    return state


def build_accelerator(config: TrainConfig) -> Accelerator:
    """Choose device, processes and number format.

    Args:
        config: the run's settings.

    Returns:
        The accelerator; a run earlier in this process does not bind this one to its number format.
    """
    AcceleratorState._reset_state()
    return Accelerator(mixed_precision=config.mixed_precision, cpu=config.device == "cpu")


def _claim(output: Path, resume: bool) -> None:
    state = output / "last" / "state.pt"
    if resume and not state.is_file():
        raise FileNotFoundError(f"no saved state to resume from: {state} does not exist")
    if not resume and any(path.exists() for path in (state, output / "best", output / "final")):
        raise FileExistsError(f"{output} already holds a run; choose another output, or go on with --resume")


def _write_text(path: Path, text: str) -> None:
    replace_file(path, lambda partial: partial.write_text(text, encoding="utf-8"))


class Trainer:
    """One run, in one process of possibly several."""

    def __init__(self, config: TrainConfig, parts: Parts, accelerator: Accelerator) -> None:
        """Put everything in place for the first step.

        Args:
            config: the settings.
            parts: data, network and task.
            accelerator: device, processes and number format.
        """
        self.config, self.parts, self.accelerator = config, parts, accelerator
        model = parts.model.to(accelerator.device)
        optimizer = build_optimizer(model, config.optimizer)
        self.model, self.optimizer = accelerator.prepare(model, optimizer)
        self.network = accelerator.unwrap_model(self.model)
        if config.compile:
            torch._dynamo.config.allow_rnn = True
            self.network.compile()
        self.trainable = [parameter for parameter in self.network.parameters() if parameter.requires_grad]
        self.ema = ExponentialMovingAverage(self.network, config.ema.decay) if config.ema.decay else None
        torch.manual_seed(config.seed + accelerator.process_index)  # dropout differs between processes

        self.steps_per_epoch = math.ceil(len(parts.train_loader) / config.gradient_accumulation)
        self.total_steps = min(config.epochs * self.steps_per_epoch, config.max_steps or sys.maxsize)
        self.step = self.epoch = self.batch = 0
        self.best: float | None = None
        self.evaluated: int | None = None
        self.metrics: dict[str, float] = {}
        self.guard, self.meter, self.stop = FiniteGuard(), Meter(), StopRequest()
        self._checks_each_step = accelerator.device.type == "cpu"
        self.fingerprints = fingerprints(config)
        self._begun = Begun(cast(Vocabulary, parts.processor.tokenizer), parts.options)
        self.clock = Clock(accelerator, config.max_minutes, agree_every=config.log_every)

    # --- the run

    def run(self) -> dict[str, Any]:
        """Train to the end, evaluate, and write the results.

        Returns:
            What results.json holds.

        Raises:
            TrainingInterrupted: when asked to stop; the state is saved.
        """
        config, output = self.config, self.config.output
        if self.accelerator.is_main_process:
            _write_text(output / "train.yaml", config.to_yaml())
        self.clock.start()
        self._first_step = self.step
        with (
            self.stop,
            TrainingLog(
                output,
                total_steps=self.total_steps,
                step=self.step,
                tensorboard=config.tensorboard,
                enabled=self.accelerator.is_main_process,
            ) as self.log,
        ):
            try:
                self._evaluate_if_due()  # it may have been due when the run was interrupted
                while not self._is_finished():
                    self._train_epoch()
                self._save()
                return self._finish()
            except TrainingInterrupted:
                self._save()
                processes = self.accelerator.num_processes
                start = f"torchrun --nproc-per-node {processes} -m laconvnet" if processes > 1 else "laconvnet"
                command = f"{start} train {output / 'train.yaml'} --resume"
                hint = f"stopped after step {self.step}; resume with: {command}"
                self.log.say(hint)
                raise TrainingInterrupted(hint) from None

    def _train_epoch(self) -> None:
        """Steps from the present position to the end of the epoch, or of the run."""
        self.model.train()
        loader = self.parts.train_loader
        set_epoch(loader, self.epoch, self.batch)
        batches, length = self._fetched(iter(loader)), len(loader)
        epoch = self.epoch
        while self.epoch == epoch and not self._is_finished():
            count = min(self.config.gradient_accumulation, length - self.batch)
            self._make_step(islice(batches, count), count)
            self.step += 1
            self.batch += count
            if self.batch >= length:
                self.epoch, self.batch = self.epoch + 1, 0
            self._after_step()

    def _fetched(self, batches: Iterator[Batch]) -> Iterator[Batch]:
        """The batches; Ctrl-C also reaches the workers, so one that is gone after it is no error."""
        try:
            yield from batches
        except RuntimeError:
            if self.stop.requested:
                raise TrainingInterrupted("stopped while waiting for a batch") from None
            raise

    def _make_step(self, batches: Iterator[Batch], count: int) -> None:
        """One change of the weights, by the mean gradient of `count` batches."""
        rate = self._learning_rate()
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        ids: list[str] = []
        for index, raw in enumerate(batches):
            batch = to_device(raw, self.accelerator.device)
            ids += batch["ids"]
            is_last = index == count - 1
            with nullcontext() if is_last else self.accelerator.no_sync(self.model):
                outputs = self.model(batch["images"], batch["tokens"])
                losses = self.parts.task.loss(outputs, batch)
                self._watch_loss(losses["loss"], outputs, batch)
                self.accelerator.backward(losses["loss"] / count)
            self.meter.add(losses, samples=len(batch["ids"]) * self.accelerator.num_processes)
        limit = self.config.optimizer.clip_grad_norm
        norm = self.accelerator.clip_grad_norm_(self.trainable, math.inf if limit is None else limit)
        assert isinstance(norm, Tensor)
        self._watch_gradient(norm, ids)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        if self.ema is not None:
            self.ema.update()

    def _watch_loss(self, loss: Tensor, outputs: dict[str, Tensor], batch: Batch) -> None:
        if self._checks_each_step and not bool(loss.isfinite()):
            ids = samples_at_fault(self.parts.task, outputs, batch)
            raise non_finite("loss", loss.item(), self.step, ids)
        self.guard.watch("loss", self.step, batch["ids"], loss)

    def _watch_gradient(self, norm: Tensor, ids: list[str]) -> None:
        self.meter.add({"grad_norm": norm})
        if self.config.mixed_precision != "fp16":  # there the loss scale skips a step that overflows
            self.guard.watch("gradient norm", self.step, ids, norm)
        if self._checks_each_step:
            self.guard.check()

    def _after_step(self) -> None:
        """What happens between two steps: agree, log, evaluate, save, stop."""
        config = self.config
        self.clock.agree(self.step, self.stop.requested)
        self.log.advance()
        if self.step % config.log_every == 0 or self._is_finished():
            self._log_line()
        if self.clock.is_stopped:
            raise TrainingInterrupted("asked to stop")
        self._evaluate_if_due()
        if self._is_due(config.save_every) and not self._is_finished():
            self._save()

    def _evaluate_if_due(self) -> None:
        is_due = self.step > 0 and self._is_due(self.config.eval_every)
        if is_due and self.evaluated != self.step and not self._is_finished():
            self._evaluate()

    def _is_due(self, every: float) -> bool:
        return every > 0 and self.step % max(round(every * self.steps_per_epoch), 1) == 0

    def _is_finished(self) -> bool:
        return self.epoch >= self.config.epochs or self.step >= self.total_steps or self.clock.share >= 1

    def _learning_rate(self) -> float:
        schedule, per_epoch = self.config.schedule, self.steps_per_epoch
        return learning_rate(
            self.step,
            base=self.config.optimizer.lr,
            total_steps=self.total_steps,
            warmup_steps=schedule.warmup * per_epoch,
            kind=schedule.kind,
            warmup_start=schedule.warmup_start,
            minimum=schedule.min_lr,
            milestones=[milestone * per_epoch for milestone in schedule.milestones],
            gamma=schedule.gamma,
            time_share=self.clock.share,
        )

    # --- evaluation, log, results

    def _position(self) -> dict[str, float]:
        epoch = self.epoch + self.batch / len(self.parts.train_loader)
        return {"step": self.step, "epoch": round(epoch, 4), "seconds": round(self.clock.seconds, 1)}

    def _log_line(self) -> None:
        self.guard.check()
        rate = float(self.optimizer.param_groups[0]["lr"])
        left = self.clock.left(self.step - self._first_step, self.total_steps - self.step)
        self.log.train(seconds_left=left, **self._position(), lr=rate, **self.meter.read())

    def _averaged(self) -> AbstractContextManager[None]:
        if self.ema is None:
            return nullcontext()
        if self.accelerator.num_processes > 1:
            for tensor in self.ema.tensors().values():  # statistics of batch normalisation differ until now
                dist.broadcast(tensor, src=0)
        return self.ema.applied()

    def _evaluate(self) -> dict[str, float]:
        """Measure the averaged weights; keep them in best/ if they are the best so far."""
        if self.evaluated == self.step and self.metrics:
            return self.metrics
        self.guard.check()
        began = time.monotonic()
        can_stop = self.accelerator.num_processes == 1
        with self._averaged():
            try:
                metrics = evaluate(
                    self.network,
                    self.parts.eval_loader,
                    self.parts.task,
                    self.accelerator.device,
                    should_stop=(lambda: self.stop.requested) if can_stop else None,
                )
            except EvaluationStopped as stopped:
                raise TrainingInterrupted(str(stopped)) from None
            score = metrics[self.parts.task.headline[0]]
            if not math.isnan(score) and (self.best is None or score >= self.best):
                self.best = score
                self._export("best", metrics)
        self.evaluated, self.metrics = self.step, metrics
        self.log.evaluation(metrics=metrics, main_metric=self.parts.task.headline[0], **self._position())
        self.meter.skip(time.monotonic() - began)
        return metrics

    def _export(self, name: str, metrics: dict[str, float]) -> None:
        if self.accelerator.is_main_process:
            self.parts.export(self.config.output / name, self.network, metrics)
        self.accelerator.wait_for_everyone()

    def _finish(self) -> dict[str, Any]:
        metrics = self._evaluate()
        with self._averaged():
            self._export("final", metrics)
        config = self.config
        results = {
            "task": self.parts.task.name,
            "split": config.data.val_split,
            "n": len(self.parts.eval_loader.dataset),
            "metrics": metrics,
            "best": self.best,
            **self._position(),
            "model": str(config.output / "final"),
            "data": "scenes" if config.data.scenes else ", ".join(str(source.root) for source in config.data.folders),
        }
        if self.accelerator.is_main_process:
            write_json(config.output / "results.json", results)
        self._save()
        return results

    # --- state

    def _save(self) -> None:
        self.guard.check()
        rng: list[dict[str, Any]] = gather_object([random_state()])
        if self.accelerator.is_main_process:
            scaler = self.accelerator.scaler
            state = TrainState(
                config=self.config.model_dump(mode="json"),
                step=self.step,
                epoch=self.epoch,
                batch=self.batch,
                elapsed=self.clock.seconds,
                best=self.best,
                evaluated=self.evaluated,
                model=self.network.state_dict(),
                ema=None if self.ema is None else self.ema.state_dict(),
                optimizer=self.optimizer.state_dict(),
                scaler=None if scaler is None else scaler.state_dict(),
                rng=rng,
                data=self.fingerprints,
            )
            self._last.mkdir(parents=True, exist_ok=True)
            self._begun.save(self._last)
            state.save(self._last / "state.pt")
        self.accelerator.wait_for_everyone()

    def restore(self, state: TrainState) -> None:
        """Go back to where a run was.

        Raises:
            ValueError: the number of processes differs.
        """
        if len(state.rng) != self.accelerator.num_processes:
            raise ValueError(
                f"the run was saved by {len(state.rng)} processes and cannot continue with "
                f"{self.accelerator.num_processes}"
            )
        self.network.load_state_dict(state.model)
        self.optimizer.load_state_dict(state.optimizer)
        if self.ema is not None and state.ema is not None:
            self.ema.load_state_dict(state.ema)
        if self.accelerator.scaler is not None and state.scaler is not None:
            self.accelerator.scaler.load_state_dict(state.scaler)
        self.step, self.epoch, self.batch = state.step, state.epoch, state.batch
        self.best, self.evaluated = state.best, state.evaluated
        self.clock.start(state.elapsed)
        restore_random_state(state.rng[self.accelerator.process_index])

    @property
    def _last(self) -> Path:
        return self.config.output / "last"
