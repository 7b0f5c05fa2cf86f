"""Where the time of a forward pass goes, by PyTorch operator.

    python benchmarks/profile_network.py [--preset s] [--size 416] [--batch 1] [--dtype float32] [--device cpu]

On a GPU the table is by time on the GPU; ``--trace FILE`` keeps the whole run for a trace viewer.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from torch.profiler import ProfilerActivity, profile

from laconvnet.bench.load import Load
from laconvnet.bench.networks import Network
from laconvnet.doctor import describe_machine


def main() -> None:
    """Warm up, record five passes, print the operators by their own time."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", default="s")
    parser.add_argument("--size", type=int, default=416)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--rows", type=int, default=20)
    parser.add_argument("--trace", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    print(describe_machine())
    load = Load(arguments.size, arguments.batch, dtype=arguments.dtype, device=arguments.device)
    forward = Network(arguments.preset).forward_pass(load).build()
    forward()
    on_gpu = torch.device(arguments.device).type == "cuda"
    activities = [ProfilerActivity.CPU] + ([ProfilerActivity.CUDA] if on_gpu else [])
    with profile(activities=activities) as recorded:
        for _ in range(5):
            forward()
    by = "self_cuda_time_total" if on_gpu else "self_cpu_time_total"
    print(recorded.key_averages().table(sort_by=by, row_limit=arguments.rows, max_name_column_width=48))
    if arguments.trace:
        recorded.export_chrome_trace(str(arguments.trace))


if __name__ == "__main__":
    main()
