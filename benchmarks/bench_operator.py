"""The operator's backends against unfold + einsum at the five stage shapes of preset s at 416 pixels.

    python benchmarks/bench_operator.py [--batch 1 8] [--threads 2] [--repeats 7] [--csv FILE]

Each backend must first agree with the reference on the shape, gradients included. The contenders are timed in turn in
one run; a row gives the median and quartiles in milliseconds, and how many times faster than unfold + einsum.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from laconvnet.bench import compare, describe_machine
from laconvnet.ops import BACKENDS, dynamic_conv2d, use_backend

# Stage: channels, groups, kernel_size, side of the map.
STAGES = {1: (16, 4, 3, 208), 2: (64, 4, 7, 104), 3: (128, 8, 7, 52), 4: (256, 8, 7, 26), 5: (512, 16, 7, 13)}


def run(backend: str, x: Tensor, weight: Tensor, grad: Tensor | None) -> list[Tensor]:
    """Forward without, or forward and backward with an incoming gradient."""
    with use_backend(backend):
        if grad is None:
            with torch.inference_mode():
                return [dynamic_conv2d(x, weight)]
        out = dynamic_conv2d(x, weight)
        return [out, *torch.autograd.grad(out, (x, weight), grad)]


def check(x: Tensor, weight: Tensor, grad: Tensor) -> None:
    """Refuse to time what is wrong."""
    expected = run("reference", x, weight, grad)
    for backend in BACKENDS:
        for one, other in zip(run(backend, x, weight, grad), expected, strict=True):
            torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-3, msg=lambda m, b=backend: f"{b}: {m}")


def main() -> None:
    """Time every stage and batch size, print a table, write CSV."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, nargs="+", default=[1, 8])
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--csv", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    print(describe_machine())
    rows: list[dict[str, object]] = []
    for batch in arguments.batch:
        for stage, (channels, groups, kernel_size, side) in STAGES.items():
            x = torch.randn(batch, channels, side, side, requires_grad=True)
            weight = torch.randn(batch, groups, kernel_size**2, side, side, requires_grad=True)
            grad = torch.randn_like(x)
            check(x, weight, grad)
            for what, incoming in (("forward", None), ("forward+backward", grad)):
                contenders: dict[str, Callable[[], object]] = {
                    name: partial(run, name, x, weight, incoming) for name in BACKENDS
                }
                times = compare(contenders, repeats=arguments.repeats)
                for name, timing in times.items():
                    ratio = times["reference"].median / timing.median
                    print(f"batch {batch} stage {stage} {what:17} {name:10} {timing!s:28} {ratio:6.1f}x", flush=True)
                    rows.append(
                        {
                            "batch": batch,
                            "stage": stage,
                            "pass": what,
                            "backend": name,
                            "median_ms": round(timing.median, 4),
                            "low_ms": round(timing.low, 4),
                            "high_ms": round(timing.high, 4),
                            "times_faster": round(ratio, 2),
                        }
                    )
    if arguments.csv:
        with arguments.csv.open("w", newline="") as file:
            writer = csv.DictWriter(file, rows[0])
            writer.writeheader()
            writer.writerows(rows)


if __name__ == "__main__":
    main()
