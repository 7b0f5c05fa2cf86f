"""How long and how much memory whole networks need to predict and to learn, and how near the machine's limit is."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from tqdm import tqdm

from laconvnet.bench.load import Load
from laconvnet.bench.memory import measure_memory
from laconvnet.bench.networks import Contender, Network
from laconvnet.bench.operator_case import DEFAULT, PASSES, REFERENCE, check_backends
from laconvnet.bench.report import Report
from laconvnet.bench.resnet import resnet50_contender
from laconvnet.bench.roofline import matmul_limit
from laconvnet.bench.timing import Function, Timing, compare, empty_compile_cache, use_threads
from laconvnet.bench.training_step import training_step
from laconvnet.bench.vilt import vilt_contender
from laconvnet.models import named_dtype
from laconvnet.ops.backends import PLAIN
from laconvnet.plots import Panel, draw_bars
from laconvnet.tables import Row

OTHERS: Mapping[str, Callable[[Load], Contender]] = {"vilt": vilt_contender, "resnet50": resnet50_contender}
"""Networks to set beside this project's, by name."""

COLUMNS = (
    *("batch", "contender", "size", "parameters", "parameters_without_embedding", "gmacs", "median_ms"),
    *("times_faster", "pictures_per_second", "gflops", "share_of_matmul", "matmul_gflops", "first_call_s"),
    *("memory_before_mib", "peak_memory_mib", "share_of_memory"),
)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Which of this project's networks to run, on what, and how often.

    Attributes:
        preset: the network.
        heads: its heads; a training step needs "rec".
        size: side of the square pictures, a multiple of 32.
        batches: pictures together, each with a sentence.
        words: words per sentence.
        vocabulary_size: rows of the word-vector table.
        dtypes: "float32", "bfloat16", "float16".
        backends: of the operator, by name; "default" is its own choice.
        device: where to run.
        threads: CPU threads; None leaves PyTorch's.
        repeats: timed rounds.
        memory: also run each in a fresh process, for the peak of its memory.
        progress: show a bar.
    """

    preset: str
    heads: tuple[str, ...] = ("rec",)
    size: int = 416
    batches: Sequence[int] = (1,)
    words: int = 15
    vocabulary_size: int = 10_000
    dtypes: Sequence[str] = ("float32",)
    backends: Sequence[str] = (DEFAULT,)
    device: str = "cpu"
    threads: int | None = None
    repeats: int = 10
    memory: bool = True
    progress: bool = False

    @property
    def networks(self) -> list[Network]:
        """One for each backend."""
        return [Network(self.preset, self.heads, self.vocabulary_size, backend) for backend in self.backends]

    def loads(self, batch: int) -> list[Load]:
        """One for each number format."""
        return [Load(self.size, batch, self.words, dtype, self.device) for dtype in self.dtypes]


def bench_model(plan: Plan, *, compiled: bool = False, against: Sequence[str] = ()) -> Report:
    """Count, time and weigh a forward pass for predicting, with fresh weights, on backends in turn and beside others.

    Args:
        plan: what to run.
        compiled: also with what `torch.compile` makes of it; the report says how long its first call took.
        against: keys of `OTHERS`.

    Returns:
        A row per batch, number format and contender; "times_faster" and "share_of_memory" are against the reference
        backend or plain PyTorch, or against the first row of the batch if neither is asked for.

    Raises:
        ParityError: a backend disagrees with the reference.
        ValueError: an unknown preset, backend, number format or other network.
        ImportError: ViLT without the extra hf.
    """
    if unknown := [name for name in against if name not in OTHERS]:
        raise ValueError(f"against names {unknown}; allowed: {', '.join(OTHERS)}")

    def contenders(load: Load) -> Iterator[Contender]:
        for network in plan.networks:
            for way in (False, True) if compiled else (False,):
                yield network.forward_pass(load, compiled=way)
        for name in against:
            yield OTHERS[name](load)

    return _bench("model", plan, contenders, PASSES[0])


def bench_train(plan: Plan, *, grad_checkpointing: bool = False, keep_freed_memory: bool = True) -> Report:
    """Time and weigh a training step of REC on backends in turn.

    Args:
        plan: what to run.
        grad_checkpointing: also time each with gradient checkpointing.
        keep_freed_memory: on a CPU, as a run does, keep freed memory in this process from now on.

    Returns:
        As `bench_model`, a row per way to keep activations; arithmetic counts as that of three forward passes.

    Raises:
        ParityError: a backend disagrees with the reference.
        ValueError: an unknown preset, backend or number format.
    """

    def contenders(load: Load) -> Iterator[Contender]:
        for network in plan.networks:
            for way in (False, True) if grad_checkpointing else (False,):
                yield training_step(network, load, checkpoints=way, keeps_memory=keep_freed_memory)

    return _bench("train", plan, contenders, PASSES[1], keep_freed_memory=keep_freed_memory)


def _bench(
    name: str, plan: Plan, contenders: Callable[[Load], Iterable[Contender]], pass_: str, **settings: object
) -> Report:
    rows: list[Row] = []
    with use_threads(plan.threads):
        for batch in tqdm(plan.batches, desc=name, unit="batch", disable=None if plan.progress else True):
            found: dict[str, Contender] = {}
            for load in plan.loads(batch):
                of_load = {_label(one): one for one in contenders(load)}
                check_backends(plan.backends, plan.preset, load, pass_)
                found |= of_load
            rows += _bench_batch(found, plan)
        common = {"preset": plan.preset, "heads": list(plan.heads), "words": plan.words, "device": plan.device}
        settings = {**common, "repeats": plan.repeats, **settings}
        return Report(name, settings, rows, columns=COLUMNS, draw=partial(_draw, rows=rows))


def _label(contender: Contender) -> str:
    dtype = contender.load.dtype
    return contender.name if dtype == "float32" else f"{contender.name} {dtype}"


def _bench_batch(contenders: Mapping[str, Contender], plan: Plan) -> Iterator[Row]:
    memories = {}
    if plan.memory:  # before anything is built here: on a GPU both share the memory
        with empty_compile_cache():
            memories = {name: measure_memory(name, one.build, plan.device) for name, one in contenders.items()}
    runs = {name: one.build() for name, one in contenders.items()}
    first_calls = {name: _first_call(run) for name, run in runs.items()}
    limits = {dtype: matmul_limit(torch.device(plan.device), named_dtype(dtype)) for dtype in plan.dtypes}
    products = {f"matrix product {dtype}": limit.run for dtype, limit in limits.items()}
    times = compare({**runs, **products}, repeats=plan.repeats)
    base = _baseline(contenders)
    for name, one in contenders.items():
        best = limits[one.load.dtype].rate(times[f"matrix product {one.load.dtype}"])
        row = {**_row(name, one, times[name], times[base], best), "first_call_s": round(first_calls[name], 1)}
        if memories:
            row |= memories[name].row()
            row["share_of_memory"] = round(memories[name].peak / memories[base].peak, 3)
        yield row


def _first_call(run: Function) -> float:
    """Seconds, with nothing compiled yet, on the disk or in this process."""
    torch.compiler.reset()
    with empty_compile_cache():
        began = time.perf_counter()
        run()
        return time.perf_counter() - began


def _baseline(contenders: Mapping[str, Contender]) -> str:
    """The name of the contender that others are compared with: the first on unfold and einsum, or the first."""
    unfolding = (name for name, one in contenders.items() if one.backend in (REFERENCE, PLAIN))
    return next(unfolding, next(iter(contenders)))


def _row(name: str, one: Contender, timing: Timing, baseline: Timing, best: float) -> Row:
    load, cost = one.load, one.cost()
    gflops = 2e-6 * cost.macs * one.passes * load.batch / timing.median
    return {
        "batch": load.batch,
        "contender": name,
        "size": load.size,
        "words": load.words,
        "dtype": load.dtype,
        "parameters": cost.parameters,
        "parameters_without_embedding": cost.parameters - cost.embedding_parameters,
        "gmacs": round(cost.macs / 1e9, 4),
        **timing.row(),
        "times_faster": round(baseline.median / timing.median, 2),
        "pictures_per_second": round(1e3 * load.batch / timing.median, 2),
        "gflops": round(gflops, 2),
        "share_of_matmul": round(gflops / best, 3),
        "matmul_gflops": round(best, 1),
    }


def _draw(path: Path, rows: Sequence[Row]) -> None:
    """Draw time and, where it was measured, peak memory of contenders by batch, into a PNG file."""
    panels = [Panel("time", "median_ms", "ms", rows, spread=("low_ms", "high_ms"))]
    if any("peak_memory_mib" in row for row in rows):
        panels.append(Panel("peak memory", "peak_memory_mib", "MiB", rows, log=False))
    draw_bars(path, panels, "batch")
