"""Stopping on a loss or gradient that is not a number, with the samples that caused it."""

from __future__ import annotations

import math
from typing import Any, cast

import torch
from torch import Tensor

from laconvnet.data import Batch
from laconvnet.tasks import MultiTask, Task
from laconvnet.tasks.multi import take


class FiniteGuard:
    """Remembers losses and gradient norms on their device and looks at them when asked to.

    Looking waits for the device. On a CPU that costs nothing, so a trainer asks before every optimiser step;
    on an accelerator it asks when it reads values for the log anyway, and before it evaluates or saves. By then
    later steps may have spoiled the weights in memory, but not those on disk, since every write looks first.
    """

    def __init__(self) -> None:
        """Start with nothing to look at."""
        self._watched: list[tuple[str, int, list[str], Tensor]] = []

    def watch(self, what: str, step: int, ids: list[str], value: Tensor) -> None:
        """Remember a value.

        Args:
            what: "loss" or "gradient norm".
            step: the optimiser step it belongs to.
            ids: the samples it was computed from.
            value: 0-d tensor.
        """
        self._watched.append((what, step, ids, value.detach().float()))

    def check(self) -> None:
        """Look at everything remembered since the last time.

        Raises:
            FloatingPointError: when a value is infinite or NaN; names the first, its step and samples.
        """
        watched, self._watched = self._watched, []
        if not watched:
            return
        values = torch.stack([value for *_, value in watched]).tolist()
        for (what, step, ids, _), value in zip(watched, values, strict=True):
            if not math.isfinite(value):
                raise non_finite(what, value, step, ids)


def non_finite(what: str, value: float, step: int, ids: list[str]) -> FloatingPointError:
    """Word the error.

    Args:
        what: "loss" or "gradient norm".
        value: what it was.
        step: the optimiser step.
        ids: the samples that may have caused it.

    Returns:
        The error to raise.
    """
    return FloatingPointError(
        f"the {what} is {value} in step {step}; training stopped, the last saved state is untouched. "
        f"Samples: {', '.join(ids)}"
    )


def samples_at_fault(task: Task[Any] | MultiTask, outputs: dict[str, Tensor], batch: Batch) -> list[str]:
    """Find the samples whose own loss is not finite.

    Args:
        task: computes the loss.
        outputs: what the network gave for the batch.
        batch: the batch.

    Returns:
        Their ids; all ids of the batch when no single sample is to blame.
    """
    ids = batch["ids"]
    with torch.no_grad():
        faulty = [
            name
            for index, name in enumerate(ids)
            if not bool(task.loss(take(outputs, [index]), cast(Batch, take(batch, [index])))["loss"].isfinite())
        ]
    return faulty or ids
