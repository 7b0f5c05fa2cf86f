"""Pictures of numbers, as PNG files: the one module that needs matplotlib, of the extra plots."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from laconvnet.tables import Row, number

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLORS = ["#4269d0", "#efb118", "#ff725c", "#6cc5b0", "#3ca951", "#ff8ab7", "#a463f2", "#97bbf5", "#9c6b4e", "#9498a0"]
_DPI = 110


@dataclass(frozen=True)
class Panel:
    """One diagram of a picture.

    Attributes:
        title: above it.
        value: the column along its y axis.
        unit: what that is, in words.
        rows: its measurements.
        log: whether the y axis is logarithmic; otherwise it starts at 0.
        spread: the columns of the lower and the upper end of a value, which `draw_bars` shows.
    """

    title: str
    value: str
    unit: str
    rows: Sequence[Row]
    log: bool = True
    spread: tuple[str, str] | None = None


def require_plots() -> None:
    """Check that pictures can be drawn, before minutes are spent on their numbers.

    Raises:
        ImportError: the extra plots is not installed.
    """
    _new_figure(1, 1)


def _new_figure(width: float, height: float) -> Figure:
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError(
            "pictures of numbers need the extra plots: pip install 'laconvnet[plots]'; or ask for none"
        ) from error
    return Figure(figsize=(width, height), dpi=_DPI, layout="constrained")


def draw_bars(path: Path, panels: Sequence[Panel], group: str) -> None:
    """Draw the values of contenders side by side, with their spread.

    Args:
        path: PNG file to write.
        panels: diagrams, one below the other; a row names its "contender".
        group: the column whose values stand along the x axis.
    """
    names = list(dict.fromkeys(row["contender"] for panel in panels for row in panel.rows))
    colors = {name: _COLORS[index % len(_COLORS)] for index, name in enumerate(names)}
    figure = _new_figure(11, 0.6 + 2.9 * len(panels))
    for panel, axes in zip(panels, figure.subplots(len(panels), squeeze=False)[:, 0], strict=True):
        groups = list(dict.fromkeys(str(row[group]) for row in panel.rows))
        width = 0.8 / len(names)
        for row in panel.rows:
            value = row.get(panel.value)
            if value is None:
                continue
            place = groups.index(str(row[group])) + width * (names.index(row["contender"]) - (len(names) - 1) / 2)
            spread = None
            if panel.spread is not None:
                low, high = panel.spread
                spread = [[value - row[low]], [row[high] - value]]
            axes.bar(place, value, width, yerr=spread, color=colors[row["contender"]], error_kw={"linewidth": 0.8})
            axes.annotate(
                number(value),
                (place, value),
                (0, 2),
                textcoords="offset points",
                ha="center",
                va="bottom",
                fontsize=6,
            )
        axes.set_xticks(range(len(groups)), groups)
        _label(axes, panel, group.replace("_", " "))
    from matplotlib.patches import Patch

    handles = [Patch(color=colors[name], label=name) for name in names]
    figure.legend(handles=handles, loc="outside upper center", ncols=min(len(names), 5), frameon=False, fontsize=8)
    figure.savefig(path, format="png")


def draw_growth(path: Path, panels: Sequence[Panel]) -> None:
    """Draw how a value grows, both scales logarithmic, with the fitted power of each contender.

    Args:
        path: PNG file to write.
        panels: diagrams side by side; a row has "amount", "contender" and the "exponent" of its line.
    """
    figure = _new_figure(4 * len(panels), 3.6)
    for panel, axes in zip(panels, figure.subplots(1, len(panels), squeeze=False)[0], strict=True):
        for index, name in enumerate(dict.fromkeys(row["contender"] for row in panel.rows)):
            rows = [row for row in panel.rows if row["contender"] == name]
            amounts, values = [row["amount"] for row in rows], [row[panel.value] for row in rows]
            exponent = rows[0]["exponent"]
            middle, height = (math.exp(sum(map(math.log, numbers)) / len(numbers)) for numbers in (amounts, values))
            color = _COLORS[index % len(_COLORS)]
            axes.plot(amounts, values, "o", color=color, label=f"{name}: exponent {exponent:.2f}")
            axes.plot(amounts, [height * (amount / middle) ** exponent for amount in amounts], "-", color=color)
        axes.set_xscale("log")
        _label(axes, panel, panel.title)
        amounts = sorted({row["amount"] for row in panel.rows})
        axes.set_xticks(amounts, [f"{amount:,}" for amount in amounts], rotation=30, ha="right")
        values = [row[panel.value] for row in panel.rows]
        low, high = min(values), max(values)
        margin = max(1.3, math.sqrt(4 * low / high))  # what hardly grows is to look so
        axes.set_ylim(low / margin, high * margin)
        for axis in axes.xaxis, axes.yaxis:
            axis.set_minor_formatter("")
        axes.yaxis.set_major_formatter("{x:,g}")
        axes.legend(frameon=False, fontsize=8)
    figure.savefig(path, format="png")


def _label(axes: Axes, panel: Panel, below: str) -> None:
    if panel.log:
        axes.set_yscale("log")
    axes.set_title(panel.title, fontsize=9)
    axes.set_xlabel(below, fontsize=8)
    axes.set_ylabel(panel.unit, fontsize=8)
    axes.tick_params(which="both", labelsize=8)
    axes.grid(axis="y", alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
