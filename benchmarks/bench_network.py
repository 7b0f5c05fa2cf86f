"""The whole REC network on each backend of the operator, forward pass, in one run.

    python benchmarks/bench_network.py [--preset s] [--size 416] [--batch 1 8] [--threads 2] [--repeats 5]

The outputs must agree before anything is timed.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial

import torch

from laconvnet import build_model
from laconvnet.bench import compare, describe_machine
from laconvnet.ops import BACKENDS, use_backend


def main() -> None:
    """Time every batch size and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", default="s")
    parser.add_argument("--size", type=int, default=416)
    parser.add_argument("--batch", type=int, nargs="+", default=[1, 8])
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    print(describe_machine())
    torch.manual_seed(0)
    model = build_model(arguments.preset, vocabulary=range(10_000)).eval()
    for batch in arguments.batch:
        images = torch.rand(batch, 3, arguments.size, arguments.size)
        tokens = torch.randint(1, 10_000, (batch, 15))

        def forward(backend: str, images: torch.Tensor = images, tokens: torch.Tensor = tokens) -> torch.Tensor:
            with torch.inference_mode(), use_backend(backend):
                return model(images, tokens)["rec"]

        expected = forward("reference")
        for name in BACKENDS:
            torch.testing.assert_close(forward(name), expected, rtol=1e-3, atol=1e-4)
        contenders: dict[str, Callable[[], object]] = {name: partial(forward, name) for name in BACKENDS}
        times = compare(contenders, repeats=arguments.repeats)
        for name, timing in times.items():
            ratio = times["reference"].median / timing.median
            print(f"batch {batch} {name:10} {timing!s:28} {ratio:5.2f}x", flush=True)


if __name__ == "__main__":
    main()
