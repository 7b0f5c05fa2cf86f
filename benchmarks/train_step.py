"""How long a whole training step takes on a CPU, against other checkouts of this repository, and where its time goes.

    python benchmarks/train_step.py [--against ../other/src] [--preset t] [--size 128] [--batch 24] [--dtype bfloat16]
    python benchmarks/train_step.py --preset s --size 416 --batch 8 --dtype float32 --tasks rec
    python benchmarks/train_step.py --profile

A step is forward, loss, backward, clipping, AdamW and the running average, of the four tasks of
`configs/recipes/scenes_t/7_same.yaml` on made-up pictures, or of pointing alone (``--tasks rec``). Each checkout runs
its own copy of this script in a process of its own, all take turns, and process time counts, which other programs of a
shared machine disturb less than the clock on the wall.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile

HERE = Path(__file__).resolve().parent.parent / "src"
TASKS: dict[str, dict[str, Any]] = {
    "rec": {"assignment": "nearest", "l1_weight": 1.0, "weight": 0.5},
    "res": {"dice_weight": 1.0},
    "gres": {"dice_weight": 1.0, "no_target": "classifier", "no_target_pos_weight": 5.0, "attention_weight": 0.1},
    "vqa": {"mask_weight": 0.5, "attention_weight": 0.3, "weight": 3.0, "answers": [f"answer {n}" for n in range(30)]},
}
MODEL: dict[str, Any] = {
    "backbone": {"kernel_dropout": 0.0, "block": {"attention_dropout": 0.0}},
    "language": {"dropout": 0.0, "num_layers": 0},
    "head": {"answer_stride": 8, "answer_hypercolumn": True},
}
ANSWERS = TASKS["vqa"]["answers"]
WORDS = 12


def build_step(arguments: argparse.Namespace) -> Callable[[], float]:
    """Fresh weights, optimizer and batch; the function is one step and returns the loss."""
    from laconvnet import build_model
    from laconvnet.data import to_device
    from laconvnet.tasks import build_tasks, together
    from laconvnet.training import ExponentialMovingAverage, OptimizerConfig
    from laconvnet.training.memory import keep_freed_memory
    from laconvnet.training.optimizer import build_optimizer

    keep_freed_memory()
    torch.manual_seed(0)
    several, batch, size = arguments.tasks == "four", arguments.batch, arguments.size
    options = {name: dict(values) for name, values in TASKS.items()} if several else {"rec": {}}
    task = together(build_tasks(options))
    settings: dict[str, Any] = {**MODEL, "num_answers": len(ANSWERS)} if several else {}
    network = build_model(arguments.preset, task.heads, vocabulary=range(1000), **settings)
    network.set_grad_checkpointing(arguments.grad_checkpointing)
    if not several:
        network.text.embedding.requires_grad_(False)
    optimizer = build_optimizer(network, OptimizerConfig(name="adamw", lr=6e-4, weight_decay=0.01, eps=1e-8))
    average = ExponentialMovingAverage(network, 0.998)
    trainable = [parameter for parameter in network.parameters() if parameter.requires_grad]
    corners = (torch.rand(batch, 2, 2).sort(1).values * size).flatten(1)
    where = torch.arange(size)
    columns = (where >= corners[:, :1]) & (where <= corners[:, 2:3])
    rows = (where >= corners[:, 1:2]) & (where <= corners[:, 3:])
    raw = {
        "images": torch.randint(0, 256, (batch, 3, size, size), dtype=torch.uint8),
        "tokens": torch.randint(1, 1000, (batch, WORDS)),
        "target_boxes": corners,
        "target_masks": rows[:, :, None] & columns[:, None],
        "answer": [ANSWERS[row % len(ANSWERS)] for row in range(batch)],
        "tasks": [(("rec", "res"), ("gres",), ("vqa",))[row % 3] for row in range(batch)],
        "ids": [str(row) for row in range(batch)],
    }

    def step() -> float:
        given = to_device(raw, torch.device("cpu"))
        with torch.autocast("cpu", torch.bfloat16, enabled=arguments.dtype == "bfloat16"):
            outputs = network(given["images"], given["tokens"])
        loss = task.loss({name: value.float() for name, value in outputs.items()}, given)["loss"]
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(trainable, 5.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        average.update()
        return float(loss.detach())

    return step


def serve(arguments: argparse.Namespace) -> None:
    """For every line of standard input one step; answer with its seconds, its loss and the memory at most so far."""
    torch.set_num_threads(arguments.threads)
    step = build_step(arguments)
    for _ in sys.stdin:
        process, wall = time.process_time(), time.perf_counter()
        loss = step()
        row = {"process": time.process_time() - process, "wall": time.perf_counter() - wall, "loss": loss}
        row["peak_mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps(row), flush=True)


def race(arguments: argparse.Namespace) -> None:
    """Steps of every checkout in turn, then a table."""
    sources = [HERE, *arguments.against]
    with contextlib.ExitStack() as stack:
        runners = []
        for source in sources:
            script = source.resolve().parent / "benchmarks" / Path(__file__).name
            command = [sys.executable, str(script), "--serve", *sys.argv[1:]]
            environment = {**os.environ, "PYTHONPATH": str(source.resolve())}
            pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
            runners.append(stack.enter_context(subprocess.Popen(command, env=environment, **pipes)))

        def ask(runner: subprocess.Popen[str]) -> dict[str, float]:
            runner.stdin.write("step\n")
            runner.stdin.flush()
            return json.loads(runner.stdout.readline())

        for runner in runners:
            for _ in range(arguments.warmup):
                ask(runner)
        rounds = [[ask(runner) for runner in runners] for _ in range(arguments.repeats)]
        for runner in runners:
            runner.stdin.close()
    for kind in ("process", "wall"):
        for index, source in enumerate(sources):
            times = [one[index][kind] for one in rounds]
            low, median, high = statistics.quantiles(times, n=4, method="inclusive")
            ratios = [one[index][kind] / one[0][kind] for one in rounds]
            first, middle, third = statistics.quantiles(ratios, n=4, method="inclusive")
            print(
                f"{kind:8} {1e3 * median:7.0f} ms [{1e3 * low:.0f}, {1e3 * high:.0f}]"
                f"  x{middle:.3f} [{first:.3f}, {third:.3f}]  {arguments.batch / median:6.1f} sentences/s"
                f"  peak {rounds[-1][index]['peak_mib']:.0f} MiB  loss {rounds[-1][index]['loss']:.4f}  {source}"
            )


def record(arguments: argparse.Namespace) -> None:
    """PyTorch's operators by their own time."""
    torch.set_num_threads(arguments.threads)
    step = build_step(arguments)
    for _ in range(arguments.warmup):
        step()
    with profile(activities=[ProfilerActivity.CPU], record_shapes=arguments.shapes) as recorded:
        for _ in range(3):
            step()
    averages = recorded.key_averages(group_by_input_shape=arguments.shapes)
    print(averages.table(sort_by="self_cpu_time_total", row_limit=arguments.rows, max_name_column_width=60))


def main() -> None:
    """Race or profile."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", default="t")
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--batch", type=int, default=24)
    parser.add_argument("--dtype", choices=["bfloat16", "float32"], default="bfloat16")
    parser.add_argument("--tasks", choices=["four", "rec"], default="four")
    parser.add_argument("--grad-checkpointing", action="store_true")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--warmup", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--against", type=Path, action="append", default=[], help="src/ of another checkout, built")
    parser.add_argument("--profile", action="store_true", help="a table of operators")
    parser.add_argument("--shapes", action="store_true", help="one row for each shape")
    parser.add_argument("--rows", type=int, default=30)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    (serve if arguments.serve else record if arguments.profile else race)(arguments)


if __name__ == "__main__":
    main()
