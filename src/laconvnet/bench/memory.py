"""How much memory something needs at its peak, measured in a process of its own so that peaks do not mix."""

from __future__ import annotations

import multiprocessing
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path

import torch

from laconvnet.bench.timing import Function

Build = Callable[[], Function]
"""Make everything ready, weights and inputs included; the function that comes back runs it once. To be measured in
another process it has to be picklable."""

_RUNS = 2  # the second sees what the first has left behind, as in use


@dataclass(frozen=True)
class Memory:
    """MiB: of the whole process on a CPU, of PyTorch's tensors on a GPU.

    Attributes:
        before: with weights and inputs ready.
        peak: the most while running.
    """

    before: float
    peak: float

    def row(self) -> dict[str, float]:
        """The columns "memory_before_mib" and "peak_memory_mib" of a report."""
        return {"memory_before_mib": round(self.before, 1), "peak_memory_mib": round(self.peak, 1)}


def measure_memory(name: str, build: Build, device: str = "cpu") -> Memory:
    """Build and run something twice in a fresh process, on as many threads as here.

    Args:
        name: what to call it in an error.
        build: makes it ready; a script that calls this needs the usual `if __name__ == "__main__":`.
        device: where it runs.

    Returns:
        Memory before and at the peak.

    Raises:
        RuntimeError: the process was ended from outside.
    """
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        try:
            return pool.submit(_measure, build, device, torch.get_num_threads()).result()
        except BrokenProcessPool:
            raise RuntimeError(
                f"the process that measured the memory of {name} was killed; perhaps there is too little"
            ) from None


def _measure(build: Build, device: str, threads: int) -> Memory:
    torch.set_num_threads(threads)
    run = build()
    on_gpu = torch.device(device).type == "cuda"
    if on_gpu:
        torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated() if on_gpu else _resident("VmRSS")
    for _ in range(_RUNS):
        run()
    peak = torch.cuda.max_memory_allocated() if on_gpu else _resident("VmHWM")
    return Memory(before / 2**20, peak / 2**20)


def _resident(entry: str) -> int:
    """Bytes of this process now (VmRSS) or at its peak (VmHWM); where there is no /proc, always at its peak."""
    status = Path("/proc/self/status")
    if status.is_file():
        # Not getrusage: its peak counts what the process that started this one held at that time.
        lines = dict(line.split(":", 1) for line in status.read_text().splitlines() if ":" in line)
        return int(lines[entry].split()[0]) * 2**10
    import resource  # not on every system

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 2**10
