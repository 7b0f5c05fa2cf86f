"""What this machine can do at best: arithmetic and memory, timed in turn with what is held against it."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from laconvnet.bench.timing import Function, Timing
from laconvnet.ops.native import library


@dataclass(frozen=True)
class Limit:
    """Something that a machine does as fast as it can.

    Attributes:
        name: of its rate in a report, such as "matmul_gflops".
        run: does it once.
        amount: floating-point operations or bytes of one run.
    """

    name: str
    run: Function
    amount: float

    def rate(self, timing: Timing) -> float:
        """Billions of operations or bytes a second."""
        return 1e-6 * self.amount / timing.median


def operator_limits(device: torch.device) -> list[Limit]:
    """What bounds the operator: arithmetic in float32, in which it adds up, and memory."""
    limits = [matmul_limit(device, torch.float32), copy_limit(device), fma_load_limit(device)]
    return [limit for limit in limits if limit is not None]


def matmul_limit(device: torch.device, dtype: torch.dtype, side: int | None = None) -> Limit:
    """A product of square matrices; their side is 1024 on a CPU and 8192 on a GPU unless given."""
    side = side or (1024 if device.type == "cpu" else 8192)
    left, right = (torch.randn(side, side, device=device, dtype=dtype) for _ in range(2))
    out = torch.empty_like(left)
    return Limit("matmul_gflops", lambda: torch.mm(left, right, out=out), 2 * side**3)


def copy_limit(device: torch.device, mib: int | None = None) -> Limit:
    """A copy, bytes read and written; of 64 MiB on a CPU and 512 MiB on a GPU unless given, more than caches hold."""
    mib = mib or (64 if device.type == "cpu" else 512)
    source = torch.ones(mib * 2**18, device=device)
    target = torch.empty_like(source)
    return Limit("copy_gbytes", lambda: target.copy_(source), 2 * source.nbytes)


def fma_load_limit(device: torch.device, rounds: int = 400_000) -> Limit | None:
    """Multiply-adds that each load one operand from the first-level cache, on all threads; None without the library.

    What a convolution that reads its picture anew for every tap cannot pass.
    """
    if device.type != "cpu" or isinstance(library.load(), str):
        return None
    threads = torch.get_num_threads()
    amount = library.multiply_add_loads(threads, rounds)
    return Limit("fma_load_gflops", lambda: library.multiply_add_loads(threads, rounds), amount)
