"""A dataset in numbers."""

from __future__ import annotations

import os
import re
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from laconvnet.data.folder.schema import Record, read_records, splits
from laconvnet.tables import percent, text

_WORD = re.compile(r"\w+")
_MANY = 4  # records with this many boxes or more are counted together


def describe(root: str | os.PathLike[str]) -> dict[str, dict[str, Any]]:
    """Counts what is in each split of a dataset folder.

    Returns:
        by split, JSON-ready: `records`, `images`, `distinct_words`; `texts_per_image`, `words_per_text` and
        `box_area_share` (of all boxes, share of the frame) with `min`, `median`, `mean`, `p95`, `max`;
        `boxes_per_record` as counts of "not labelled", "0", "1", "2", "3", "4+"; `masks` and `answers`, the
        records that have them; `groups` as counts, the most frequent first.

    Raises:
        SchemaError: no split, or a line that is not a record.
    """
    names = splits(root)
    if not names:
        raise FileNotFoundError(f"{root} has no splits; a dataset folder holds <split>.jsonl")
    return {split: _describe_split(read_records(Path(root) / f"{split}.jsonl")) for split in names}


def _describe_split(records: list[Record]) -> dict[str, Any]:
    texts = [_WORD.findall(record.text.lower()) for record in records]
    areas = [
        (x1 - x0) * (y1 - y0) / (record.width * record.height)
        for record in records
        for x0, y0, x1, y1 in record.boxes or ()
    ]
    boxes = Counter(_box_count(record) for record in records)
    groups = Counter(record.group for record in records if record.group is not None)
    images = Counter(record.image for record in records)
    return {
        "records": len(records),
        "images": len(images),
        "distinct_words": len({word for text in texts for word in text}),
        "texts_per_image": _spread(list(images.values())),
        "words_per_text": _spread([len(text) for text in texts]),
        "box_area_share": _spread(areas),
        "boxes_per_record": {name: boxes[name] for name in sorted(boxes, key=lambda name: (name[0] == "n", name))},
        "masks": sum(record.masks is not None for record in records),
        "answers": sum(record.answer is not None or record.answers is not None for record in records),
        "groups": dict(groups.most_common()),
    }


def _box_count(record: Record) -> str:
    if record.boxes is None:
        return "not labelled"
    return f"{_MANY}+" if len(record.boxes) >= _MANY else str(len(record.boxes))


def _spread(values: list[int] | list[float]) -> dict[str, float] | None:
    """Returns where values lie, or None if there are none."""
    if not values:
        return None
    low, median, p95, high = np.percentile(values, [0, 50, 95, 100]).tolist()
    return {"min": low, "median": median, "mean": float(np.mean(values)), "p95": p95, "max": high}


def table(description: dict[str, dict[str, Any]]) -> str:
    """Lays the result of `describe` out as text, one column per split."""
    rows: dict[str, dict[str, object]] = {}
    for split, numbers in description.items():
        for name, value in numbers.items():
            title, whole = name.replace("_", " "), numbers["records"]
            if name in ("groups", "boxes_per_record"):
                cells = {f"{title}: {key}": f"{count:,} ({percent(count / whole)})" for key, count in value.items()}
            elif isinstance(value, dict):
                cells = {f"{title}, {key}": value[key] for key in value}
            else:
                cells = {title: value}
            for row, cell in cells.items():
                rows.setdefault(row, {"": row})[split] = cell
    return text(list(rows.values()), ["", *description])
