"""ODVG, the JSON lines on which Grounding DINO's open trainers learn: boxes of phrases or of categories."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from laconvnet.data.folder.schema import DatasetInfo, Record, has_word
from laconvnet.data.readers.coco_format import clip_corners, frame_of, inner_path, split_folders
from laconvnet.data.readers.conversion import (
    Entry,
    Skipped,
    Source,
    field_of,
    find_picture,
    listed,
    read_json_lines,
    require,
    text_of,
)
from laconvnet.processing.masks import Box

_LAYOUT = """expected layout:
  <split>.jsonl    (at least one; one picture a line)
  images/ or images/<split>/    (the pictures that the lines name; or name their folder)"""


def open_odvg(folder: Path, pictures: Path | None = None) -> Source:
    """Find ODVG files with their pictures.

    A line is an object with `filename`, `height` and `width` (pixels), and `grounding` or `detection` or both.
    `grounding` has `regions`: each a `bbox` [x0, y0, x1, y1] in pixels or a list of those, and a `phrase`, or the list
    of the pieces of one. `detection` has `instances`: each a `bbox` and its `category`.

    One record per phrase of a line, with all its boxes, and one per category: `id` is "<line>_<phrase>", the line
    counted from 1, the phrase from 0.

    Args:
        folder: with the files; their names are those of the splits.
        pictures: the folder of pictures, if not within.

    Raises:
        FileNotFoundError: there is no such file; names the expected layout.
    """
    files = sorted(folder.glob("*.jsonl"))
    if not files:
        require(folder, _LAYOUT, ("<split>.jsonl",))
    places, own = split_folders(folder, pictures, [path.stem for path in files])
    info = DatasetInfo(
        name=folder.resolve().name,
        source=f"ODVG files {', '.join(path.name for path in files)}",
        licence="that of the data",
        tasks=("rec",),
    )
    splits = {path.stem: partial(_phrases, path, places[path.stem]) for path in files}
    return Source(folder, info, splits, unit="boxes or phrases", folder_per_split=own, pictures=pictures)


def _phrases(path: Path, places: list[Path], skipped: Skipped) -> Iterator[Entry]:
    rows = [
        (inner_path(field_of(row, "filename", where), where), number, where, row)
        for number, where, row in read_json_lines(path)
    ]
    # Lines about one picture side by side, so that it is decoded once.
    for name, number, where, row in sorted(rows, key=lambda entry: entry[:2]):
        picture = find_picture(places, [name], where)
        size = frame_of(row, where)
        said: dict[str, list[Box]] = {}
        for text, corners in _regions(row, where):
            if not has_word(text):
                skipped["without a word"] += 1
            elif (box := clip_corners(corners, *size, where)) is None:
                skipped["without area in the picture"] += 1
            else:
                said.setdefault(text, []).append(box)
        for place, (text, boxes) in enumerate(said.items()):
            yield Entry(picture, Record(f"{number}_{place}", picture.name, *size, text, boxes=tuple(boxes)))


def _regions(row: dict[str, Any], where: str) -> Iterator[tuple[str, Any]]:
    """Each box of a line with its phrase or category."""
    if not row.keys() & {"grounding", "detection"}:
        raise ValueError(f"{where}: neither 'grounding' nor 'detection' among {', '.join(row)}")
    for region in _part(row, "grounding", "regions", where):
        bbox, phrase = field_of(region, "bbox", where), field_of(region, "phrase", where)
        if isinstance(phrase, list) and all(isinstance(piece, str) for piece in phrase):
            phrase = " ".join(phrase)
        if not isinstance(phrase, str):
            raise ValueError(f"{where}: phrase must be text or a list of texts, got {phrase!r}")
        several = isinstance(bbox, list) and all(isinstance(each, list) for each in bbox)
        for corners in bbox if several else [bbox]:
            yield phrase.strip(), corners
    for instance in _part(row, "detection", "instances", where):
        yield text_of(instance, "category", where), field_of(instance, "bbox", where)


def _part(row: dict[str, Any], key: str, rows: str, where: str) -> list[dict[str, Any]]:
    return [] if row.get(key) is None else listed(row[key], rows, f"{where}: {key}")
