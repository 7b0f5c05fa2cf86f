"""Results as Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from laconvnet.files import replace_file
from laconvnet.tasks import find_task

_BEGIN, _END = "<!-- tools/score_release.py: begin -->", "<!-- end -->"


def percent(value: float | None) -> str:
    """A share as "12.3 %"; a dash where there is none, or NaN."""
    return "–" if value is None or value != value else f"{100 * value:.1f} %"


def with_interval(value: float | None, ends: Sequence[float | None]) -> str:
    """A share with its interval, as "12.3 % [11.0, 13.5]"; a dash where there is none, or NaN."""
    if value is None or value != value:
        return percent(value)
    return f"{percent(value)} [{', '.join(percent(end).removesuffix(' %') for end in ends)}]"


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def overview(tasks: Mapping[str, Mapping[str, Any]]) -> str:
    """Every task in a row: its main value with its interval, beside the best blind baseline and shuffled sentences."""
    rows = []
    for task, result in tasks.items():
        main, *also = find_task(task).headline
        best = max(result["blind"], key=lambda name: result["blind"][name][main])
        rows.append(
            [
                f"`{task}`, {main}",
                f"{result['n']:,} / {result['pictures']}",
                f"{percent(result['blind'][best][main])} ({best})",
                f"**{with_interval(result['metrics'][main], result['intervals'][main])}**",
                percent(result["shuffled"][main]),
                ", ".join(f"{name} {percent(result['metrics'][name])}" for name in also),
            ]
        )
    header = ["", "sentences / pictures", "best blind baseline", "network", "its sentences shuffled", "also"]
    return table(header, rows)


def parts(tasks: Mapping[str, Mapping[str, Any]], by: str) -> str:
    """The main values of tasks in parts that are told apart by the same thing: a row per part."""
    labels = list(dict.fromkeys(label for result in tasks.values() for label in result["by"][by]))
    rows = []
    for label in labels:
        found = [result["by"][by].get(label) for result in tasks.values()]
        cells = [
            "–" if part is None else _with_count(part, find_task(task).headline[0])
            for task, part in zip(tasks, found, strict=True)
        ]
        rows.append([label.replace("_", " "), *cells])
    return table([by, *(f"`{task}`, {find_task(task).headline[0]}" for task in tasks)], rows)


def _with_count(part: Mapping[str, Any], name: str) -> str:
    return f"{with_interval(part['metrics'][name], part['intervals'][name])} of {part['n']:,}"


def put_between_markers(path: Path, text: str) -> None:
    """Put a text into a Markdown file, in the place of what stands between its markers.

    Args:
        path: a file with a line `<!-- tools/score_release.py: begin -->` and, after it, a line `<!-- end -->`.
        text: what shall stand there.

    Raises:
        ValueError: the markers are not there, once each and in this order.
    """
    before, after = around_markers(path)
    content = f"{before}\n{text.strip()}\n\n{after}"
    replace_file(path, lambda partial: partial.write_text(content, encoding="utf-8"))


def around_markers(path: Path) -> tuple[str, str]:
    """What stands in a Markdown file up to its first marker and from its second one on, both with the marker.

    Raises:
        ValueError: the markers are not there, once each and in this order.
    """
    before, begin, rest = path.read_text(encoding="utf-8").partition(_BEGIN + "\n")
    _, end, after = rest.partition(_END)
    if not begin or not end or _BEGIN in rest or _END in after:
        raise ValueError(f"{path} needs the line {_BEGIN} and after it the line {_END}, each once")
    return before + begin, end + after


def result_table(result: Mapping[str, Any]) -> str:
    """What `score_checkpoint` returned, for a terminal: the headline of all records and of each group, and remarks."""
    rows = [_result_row("all", result, result["headline"])]
    rows += [_result_row(name, part, result["headline"]) for name, part in result["groups"].items()]
    for name, values in result.get("blind", {}).items():
        rows.append({"": f"blind: {name}", **{each: percent(values.get(each)) for each in result["headline"]}})
    lines = [f"{result['task']} of {result['model']} on {result['data']}, split {result['split']}", "", text(rows)]
    lines += [f"{what}: {count:,}" for what, count in result["remarks"].items()]
    return "\n".join(lines)


def _result_row(name: str, part: Mapping[str, Any], headline: Sequence[str]) -> dict[str, Any]:
    row = {"": name, "sentences": f"{part['n']:,}"}
    return row | {each: with_interval(part["metrics"][each], part["intervals"][each]) for each in headline}
