"""Tables of named values: everything that this project prints in rows, on a terminal or in Markdown, looks alike."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

Row = Mapping[str, Any]
"""Values by column: text stands as it is, a number as `number` writes it; one that is None or not there is a dash."""

_NONE = "–"
_NUMBER = re.compile(r"\**[-+−]?\d|–$")  # how a cell begins that stands to the right


def number(value: float) -> str:
    """At least three digits that count, and for numbers from 1e-4 on no exponent."""
    return f"{value:,.0f}" if isinstance(value, int) or abs(value) >= 999.5 else f"{value:.3g}"


def percent(value: float | None) -> str:
    """A share as "12.3 %"; a dash where there is none, or NaN."""
    return _NONE if value is None or value != value else f"{100 * value:.1f} %"


def with_interval(value: float | None, ends: Sequence[float | None]) -> str:
    """A share with its interval, as "12.3 % [11.0, 13.5]"; a dash where there is none, or NaN."""
    if value is None or value != value:
        return _NONE
    return f"{percent(value)} [{', '.join(percent(end).removesuffix(' %') for end in ends)}]"


def text(rows: Sequence[Row], columns: Sequence[str] = ()) -> str:
    """Lay rows out for a terminal, columns of numbers to the right.

    Args:
        rows: the values.
        columns: which to show, in this order; all unless given. Those without any value are left out.

    Returns:
        The names of the columns and one line for each row.
    """
    lines, are_numbers = _lay_out(rows, columns)
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if is_number else cell.ljust(width)
            for cell, width, is_number in zip(line, widths, are_numbers, strict=True)
        )
        for line in lines
    )


def markdown(rows: Sequence[Row], columns: Sequence[str] = ()) -> str:
    """Lay rows out as `text` does, in Markdown; nothing where there are neither rows nor columns."""
    (head, *body), are_numbers = _lay_out(rows, columns)
    if not head:
        return ""
    rule = ["---:" if is_number else "---" for is_number in are_numbers]
    return "\n".join(f"| {' | '.join(line)} |" for line in (head, rule, *body))


def _lay_out(rows: Sequence[Row], columns: Sequence[str]) -> tuple[list[list[str]], list[bool]]:
    """The cells of all lines, the names of the columns first, and which columns stand to the right."""
    names = columns or list(dict.fromkeys(name for row in rows for name in row))
    shown = [name for name in names if not rows or any(row.get(name) is not None for row in rows)]
    body = [[_cell(row.get(name)) for name in shown] for row in rows]
    are_numbers = [bool(rows) and all(map(_NUMBER.match, column)) for column in zip(*body, strict=True)]
    return [list(shown), *body], are_numbers or [False] * len(shown)


def _cell(value: object) -> str:
    if value is None:
        return _NONE
    return number(value) if isinstance(value, int | float) else str(value)
