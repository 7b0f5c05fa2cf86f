"""Pictures of what a network gets wrong."""

from __future__ import annotations

from itertools import chain, zip_longest
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


class ErrorSheet:
    """Collects the first records that a network gets wrong, as many of each group as can be, and draws them.

    Args:
        task: what the network is asked.
        root: the dataset folder of the records.
        count: errors on the sheet, at least 1; fewer where there are no more.

    Raises:
        ValueError: the count is below 1.
    """

    def __init__(self, task: Task[Any], root: Path, *, count: int = 12) -> None:
        if count < 1:
            raise ValueError(f"the sheet needs a count of at least 1 error, got {count}")
        self._task, self._root, self._count = task, root, count
        self._wrong: dict[str | None, list[tuple[Record, Answer]]] = {}

    def add(self, part: Score) -> None:
        """Look at some records; those of the whole split come in order."""
        for number, value in enumerate(part.value_of_each(self._task.headline[0])):
            record = part.records[number]
            if value < _RIGHT:  # not for NaN: the record does not count
                kept = self._wrong.setdefault(record.group, [])
                if len(kept) < self._count:
                    kept.append((record, combine([part.answers[number]])))

    def draw(self, columns: int = 4) -> Image.Image | None:
        """Draw the sheet.

        Args:
            columns: pictures of a row, at least 1.

        Returns:
            What the network says is in color, the true boxes are thin and black, the true answer stands in brackets. In
            the order of the file, one of every group, then another of every group, and so on. None where nothing is
            wrong.
        """
        in_turn = [pair for pair in chain.from_iterable(zip_longest(*self._wrong.values())) if pair is not None]
        drawn = [draw_error(self._root, *pair) for pair in in_turn[: self._count]]
        return contact_sheet(drawn, columns) if drawn else None


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
