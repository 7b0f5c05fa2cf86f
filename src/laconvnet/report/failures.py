"""Pictures of what a network gets wrong."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain, islice, zip_longest
from pathlib import Path
from typing import Any, Final

from PIL import Image

from laconvnet.data import Record
from laconvnet.language import Vocabulary
from laconvnet.models import LaConvNet, Preprocess
from laconvnet.processing import read_image
from laconvnet.processing.drawing import annotate, contact_sheet, enlarge, outline
from laconvnet.report.subject import Subject

_ENLARGED: Final = 384  # width of a drawn picture, pixels


def failure_sheet(
    network: LaConvNet,
    vocabulary: Vocabulary,
    preprocess: Preprocess,
    data: Path,
    split: str,
    *,
    count: int = 12,
    columns: int = 4,
    limit: int | None = None,
    batch_size: int = 64,
    device: str = "cpu",
) -> Image.Image | None:
    """Draw the first sentences of a split that are pointed at wrongly, as many of each kind as can be.

    Args:
        network: a network that learned "rec".
        vocabulary: the words its ids stand for.
        preprocess: how pictures and sentences reach it.
        data: dataset folder.
        split: its split.
        count: failures on the sheet, at least 1; fewer where there are no more.
        columns: pictures of a row, at least 1.
        limit: most records that are looked at, the first ones; None for all.
        batch_size: sentences together.
        device: where to run.

    Returns:
        A sheet: the coloured box is the prediction, the thin black one the truth. In the order of the file, one of
        every kind (`Record.group`), then another of every kind, and so on. None where nothing fails.

    Raises:
        ValueError: a number is out of range, or the network did not learn "rec".
    """
    if count < 1:
        raise ValueError(f"the sheet needs a count of at least 1 failure, got {count}")
    subject = Subject(network, vocabulary, preprocess, batch_size, device)
    task = subject.task("rec", data, split)
    predictions: list[dict[str, Any]] = []
    records = subject.first_records(task, data, split, limit)
    outcome = subject.score(task, data, split, records, predictions=predictions)
    failures: dict[str | None, list[int]] = {}
    for number, record in enumerate(records):
        # A record without a target has no value, and is no failure.
        if outcome.of([number]).values()[task.main_metric] == 0:
            failures.setdefault(record.group, []).append(number)
    if not failures:
        return None
    in_turn = (number for number in chain.from_iterable(zip_longest(*failures.values())) if number is not None)
    drawn = [_draw(data, records[number], predictions[number]["box"]) for number in islice(in_turn, count)]
    return contact_sheet(drawn, columns)


def _draw(root: Path, record: Record, box: Sequence[float]) -> Image.Image:
    """A picture with its sentence below, the answer in colour and the truth as a thin black box."""
    scale = _ENLARGED / record.width
    picture = enlarge(read_image(root / record.image), _ENLARGED)
    drawn = annotate(picture, [[scale * side for side in box]], record.text)
    return outline(drawn, [[scale * side for side in truth] for truth in record.boxes or ()])
