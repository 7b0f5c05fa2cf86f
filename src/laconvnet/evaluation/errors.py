"""Pictures of what a network gets wrong."""

from __future__ import annotations

from itertools import chain, islice, zip_longest
from pathlib import Path
from typing import Any, Final

from PIL import Image

from laconvnet.data import Record
from laconvnet.evaluation.score import Score
from laconvnet.processing import mask_box, read_image, resize_mask, union_mask
from laconvnet.processing.drawing import annotate, contact_sheet, enlarge, outline
from laconvnet.tasks import Answer, Task, combine

_ENLARGED: Final = 384  # width of a drawn picture, pixels
_NOTHING: Final = "nothing is meant"
_RIGHT: Final = 0.5  # a record is wrong below this value of the task's main metric


def error_sheet(
    outcome: Score, task: Task[Any], root: Path, *, count: int = 12, columns: int = 4
) -> Image.Image | None:
    """Draw the first records that a network gets wrong, as many of each group as can be.

    Args:
        outcome: how the network did.
        task: what it was asked.
        root: the dataset folder of the records.
        count: errors on the sheet, at least 1; fewer where there are no more.
        columns: pictures of a row, at least 1.

    Returns:
        A sheet: what the network says is in color, the true boxes are thin and black, the true answer, or that nothing
        is meant, stands in brackets. In the order of the file, one of every group, then another of every group, and so
        on. None where nothing is wrong.

    Raises:
        ValueError: the count is below 1.
    """
    if count < 1:
        raise ValueError(f"the sheet needs a count of at least 1 error, got {count}")
    wrong: dict[str | None, list[int]] = {}
    for number, value in enumerate(outcome.value_of_each(task.headline[0])):
        if value < _RIGHT:  # not for NaN: the record does not count
            wrong.setdefault(outcome.records[number].group, []).append(number)
    if not wrong:
        return None
    in_turn = (number for number in chain.from_iterable(zip_longest(*wrong.values())) if number is not None)
    drawn = [
        draw_error(root, outcome.records[number], combine([outcome.answers[number]]))
        for number in islice(in_turn, count)
    ]
    return contact_sheet(drawn, columns)


def draw_error(root: Path, record: Record, answer: Answer) -> Image.Image:
    """Draw a record's picture with the answer in color, the truth thin and black, and the sentence below."""
    scale = _ENLARGED / record.width
    picture = enlarge(read_image(root / record.image), _ENLARGED)
    size = picture.width, picture.height
    box = () if answer.box is None else [[scale * side for side in answer.box]]
    masks = [] if answer.mask is None or answer.no_target else [resize_mask(answer.mask, *size)]
    drawn = annotate(picture, box, _caption(record, answer), masks=masks)
    return outline(drawn, [[scale * side for side in truth] for truth in record.boxes or _mask_boxes(record)])


def _caption(record: Record, answer: Answer) -> str:
    """The sentence, what is said of it in words, and the right words in brackets."""
    said, right = _NOTHING if answer.no_target else answer.answer, _right_words(record)
    return "\n".join(line for line in (record.text, said, f"({right})" if right else None) if line)


def _right_words(record: Record) -> str | None:
    """What would be right to say, where it is words."""
    if record.answer:
        return record.answer
    if record.answers:
        return max(record.answers, key=record.answers.__getitem__)
    things = [labels for labels in (record.boxes, record.masks) if labels is not None]
    return _NOTHING if things and not any(things) else None


def _mask_boxes(record: Record) -> list[list[float]]:
    """The box around the true masks of a record that has no boxes and points at something."""
    if not record.masks or not record.is_expression:
        return []
    box = mask_box(union_mask(record.masks, record.height, record.width))
    return [] if box is None else [list(box)]
