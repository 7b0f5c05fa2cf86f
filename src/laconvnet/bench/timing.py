"""Wall-clock time on a noisy machine: several contenders in turn, medians and spread."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Timing:
    """Repeated times of one thing, in milliseconds.

    Attributes:
        median: half of the repeats were faster.
        low: first quartile.
        high: third quartile.
        repeats: how many.
    """

    median: float
    low: float
    high: float
    repeats: int

    def __str__(self) -> str:
        return f"{self.median:.3g} ms [{self.low:.3g}, {self.high:.3g}]"


def _synchronize() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def _milliseconds(function: Callable[[], object]) -> float:
    _synchronize()
    start = time.perf_counter()
    function()
    _synchronize()
    return 1e3 * (time.perf_counter() - start)


def compare(contenders: Mapping[str, Callable[[], object]], *, repeats: int = 7, warmup: int = 1) -> dict[str, Timing]:
    """Time contenders in turn, round after round, so that what disturbs one disturbs all.

    Args:
        contenders: functions by name.
        repeats: timed rounds, at least 2.
        warmup: rounds before that are not counted.

    Returns:
        Median and quartiles by name.
    """
    if repeats < 2:
        raise ValueError(f"repeats is {repeats}; a spread needs at least 2")
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for round_ in range(warmup + repeats):
        for name, function in contenders.items():
            elapsed = _milliseconds(function)
            if round_ >= warmup:
                times[name].append(elapsed)
    return {name: _summary(values) for name, values in times.items()}


def _summary(values: list[float]) -> Timing:
    low, median, high = statistics.quantiles(values, n=4, method="inclusive")
    return Timing(median, low, high, len(values))
