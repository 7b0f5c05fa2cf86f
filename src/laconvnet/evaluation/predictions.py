"""What a network said of every record of a split, beside the truth, as JSON lines."""

from __future__ import annotations

import math
from typing import Any, TextIO

from laconvnet.data import Record
from laconvnet.evaluation.score import Score
from laconvnet.files import to_json
from laconvnet.tasks import Task, combine


def write_predictions(file: TextIO, part: Score, task: Task[Any]) -> None:
    """Write one JSON line per record, in the order of the records.

    A line has "id", "image", "text", "group" where there is one, what the network said ("box", "score", "mask" as COCO
    run-length encoding, "no_target", "answer", "answers"), "truth" with the labels that judge it, and "scores", the
    headline values of the task for this record alone: 1 or 0 where it is right or wrong, its IoU, and so on.
    """
    scores = {name: part.value_of_each(name) for name in task.headline}
    for number, (record, answer) in enumerate(zip(part.records, part.answers, strict=True)):
        own = {name: round(values[number], 4) for name, values in scores.items() if not math.isnan(values[number])}
        line = {
            "id": record.id,
            "image": record.image,
            "text": record.text,
            **({} if record.group is None else {"group": record.group}),
            **combine([answer]).to_json(),
            "truth": _truth(record, task),
            "scores": own,
        }
        file.write(to_json(line) + "\n")


def _truth(record: Record, task: Task[Any]) -> dict[str, Any]:
    """The labels of a record that judge an answer."""
    values = {label: getattr(record, label) for label in task.truth}
    return {label: list(value) if isinstance(value, tuple) else value for label, value in values.items()}
