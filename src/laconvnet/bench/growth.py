"""How the time of a network grows with pixels, pictures and words."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import chain
from pathlib import Path

from tqdm import tqdm

from laconvnet.bench.load import Load
from laconvnet.bench.operator_case import PASSES, check_backends
from laconvnet.bench.passes import Plan
from laconvnet.bench.report import Report
from laconvnet.bench.timing import compare, use_threads
from laconvnet.plots import Panel, draw_growth
from laconvnet.tables import Row

AXES: Mapping[str, Sequence[int]] = {
    "size": (160, 224, 320, 416, 576, 832),
    "batch": (1, 2, 4, 8, 16, 32, 64),
    "words": (1, 2, 4, 8, 16, 32, 64),
}
"""By name of a load's setting, the values that it takes while the others stay."""

COLUMNS = ("axis", "amount", "contender", "median_ms", "exponent")

TITLES = {"size": "pixels", "batch": "pictures together", "words": "words"}


def bench_growth(plan: Plan, *, axes: Mapping[str, Sequence[int]] | None = None) -> Report:
    """Time a network's forward pass while one thing grows, and fit time = constant * amount ** exponent.

    Args:
        plan: the network and, in its first batch and number format, what stays where it does not grow.
        axes: what grows, and how; `AXES` unless given.

    Returns:
        A row per axis, backend and amount; the exponent belongs to all rows of its axis and backend.

    Raises:
        ParityError: a backend disagrees with the reference.
    """
    load = plan.loads(plan.batches[0])[0]
    rows: list[Row] = []
    with use_threads(plan.threads):
        check_backends(plan.backends, plan.preset, load, PASSES[0])
        for axis, values in tqdm(
            (axes or AXES).items(), desc="growth", unit="axis", disable=None if plan.progress else True
        ):
            loads = [replace(load, **{axis: value}) for value in values]  # type: ignore[arg-type]
            rows += _bench_axis(axis, loads, plan)
        settings = {"preset": plan.preset, "heads": list(plan.heads), "device": load.device, "repeats": plan.repeats}
        return Report("growth", settings, rows, columns=COLUMNS, draw=partial(_draw, rows=rows))


def _bench_axis(axis: str, loads: Sequence[Load], plan: Plan) -> Iterator[Row]:
    grown = [[network.forward_pass(load) for load in loads] for network in plan.networks]
    times = compare({one: one.build() for one in chain.from_iterable(grown)}, repeats=plan.repeats)
    amounts = [load.size**2 if axis == "size" else getattr(load, axis) for load in loads]
    for contenders in grown:
        exponent = fit_exponent(amounts, [times[one].median for one in contenders])
        for amount, one in zip(amounts, contenders, strict=True):
            yield {
                "axis": TITLES[axis],
                "amount": amount,
                "contender": one.name,
                "size": one.load.size,
                "batch": one.load.batch,
                "words": one.load.words,
                "dtype": one.load.dtype,
                **times[one].row(),
                "exponent": round(exponent, 3),
            }


def fit_exponent(amounts: Sequence[float], values: Sequence[float]) -> float:
    """The exponent e of value = constant * amount ** e, by least squares between the logarithms."""
    return statistics.linear_regression(list(map(math.log, amounts)), list(map(math.log, values))).slope


def _draw(path: Path, rows: Sequence[Row]) -> None:
    axes = dict.fromkeys(row["axis"] for row in rows)
    draw_growth(path, [Panel(axis, "median_ms", "ms", [row for row in rows if row["axis"] == axis]) for axis in axes])
