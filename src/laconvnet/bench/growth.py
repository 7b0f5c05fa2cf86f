"""How the time of a network grows with pixels, pictures and words."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from tqdm import tqdm

from laconvnet.bench.machine import use_threads
from laconvnet.bench.networks import LaConvNetwork, Load
from laconvnet.bench.operator_case import DEFAULT, PASSES, check_backends
from laconvnet.bench.plot import Panel, draw_growth
from laconvnet.bench.report import Report, Row
from laconvnet.bench.timing import compare

AXES: Mapping[str, Sequence[int]] = {
    "size": (160, 224, 320, 416, 576, 832),
    "batch": (1, 2, 4, 8, 16, 32, 64),
    "words": (1, 2, 4, 8, 16, 32, 64),
}
"""By name of a load's setting, the values that it takes while the others stay."""

COLUMNS = ("axis", "amount", "contender", "median_ms", "exponent")

TITLES = {"size": "pixels", "batch": "pictures together", "words": "words"}


def bench_growth(
    preset: str,
    *,
    tasks: tuple[str, ...] = ("rec",),
    load: Load | None = None,
    vocabulary_size: int = 10_000,
    backends: Sequence[str] = (DEFAULT,),
    axes: Mapping[str, Sequence[int]] | None = None,
    threads: int | None = None,
    repeats: int = 5,
    progress: bool = False,
) -> Report:
    """Time a network's forward pass while one thing grows, and fit time = constant * amount ** exponent.

    Args:
        preset: the network.
        tasks: its heads.
        load: what stays where it does not grow; that of `Load` unless given.
        vocabulary_size: rows of the word-vector table.
        backends: of the operator, by name; "default" is its own choice.
        axes: what grows, and how; `AXES` unless given.
        threads: CPU threads; None leaves PyTorch's.
        repeats: timed rounds.
        progress: show a bar.

    Returns:
        A row per axis, backend and amount; the exponent belongs to all rows of its axis and backend.

    Raises:
        ParityError: a backend disagrees with the reference.
    """
    load = load or Load()
    networks = [LaConvNetwork(preset, load, tasks, vocabulary_size, backend) for backend in backends]
    rows: list[Row] = []
    with use_threads(threads):
        check_backends(
            backends,
            preset,
            size=load.size,
            batch=load.batch,
            dtype=load.dtype,
            device=load.device,
            pass_=PASSES[0],
        )
        for axis, values in tqdm(
            (axes or AXES).items(), desc="growth", unit="axis", disable=None if progress else True
        ):
            rows += _bench_axis(axis, values, networks, repeats)
        settings = {"preset": preset, "tasks": list(tasks), "device": load.device, "repeats": repeats}
        return Report("growth", settings, rows, columns=COLUMNS, draw=partial(_draw, rows=rows))


def _bench_axis(axis: str, values: Sequence[int], networks: Sequence[LaConvNetwork], repeats: int) -> list[Row]:
    changes: list[dict[str, Any]] = [{axis: value} for value in values]
    grown = {
        f"{network.name} {change}": replace(network, load=replace(network.load, **change))
        for network in networks
        for change in changes
    }
    runs: dict[str, Callable[[], object]] = {name: network.build() for name, network in grown.items()}
    times = compare(runs, repeats=repeats)
    rows: list[Row] = [
        {
            "axis": TITLES[axis],
            "amount": network.load.size**2 if axis == "size" else getattr(network.load, axis),
            "contender": network.name,
            "size": network.load.size,
            "batch": network.load.batch,
            "words": network.load.words,
            "dtype": network.load.dtype,
            **times[name].row(),
        }
        for name, network in grown.items()
    ]
    for contender in {row["contender"] for row in rows}:
        own = [row for row in rows if row["contender"] == contender]
        exponent = fit_exponent([row["amount"] for row in own], [row["median_ms"] for row in own])
        for row in own:
            row["exponent"] = round(exponent, 3)
    return rows


def fit_exponent(amounts: Sequence[float], values: Sequence[float]) -> float:
    """The exponent e of value = constant * amount ** e, by least squares between the logarithms."""
    return statistics.linear_regression(list(map(math.log, amounts)), list(map(math.log, values))).slope


def _draw(path: Path, rows: Sequence[Row]) -> None:
    axes = dict.fromkeys(row["axis"] for row in rows)
    draw_growth(path, [Panel(axis, "median_ms", "ms", [row for row in rows if row["axis"] == axis]) for axis in axes])
