"""How long something takes on a noisy machine: several contenders in turn, medians and spread."""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import torch

Name = TypeVar("Name")
Function = Callable[[], object]
Clock = Callable[[Function], float]

_TURN = 20.0  # milliseconds; what is faster is called several times in its turn
_CALLS = 100  # at most, in one turn
_FLUSH = 2**30  # bytes; more than any cache, and long enough to write that a function's kernels queue up behind


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

    def row(self) -> dict[str, float]:
        """The columns "median_ms", "low_ms" and "high_ms" of a report."""
        return {f"{name}_ms": round(getattr(self, name), 4) for name in ("median", "low", "high")}


def wall_clock(function: Function) -> float:
    """Milliseconds until the result is there, on whatever device: what somebody who waits for it sees."""
    _synchronize()
    start = time.perf_counter()
    function()
    _synchronize()
    return 1e3 * (time.perf_counter() - start)


def gpu_clock(function: Function) -> float:
    """Milliseconds that a GPU works on it, from cold caches and without the time that launching takes."""
    begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]
    torch.empty(_FLUSH, dtype=torch.int8, device="cuda").zero_()
    begin.record()
    function()
    end.record()
    end.synchronize()
    return float(begin.elapsed_time(end))


def clock_of(device: torch.device) -> Clock:
    """The clock for single kernels: `gpu_clock` on a GPU, else `wall_clock`."""
    return gpu_clock if device.type == "cuda" else wall_clock


def compare(
    contenders: Mapping[Name, Function], *, repeats: int = 7, warmup: int = 1, clock: Clock = wall_clock
) -> dict[Name, Timing]:
    """Time contenders in turn, round after round, so that what disturbs one disturbs all.

    In a turn a fast contender is called several times and the median counts, the first call left out: before it the
    caches held what others had read.

    Args:
        contenders: functions by name.
        repeats: timed rounds, at least 2.
        warmup: rounds before that are not counted.
        clock: measures one call, in milliseconds.

    Returns:
        Median and quartiles by name.

    Raises:
        ValueError: fewer than 2 repeats.
    """
    if repeats < 2:
        raise ValueError(f"repeats is {repeats}; a spread needs at least 2")
    times: dict[Name, list[float]] = {name: [] for name in contenders}
    for round_ in range(warmup + repeats):
        for name, function in contenders.items():
            elapsed = _turn(function, clock)
            if round_ >= warmup:
                times[name].append(elapsed)
    return {name: _summary(values) for name, values in times.items()}


def _turn(function: Function, clock: Clock) -> float:
    first = total = clock(function)
    times: list[float] = []
    while total < _TURN and len(times) < _CALLS:
        times.append(clock(function))
        total += times[-1]
    return statistics.median(times) if times else first


def _summary(values: list[float]) -> Timing:
    low, median, high = statistics.quantiles(values, n=4, method="inclusive")
    return Timing(median, low, high, len(values))


def _synchronize() -> None:
    if torch.accelerator.is_available():
        torch.accelerator.synchronize()


@contextmanager
def use_threads(count: int | None) -> Iterator[None]:
    """Run a ``with`` block on this many CPU threads of PyTorch; None leaves their number alone."""
    before = torch.get_num_threads()
    torch.set_num_threads(count or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def empty_compile_cache() -> Iterator[None]:
    """Run a ``with`` block without what torch.compile has made before, which hides what its first call costs."""
    name = "TORCHINDUCTOR_CACHE_DIR"
    before = os.environ.get(name)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        os.environ[name] = folder
        try:
            yield
        finally:
            os.environ.pop(name)
            if before is not None:
                os.environ[name] = before
