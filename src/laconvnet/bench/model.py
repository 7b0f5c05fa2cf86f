"""How long whole networks take, how much memory, and how near to the machine's limit that is."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import torch
from tqdm import tqdm

from laconvnet.bench.machine import empty_compile_cache, use_threads
from laconvnet.bench.memory import measure_memory
from laconvnet.bench.networks import LaConvNetwork, Load, Network
from laconvnet.bench.operator_case import DEFAULT, PASSES, PLAIN, check_backends
from laconvnet.bench.plot import Panel, draw_bars
from laconvnet.bench.report import Report, Row
from laconvnet.bench.resnet import ResNet50
from laconvnet.bench.roofline import Limit, matmul_limit
from laconvnet.bench.timing import Timing, compare
from laconvnet.bench.vilt import Vilt
from laconvnet.models import named_dtype

OTHERS: Mapping[str, Callable[[Load], Network]] = {"vilt": Vilt, "resnet50": ResNet50}
"""Networks to set beside this project's, by name."""

COLUMNS = (
    *("batch", "contender", "size", "parameters", "parameters_without_embedding", "gmacs", "median_ms"),
    *(
        "times_faster",
        "pictures_per_second",
        "gflops",
        "share_of_matmul",
        "matmul_gflops",
        "first_call_s",
        "memory_before_mib",
        "peak_memory_mib",
    ),
)


def bench_model(
    preset: str,
    *,
    tasks: tuple[str, ...] = ("rec",),
    size: int = 416,
    batches: Sequence[int] = (1,),
    words: int = 15,
    vocabulary_size: int = 10_000,
    dtypes: Sequence[str] = ("float32",),
    backends: Sequence[str] = (DEFAULT,),
    compiled: bool = False,
    against: Sequence[str] = (),
    device: str = "cpu",
    threads: int | None = None,
    repeats: int = 10,
    memory: bool = True,
    progress: bool = False,
) -> Report:
    """Count, time and weigh a network's forward pass, with fresh weights, on backends in turn and beside others.

    Args:
        preset: the network.
        tasks: its heads.
        size: side of the square pictures, a multiple of 32.
        batches: pictures together.
        words: words per sentence.
        vocabulary_size: rows of the word-vector table.
        dtypes: "float32", "bfloat16", "float16".
        backends: of the operator, by name; "default" is its own choice.
        compiled: also with what `torch.compile` makes of it; the report says how long its first call took.
        against: keys of `OTHERS`.
        device: where to run.
        threads: CPU threads; None leaves PyTorch's.
        repeats: timed rounds.
        memory: also run each in a fresh process, for the peak of its memory.
        progress: show a bar.

    Returns:
        A row per batch, number format and contender; "times_faster" is against the reference backend, or against
        the first row of the batch if that is not asked for.

    Raises:
        ParityError: a backend disagrees with the reference.
        ValueError: an unknown preset, backend, number format or other network.
        ImportError: ViLT without the extra hf.
    """
    if unknown := [name for name in against if name not in OTHERS]:
        raise ValueError(f"against names {unknown}; allowed: {', '.join(OTHERS)}")
    rows: list[Row] = []
    with use_threads(threads):
        limits = {dtype: matmul_limit(torch.device(device), named_dtype(dtype)) for dtype in dict.fromkeys(dtypes)}
        for batch in tqdm(batches, desc="model", unit="batch", disable=None if progress else True):
            contenders: dict[str, Network] = {}
            for dtype in dtypes:
                load = Load(size, batch, words, dtype, device)
                own = [
                    LaConvNetwork(preset, load, tasks, vocabulary_size, backend, is_compiled)
                    for backend in backends
                    for is_compiled in ((False, True) if compiled else (False,))
                ]
                check_backends(backends, preset, size=size, batch=batch, dtype=dtype, device=device, pass_=PASSES[0])
                for network in [*own, *(OTHERS[name](load) for name in against)]:
                    contenders[network.name if dtype == "float32" else f"{network.name} {dtype}"] = network
            rows += _bench_batch(contenders, limits, repeats, memory)
        settings = {
            "preset": preset,
            "tasks": list(tasks),
            "words": words,
            "device": device,
            "repeats": repeats,
        }
        return Report("model", settings, rows, columns=COLUMNS, draw=partial(draw_rows, rows=rows))


def _bench_batch(
    contenders: Mapping[str, Network], limits: Mapping[str, Limit], repeats: int, memory: bool
) -> list[Row]:
    # Before anything is built here: on a GPU both share the memory.
    with empty_compile_cache():
        peaks = {name: measure_memory(network).row() if memory else {} for name, network in contenders.items()}
    runs = {name: network.build() for name, network in contenders.items()}
    first_calls = {name: _first_call(run) for name, run in runs.items()}
    products = {f"matrix product {dtype}": limit.run for dtype, limit in limits.items()}
    times = compare({**runs, **products}, repeats=repeats)
    best = {dtype: limit.rate(times[f"matrix product {dtype}"]) for dtype, limit in limits.items()}
    baseline = times[baseline_of(contenders)]
    return [
        {
            **_row(name, network, times[name], baseline, best[network.load.dtype]),
            "first_call_s": round(first_calls[name], 1),
            **peaks[name],
        }
        for name, network in contenders.items()
    ]


def _first_call(run: Callable[[], object]) -> float:
    """Seconds, with nothing compiled yet, on the disk or in this process."""
    torch.compiler.reset()
    with empty_compile_cache():
        began = time.perf_counter()
        run()
        return time.perf_counter() - began


def baseline_of(contenders: Mapping[str, object]) -> str:
    """The name of the contender that others are compared with: the first on unfold and einsum, or the first."""
    references = (name for name, one in contenders.items() if getattr(one, "backend", None) in ("reference", PLAIN))
    return next(references, next(iter(contenders)))


def _row(name: str, network: Network, timing: Timing, baseline: Timing, best: float) -> Row:
    load, cost = network.load, network.cost()
    gflops = 2e-6 * cost.macs * load.batch / timing.median
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


def draw_rows(path: Path, rows: Sequence[Row]) -> None:
    """Draw time and, where it was measured, peak memory of contenders by batch, into a PNG file."""
    panels = [Panel("time", "median_ms", "ms", rows)]
    if any("peak_memory_mib" in row for row in rows):
        panels.append(Panel("peak memory", "peak_memory_mib", "MiB", rows, log=False))
    draw_bars(path, panels, "batch")
