"""The operator's backends at the shapes of a network, against other ways to compute it and the machine's limits."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path

import torch
from torch import Tensor
from tqdm import tqdm

from laconvnet.bench import operator_forms
from laconvnet.bench.operator_case import PASSES, REFERENCE, Case, Contender, Shape, backend_contender
from laconvnet.bench.parity import check_parity
from laconvnet.bench.report import Report
from laconvnet.bench.roofline import Limit, operator_limits
from laconvnet.bench.timing import Function, Timing, clock_of, compare, empty_compile_cache, use_threads
from laconvnet.models import named_dtype
from laconvnet.ops import BACKENDS
from laconvnet.plots import Panel, draw_bars
from laconvnet.tables import Row

COLUMNS = (
    *("batch", "stage", "kernel", "dtype", "pass", "contender", "median_ms", "times_faster"),
    *("gflops", "gbytes_per_s", "share_of_matmul", "share_of_copy", "share_of_fma_load", "cold_start_s"),
)


def bench_op(
    shapes: Sequence[Shape],
    *,
    batches: Sequence[int] = (1, 8),
    dtypes: Sequence[str] = ("float32",),
    backends: Sequence[str] | None = None,
    compiled: bool = False,
    device: str = "cpu",
    threads: int | None = None,
    repeats: int = 7,
    progress: bool = False,
) -> Report:
    """Time the operator, forward alone and with backward; every contender but the yardstick must agree first.

    Args:
        shapes: the convolutions, as `stage_shapes` gives them.
        batches: samples together.
        dtypes: "float32", "bfloat16", "float16".
        backends: the operator's, by name, the reference always; all that can run unless given.
        compiled: also time what torch.compile makes of the plain forms, with the seconds of its first call from an
            empty cache.
        device: where to run.
        threads: CPU threads; None leaves PyTorch's.
        repeats: timed rounds.
        progress: show a bar.

    Returns:
        A row per shape, batch, number format, pass and contender.

    Raises:
        ParityError: a contender disagrees with the reference.
        ValueError: an unknown backend or number format.
    """
    if unknown := [name for name in backends or () if name not in BACKENDS]:
        raise ValueError(f"unknown backends {unknown}; allowed: {', '.join(BACKENDS)}")
    where = torch.device(device)
    cases = [(named_dtype(dtype), batch, shape) for dtype in dtypes for batch in batches for shape in shapes]
    rows: list[Row] = []
    notes: list[str] = []
    with use_threads(threads), empty_compile_cache() if compiled else nullcontext():
        limits = operator_limits(where)
        for dtype, batch, shape in tqdm(cases, desc="op", unit="shape", disable=None if progress else True):
            case = Case(shape, batch, dtype, where)
            contenders = _contenders(case, backends, compiled, notes)
            expected = case.expected(PASSES[1])
            for pass_ in PASSES:
                rows += _bench_case(case, pass_, contenders, expected, limits, repeats, notes)
        typical = {limit.name: round(statistics.median(row[limit.name] for row in rows), 1) for limit in limits}
        settings = {"device": device, "repeats": repeats, "limits": typical}
        return Report("op", settings, rows, list(dict.fromkeys(notes)), columns=COLUMNS, draw=partial(_draw, rows=rows))


def _contenders(case: Case, backends: Sequence[str] | None, compiled: bool, notes: list[str]) -> list[Contender]:
    """All that can run; the reference first."""
    found = []
    names = [name for name in BACKENDS if backends is None or name in backends]
    for name in dict.fromkeys([REFERENCE, *names]):
        if reason := BACKENDS[name].why_not(case.x, case.shape.kernel_size):
            notes.append(f"{name} cannot run: {reason}")
        else:
            found.append(backend_contender(name))
    found += [
        Contender("unfold, mul, sum", "comparator", operator_forms.unfold_mul_sum),
        Contender("shifted sums", "comparator", operator_forms.shifted_sums),
    ]
    if compiled:
        torch.compiler.reset()  # each shape is compiled for itself, and Dynamo gives up after a few
        unfold, taps = (
            torch.compile(form, dynamic=False) for form in (operator_forms.unfold_mul_sum, operator_forms.sum_of_taps)
        )
        found += [
            Contender("compiled unfold", "compiled", unfold),
            # The frame is made outside: inlined, every tap would ask whether it is inside the picture.
            Contender("compiled sums", "compiled", lambda x, weight: taps(operator_forms.frame(x, weight), weight)),
        ]
    return [*found, Contender("static depthwise", "yardstick", operator_forms.static_depthwise)]


def _bench_case(
    case: Case,
    pass_: str,
    contenders: Sequence[Contender],
    expected: dict[str, Tensor],
    limits: Sequence[Limit],
    repeats: int,
    notes: list[str],
) -> Iterator[Row]:
    cold_starts: dict[str, float] = {}
    for contender in contenders:
        began = time.perf_counter()
        try:
            results = case.execute(contender, pass_)
        except torch.OutOfMemoryError:
            notes.append(f"{contender.name} has too little memory at {case}, {pass_}")
            torch.cuda.empty_cache()
            continue
        cold_starts[contender.name] = time.perf_counter() - began
        if contender.kind != "yardstick":
            check_parity(contender.name, str(case), results, expected)
    ready = [contender for contender in contenders if contender.name in cold_starts]
    runs: dict[str, Function] = {contender.name: partial(case.execute, contender, pass_) for contender in ready}
    runs |= {limit.name: limit.run for limit in limits}
    times = compare(runs, repeats=repeats, clock=clock_of(case.x.device))
    best = {limit.name: limit.rate(times[limit.name]) for limit in limits}
    for contender in ready:
        cold_start = round(cold_starts[contender.name], 1) if contender.kind == "compiled" else None
        yield {
            "batch": case.batch,
            "stage": case.shape.stage,
            "channels": case.shape.channels,
            "groups": case.shape.groups,
            "kernel": case.shape.kernel_size,
            "side": case.shape.side,
            "dtype": str(case.x.dtype).removeprefix("torch."),
            "pass": pass_,
            "contender": contender.name,
            "kind": contender.kind,
            **times[contender.name].row(),
            **_rates(times[contender.name], times.get(REFERENCE), *case.work(contender, pass_), best),
            "cold_start_s": cold_start,
        }


def _rates(time: Timing, reference: Timing | None, operations: float, size: float, best: dict[str, float]) -> Row:
    gflops, gbytes = 1e-6 * operations / time.median, 1e-6 * size / time.median
    fma_load = best.get("fma_load_gflops")
    return {
        "times_faster": None if reference is None else round(reference.median / time.median, 2),
        "gflops": round(gflops, 2),
        "gbytes_per_s": round(gbytes, 2),
        "share_of_matmul": round(gflops / best["matmul_gflops"], 3),
        "share_of_copy": round(gbytes / best["copy_gbytes"], 3),
        "share_of_fma_load": None if fma_load is None else round(gflops / fma_load, 3),
        **{name: round(rate, 1) for name, rate in best.items()},
    }


def _draw(path: Path, rows: Sequence[Row]) -> None:
    keys = list(dict.fromkeys((row["dtype"], row["batch"], row["pass"]) for row in rows))
    panels = [
        Panel(
            f"{pass_}, batch {batch}, {dtype}",
            "median_ms",
            "ms",
            [
                {**row, "stage, kernel": f"{row['stage']}, {row['kernel']}x{row['kernel']}"}
                for row in rows
                if (row["dtype"], row["batch"], row["pass"]) == (dtype, batch, pass_)
            ],
            spread=("low_ms", "high_ms"),
        )
        for dtype, batch, pass_ in keys
    ]
    draw_bars(path, panels, "stage, kernel")
