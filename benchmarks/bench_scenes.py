"""Scenes of the embedded world a second: made, described, drawn, and loaded as batches.

    python benchmarks/bench_scenes.py [--size 224] [--scenes 64] [--repeats 5] [--out FOLDER]

All rows come from one run. A scene is drawn with soft shadows, reflections and smooth edges. "two cores" runs the same
work in two processes with one thread each, and counts both. With a GPU, its batches are timed too.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import cache, partial
from pathlib import Path

import numpy as np
import torch

from laconvnet.bench.report import Report
from laconvnet.bench.timing import Timing, compare
from laconvnet.data import Collator, ImageBatchSampler, SceneDataset, SceneLoader, build_loader
from laconvnet.data.loader import start_worker, worker_context
from laconvnet.scenes import FAMILIES, KINDS, Scene, SceneSource, World, ask, refer, render

SOURCE = SceneSource(seed=1, sentences={"rec": 4})
WORKERS = max(1, (os.cpu_count() or 1) - 1)
SENTENCES = 10  # of a scene, where sentences alone are timed


def make(numbers: range) -> list[Scene]:
    """Make scenes."""
    return [World().scene(np.random.default_rng([1, number])) for number in numbers]


made = cache(make)
"""Scenes that are there already."""


def draw(numbers: range, size: int, device: str = "cpu") -> None:
    """Draw scenes that are there already."""
    render(made(numbers), size, device=device)


def say(numbers: range, what: Callable[..., object]) -> None:
    """Say ten things about each scene."""
    for number, scene in zip(numbers, made(numbers), strict=True):
        rng = np.random.default_rng(number)
        for _ in range(SENTENCES):
            what(scene, rng)


def encode(text: str) -> list[int]:
    """Stand-in for a vocabulary."""
    return [1] * len(text.split())


def load(numbers: range, size: int) -> None:
    """Make, describe, draw and batch."""
    data = SceneDataset(SOURCE, "train", len(numbers), size=size)
    for _ in build_loader(data, ImageBatchSampler(data, 32), Collator(encode)):
        pass


def load_on_gpu(numbers: range, size: int) -> None:
    """Make and describe in workers, draw and batch on the GPU."""
    data = SceneDataset(SOURCE, "train", len(numbers), size=size)
    for _ in SceneLoader(data, ImageBatchSampler(data, 256), encode, WORKERS, device="cuda"):
        pass


def on_both(pool: ProcessPoolExecutor, work: Callable[[range], None], numbers: range) -> None:
    """The same work in two processes."""
    for result in [pool.submit(work, numbers) for _ in range(2)]:
        result.result()


def everything(pool: ProcessPoolExecutor, count: int, size: int) -> dict[str, tuple[int, Callable[[], object]]]:
    """What is timed, by name: how many of it, and a function that does it."""
    numbers = range(count)
    work: dict[str, tuple[int, Callable[[], object]]] = {
        "scenes made, one core": (count, partial(make, numbers)),
        f"scenes drawn at {size}, one core": (count, partial(draw, numbers, size)),
        f"scenes drawn at {size}, two cores": (2 * count, partial(on_both, pool, partial(draw, size=size), numbers)),
        f"scenes made, described, drawn at {size} and batched, one core": (count, partial(load, numbers, size)),
    }
    for name, what in {
        "questions": partial(ask, families=FAMILIES),
        "expressions for one target": partial(refer, kinds=KINDS, targets="one"),
        "expressions for any number": partial(refer, kinds=KINDS, targets="any"),
    }.items():
        work[f"{name}, one core"] = (SENTENCES * count, partial(say, numbers, what))
    if torch.cuda.is_available():
        work[f"scenes drawn at {size}, GPU"] = (count, partial(draw, numbers, size, "cuda"))
        batched = partial(load_on_gpu, range(16 * count), size)
        work[f"scenes made, described and drawn on the GPU, {WORKERS} workers"] = (16 * count, batched)
    return work


def row(name: str, amount: int, timing: Timing) -> dict[str, object]:
    """How many a second, with quartiles."""
    times = {"per_second": timing.median, "low": timing.high, "high": timing.low}
    return {"what": name, **{column: round(1e3 * amount / value, 1) for column, value in times.items()}}


def main() -> None:
    """Time everything in turn, print a table, write files."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--scenes", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--out", type=Path, help="folder for a CSV and a JSON file")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    with ProcessPoolExecutor(2, mp_context=worker_context(), initializer=start_worker, initargs=(0,)) as pool:
        work = everything(pool, arguments.scenes, arguments.size)
        times = compare({name: function for name, (_, function) in work.items()}, repeats=arguments.repeats)
    settings = {"size": arguments.size, "scenes": arguments.scenes, "repeats": arguments.repeats}
    report = Report("scenes", settings, [row(name, amount, times[name]) for name, (amount, _) in work.items()])
    print(report)
    if arguments.out is not None:
        report.save(arguments.out)


if __name__ == "__main__":
    main()
