"""The result of scoring a checkpoint as a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from laconvnet.tables import percent, text, with_interval


def result_table(result: Mapping[str, Any]) -> str:
    """Return the result of `score_checkpoint` for a terminal: the headline of all records and by group, and remarks."""
    headline = result["headline"]
    rows = [_row("all", result, headline)]
    rows += [_row(name, part, headline) for name, part in result["groups"].items()]
    for name, values in result.get("blind", {}).items():
        rows.append({"": f"blind: {name}", **{each: percent(values.get(each)) for each in headline}})
    lines = [f"{result['task']} of {result['model']} on {result['data']}, split {result['split']}", "", text(rows)]
    lines += [f"{what}: {count:,}" for what, count in result["remarks"].items()]
    return "\n".join(lines)


def _row(name: str, part: Mapping[str, Any], headline: Sequence[str]) -> dict[str, Any]:
    values = {each: with_interval(part["metrics"][each], part["intervals"][each]) for each in headline}
    return {"": name, "sentences": part["n"], **values}
