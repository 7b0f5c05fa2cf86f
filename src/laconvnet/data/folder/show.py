"""A picture of a dataset: some of its records with their sentences, boxes and masks."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from PIL import Image

from laconvnet.data.folder.schema import Record, read_records
from laconvnet.processing.drawing import annotate, contact_sheet
from laconvnet.processing.masks import decode_mask
from laconvnet.processing.pictures import read_image, save_picture


def show(
    root: str | os.PathLike[str],
    split: str,
    out: str | os.PathLike[str] | None = None,
    *,
    count: int = 12,
    columns: int = 4,
    seed: int | None = None,
) -> Image.Image:
    """Draws records of a split on one sheet.

    Args:
        root: the dataset folder.
        split: name of the split.
        out: where to save the sheet; the ending gives the format. None saves nothing.
        count: how many records, or all if there are fewer.
        columns: pictures of a row.
        seed: None takes the first records, a number draws them at random.

    Returns:
        the sheet.

    Raises:
        SchemaError: the split is missing or breaks the contract; names file and line.
        ImageError: a picture cannot be read.
    """
    if count < 1:
        raise ValueError(f"count must be at least 1, got {count}")
    records = read_records(Path(root) / f"{split}.jsonl")
    if not records:
        raise ValueError(f"{Path(root) / f'{split}.jsonl'} holds no records to show")
    chosen = np.arange(min(count, len(records)))
    if seed is not None:
        chosen = np.sort(np.random.default_rng(seed).choice(len(records), len(chosen), replace=False))
    sheet = contact_sheet([draw_record(root, records[index]) for index in chosen], columns)
    if out is not None:
        save_picture(sheet, out)
    return sheet


def draw_record(root: str | os.PathLike[str], record: Record) -> Image.Image:
    """Draws one record: its picture in the shape of its frame, its sentence, and the known answer."""
    frame = (record.width, record.height)
    picture = Image.fromarray(read_image(Path(root) / record.image))
    if picture.size != frame:
        picture = picture.resize(frame)
    masks = [decode_mask(mask) for mask in record.masks or ()]
    return annotate(picture, record.boxes or (), _caption(record), masks=masks)


def _caption(record: Record) -> str:
    answer = record.answer
    if answer is None and record.answers:
        answer = max(record.answers, key=record.answers.__getitem__)
    parts = [record.text]
    if answer is not None:
        parts.append(f"= {answer}")
    elif record.boxes == () or record.masks == ():
        parts.append("= nothing")
    if record.group is not None:
        parts.append(f"[{record.group}]")
    return " ".join(parts)
