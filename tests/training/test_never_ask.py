"""A training step gives the device work without ever waiting for a result of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import pytest
import torch
from never_ask import never_ask
from torch import Tensor
from toy_world import SIZE, toy_config

from laconvnet.models import build_model
from laconvnet.tasks import build_tasks, together
from laconvnet.training.setup import build_parts
from laconvnet.training.trainer import Trainer, build_accelerator

ANSWERS = ("yes", "no")
ALL_TASKS = {
    "rec": {},
    "res": {"dice_weight": 1.0},
    "gres": {"no_target": "classifier"},
    "vqa": {"weight": 0.5, "answers": [*ANSWERS]},
}


def make_trainer(world: Path, output: Path, *, every_task: bool = False, **changes: Any) -> Trainer:
    config = toy_config(world, output, preset="n", data={"size": 2 * SIZE}, **changes)
    parts = build_parts(config)
    if every_task:
        task = together(build_tasks(ALL_TASKS))
        model = build_model("n", task.heads, vocabulary=parts.processor.tokenizer, num_answers=len(ANSWERS))
        parts = replace(parts, model=model, task=task)
    trainer = Trainer(config, parts, build_accelerator(config))
    trainer._checks_each_step = False  # as on an accelerator
    return trainer


def step_under(mode: Callable[[], Any], trainer: Trainer) -> None:
    """A step that sets everything up, and one under the mode."""
    count = trainer.config.gradient_accumulation
    batches = list(trainer.parts.train_loader)[:count]
    for batch in batches:
        count_of_batch = len(batch["ids"])
        batch["target_masks"] = torch.rand(count_of_batch, 2 * SIZE, 2 * SIZE) > 0.5
        batch["answer"] = list(islice(cycle(ANSWERS), count_of_batch))
        batch["tasks"] = list(islice(cycle([("rec", "res"), ("gres",), ("vqa",)]), count_of_batch))
    trainer._make_step(iter(batches), count)
    before = [parameter.detach().clone() for parameter in trainer.trainable]
    with mode():
        trainer._make_step(iter(batches), count)
    trainer.guard.check()
    assert trainer.meter.read()["loss"] > 0
    assert not all(map(torch.equal, before, trainer.trainable))


STEPS = {
    "box": {},
    "nearest cell and distance": {"tasks": {"rec": {"assignment": "nearest", "l1_weight": 1.0}}},
    "every task": {"every_task": True},
    "accumulated": {"gradient_accumulation": 2},
    "checkpointed": {"grad_checkpointing": True},
    "not clipped": {"optimizer": {"name": "adamw", "clip_grad_norm": None}},
}


@pytest.mark.parametrize("changes", STEPS.values(), ids=STEPS)
def test_a_training_step_never_asks_the_host(world: Path, tmp_path: Path, changes: dict[str, Any]) -> None:
    step_under(never_ask, make_trainer(world, tmp_path / "run", **changes))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="waiting is seen on a CUDA device only")
@pytest.mark.filterwarnings("ignore:Synchronization debug mode")
@pytest.mark.parametrize("precision", ["no", "bf16", "fp16"])
@pytest.mark.parametrize("changes", STEPS.values(), ids=STEPS)
def test_a_training_step_never_waits_for_a_gpu(
    world: Path, tmp_path: Path, changes: dict[str, Any], precision: str
) -> None:
    @contextmanager
    def never_wait() -> Iterator[None]:
        torch.cuda.set_sync_debug_mode("error")
        try:
            yield
        finally:
            torch.cuda.set_sync_debug_mode("default")

    trainer = make_trainer(world, tmp_path / "run", device="auto", mixed_precision=precision, **changes)
    assert trainer.accelerator.device.type == "cuda"
    step_under(never_wait, trainer)


QUESTIONS: dict[str, Callable[[Tensor], Any]] = {
    "item": lambda x: x[0].item(),
    "float": lambda x: float(x.sum()),
    "if": lambda x: 1 if x.any() else 2,
    "tolist": lambda x: x.tolist(),
    "numpy": lambda x: x.numpy(),
    "cpu": lambda x: x.cpu(),
    "tensor": lambda x: torch.tensor([1.0], device=x.device),
    "isfinite": lambda x: bool(x.isfinite().all()),
    "equal": lambda x: torch.equal(x, x),
    "nonzero": lambda x: x.nonzero(),
    "mask": lambda x: x[x > 1],
    "assigned mask": lambda x: x.__setitem__(x > 1, torch.ones(2)),
    "masked_select": lambda x: x.masked_select(x > 1),
    "unique": lambda x: x.unique(),
    "one_hot": lambda x: torch.nn.functional.one_hot(x.long()),
}


@pytest.mark.parametrize("question", QUESTIONS.values(), ids=QUESTIONS)
def test_every_question_is_noticed(question: Callable[[Tensor], Any]) -> None:
    values = torch.arange(4.0)
    with never_ask(), pytest.raises(AssertionError, match="waits for the device"):
        question(values)
