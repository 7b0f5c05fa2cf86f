"""How long a run has trained, and what its processes must decide alike."""

from __future__ import annotations

import time

import torch
import torch.distributed as dist
from accelerate import Accelerator


class Clock:
    """Seconds of training over all sessions of a run, and its share of the time allowed.

    Decisions that every process must take at the same step, to end or to stop, follow `share` and
    `is_stopped`, which change in `agree` only.
    """

    def __init__(self, accelerator: Accelerator, max_minutes: float | None, *, agree_every: int) -> None:
        """Start at zero.

        Args:
            accelerator: the processes.
            max_minutes: the time allowed; None for no limit.
            agree_every: steps between two agreements of several processes; one process agrees at every step.
        """
        self._accelerator, self._agree_every = accelerator, agree_every
        self._limit = None if max_minutes is None else 60 * max_minutes
        self._before = self._agreed = 0.0
        self._started = time.monotonic()
        self.is_stopped = False

    def start(self, seconds: float | None = None) -> None:
        """Begin a session.

        Args:
            seconds: time of training in earlier sessions; None keeps what was set last.
        """
        self._before = self._before if seconds is None else seconds
        self._agreed, self._started = self._before, time.monotonic()

    @property
    def seconds(self) -> float:
        """Seconds of training, by this process's clock."""
        return self._before + time.monotonic() - self._started

    @property
    def share(self) -> float:
        """Share of the allowed time that had passed at the last agreement, in [0, 1]; 0 without a limit."""
        return 0.0 if self._limit is None else min(self._agreed / self._limit, 1.0)

    def agree(self, step: int, stop: bool) -> None:
        """Take over the longest time and any request to stop among all processes.

        Args:
            step: steps made; several processes agree at multiples of `agree_every`.
            stop: whether this process was asked to stop.
        """
        seconds = self.seconds
        if self._accelerator.num_processes > 1:
            if step % self._agree_every:
                return
            both = torch.tensor([seconds, float(stop)], dtype=torch.float64, device=self._accelerator.device)
            dist.all_reduce(both, op=dist.ReduceOp.MAX)
            seconds, stop = float(both[0]), bool(both[1])
        self._agreed, self.is_stopped = seconds, stop

    def left(self, steps: int, steps_left: int) -> float:
        """Estimate the time until training ends.

        Args:
            steps: steps made in this session.
            steps_left: steps still to make.

        Returns:
            Seconds, no more than the time allowed leaves.
        """
        now = self.seconds
        by_steps = (now - self._before) / max(steps, 1) * steps_left
        return by_steps if self._limit is None else min(by_steps, self._limit - now)
