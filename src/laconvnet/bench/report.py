"""What a benchmark gives: rows of numbers with the machine they belong to, as a table, as files, as a picture."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from laconvnet.doctor import describe_machine
from laconvnet.files import replace_file
from laconvnet.tables import Row, number, percent, text

_SPREAD = ("low_ms", "high_ms")


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
        return {name: getattr(self, name) for name in ("name", "settings", "machine", "notes", "rows")}

    def __str__(self) -> str:
        head = [f"{key}: {_words(value)}" for key, value in {**self.machine, **self.settings}.items()]
        columns = [_title(name) for name in self.columns or self._names()]
        return "\n".join([*head, "", text([_shown(row) for row in self.rows], columns), *self.notes])

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

    def _names(self) -> list[str]:
        """The columns of all rows, in the order in which they appear."""
        return list(dict.fromkeys(name for row in self.rows for name in row))

    def _write_csv(self, path: Path) -> None:
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, self._names())
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


def _title(name: str) -> str:
    return name.replace("_", " ")


def _shown(row: Row) -> Row:
    """A row as the table shows it: the median with its quartiles, shares in per cent."""
    shown: dict[str, Any] = {}
    for name, value in row.items():
        if name == "median_ms" and all(row.get(end) is not None for end in _SPREAD):
            value = f"{number(value)} [{', '.join(number(row[end]) for end in _SPREAD)}]"
        elif name.startswith("share_") and value is not None:
            value = percent(value)
        shown[_title(name)] = value
    return shown
