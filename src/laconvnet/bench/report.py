"""What a benchmark gives: rows of numbers with the machine they belong to, as a table, as files, as a picture."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from laconvnet.bench.machine import describe_machine
from laconvnet.files import replace_file

Row = dict[str, Any]


@dataclass(frozen=True)
class Report:
    """The result of one run.

    Attributes:
        name: of the benchmark, and of its files.
        settings: what was asked for, and what holds for all rows.
        rows: the measurements; values are JSON-ready, a missing one is absent or None.
        notes: what was left out, and why.
        machine: processor, threads and versions.
        columns: those that the table shows; all unless given.
        draw: makes the picture, a PNG file; None where there is nothing to see.
    """

    name: str
    settings: dict[str, Any]
    rows: list[Row]
    notes: list[str] = field(default_factory=list)
    machine: dict[str, str] = field(default_factory=describe_machine)
    columns: Sequence[str] = field(default=(), compare=False)
    draw: Callable[[Path], None] | None = field(default=None, compare=False)

    def to_json(self) -> dict[str, Any]:
        """Everything that was measured, JSON-ready."""
        names = ("name", "settings", "machine", "notes", "rows")
        return {name: getattr(self, name) for name in names}

    def __str__(self) -> str:
        head = [f"{key}: {_words(value)}" for key, value in {**self.machine, **self.settings}.items()]
        return "\n".join([*head, "", table(self.rows, self.columns), *self.notes])

    def save(self, folder: Path, *, plot: bool = True) -> list[Path]:
        """Write NAME.csv, NAME.json and, where there is something to see, NAME.png, each complete or not at all.

        Args:
            folder: made if needed.
            plot: whether to draw the picture.

        Returns:
            The files.

        Raises:
            ImportError: a picture without the extra plots.
        """
        writers: dict[str, Callable[[Path], None]] = {"csv": self._write_csv, "json": self._write_json}
        if plot and self.draw is not None:
            writers["png"] = self.draw
        paths = [folder / f"{self.name}.{kind}" for kind in writers]
        for path, write in zip(paths, writers.values(), strict=True):
            replace_file(path, write)
        return paths

    def _write_csv(self, path: Path) -> None:
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, _keys(self.rows))
            writer.writeheader()
            writer.writerows(self.rows)

    def _write_json(self, path: Path) -> None:
        path.write_text(json.dumps(self.to_json(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> Report:
        """Read NAME.json back."""
        return cls(**json.loads(path.read_text(encoding="utf-8")))


def _words(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_words(item)}" for key, item in value.items() if item is not None)
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _keys(rows: Sequence[Row]) -> list[str]:
    """The columns of all rows, in the order in which they appear."""
    return list(dict.fromkeys(key for row in rows for key in row))


def table(rows: Sequence[Row], columns: Sequence[str] = ()) -> str:
    """Lay rows out as text, numbers to the right.

    Args:
        rows: the measurements; "median_ms" is shown with the quartiles "low_ms" and "high_ms".
        columns: which to show; all unless given, those without any value never.

    Returns:
        A heading and one line per row.
    """
    shown = [key for key in columns or _keys(rows) if any(row.get(key) is not None for row in rows)]
    cells = [[key.replace("_", " ") for key in shown], *([_cell(row, key) for key in shown] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    is_text = [any(isinstance(row.get(key), str) for row in rows) for key in shown]
    return "\n".join(
        "  ".join(
            f"{cell:{'<' if text else '>'}{width}}" for cell, text, width in zip(line, is_text, widths, strict=True)
        )
        for line in cells
    )


def _cell(row: Row, key: str) -> str:
    value = row.get(key)
    if key == "median_ms" and value is not None and "low_ms" in row:
        return f"{short_number(value)} [{short_number(row['low_ms'])}, {short_number(row['high_ms'])}]"
    if value is None or isinstance(value, str):
        return value or "-"
    return f"{value:.1%}" if key.startswith("share_") else short_number(value)


def short_number(value: float) -> str:
    """At least three digits that count, and for numbers above 1e-4 no exponent."""
    return f"{value:,.0f}" if isinstance(value, int) or abs(value) >= 999.5 else f"{value:.3g}"
