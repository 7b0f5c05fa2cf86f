"""Results as Markdown."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from laconvnet.data import replace_file
from laconvnet.tables import markdown, percent, with_interval
from laconvnet.tasks import TASKS

MAIN = {name: task.main_metric for name, task in TASKS.items()}
"""The value of each task by which parts are compared."""

_ALSO = {
    "rec": ("accuracy@0.25", "accuracy@0.75", "mean_iou"),
    "res": ("oIoU", "Pr@0.5", "Pr@0.9"),
    "gres": ("cIoU", "N-acc", "T-acc"),
    "vqa": (),
}
_BEGIN, _END = "<!-- laconvnet eval --all: begin -->", "<!-- end -->"


def overview(tasks: Mapping[str, Mapping[str, Any]]) -> str:
    """Every task in a row: its main value with its interval, beside the best blind baseline and shuffled sentences."""
    rows = []
    for task, result in tasks.items():
        main = MAIN[task]
        best = max(result["blind"], key=lambda name: result["blind"][name][main])
        rows.append(
            {
                "": f"`{task}`, {main}",
                "sentences / pictures": f"{result['n']:,} / {result['pictures']}",
                "best blind baseline": f"{percent(result['blind'][best][main])} ({best})",
                "network": f"**{with_interval(result['metrics'][main], result['intervals'][main])}**",
                "its sentences shuffled": percent(result["shuffled"][main]),
                "also": ", ".join(f"{name} {percent(result['metrics'][name])}" for name in _ALSO[task]),
            }
        )
    return markdown(rows)


def parts(tasks: Mapping[str, Mapping[str, Any]], by: str) -> str:
    """The main values of tasks in parts that are told apart by the same thing: a row per part."""
    labels = list(dict.fromkeys(label for result in tasks.values() for label in result["by"][by]))
    rows = []
    for label in labels:
        row = {by: label.replace("_", " ")}
        for task, result in tasks.items():
            part = result["by"][by].get(label)
            row[f"`{task}`, {MAIN[task]}"] = "–" if part is None else _with_count(part, MAIN[task])
        rows.append(row)
    return markdown(rows)


def _with_count(part: Mapping[str, Any], name: str) -> str:
    return f"{with_interval(part['metrics'][name], part['intervals'][name])} of {part['n']:,}"


def put_between_markers(path: Path, text: str) -> None:
    """Put a text into a Markdown file, in the place of what stands between its markers.

    Args:
        path: a file with a line `<!-- laconvnet eval --all: begin -->` and, after it, a line `<!-- end -->`.
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
