"""What COCO's format and its relatives share: rows with ids, names of pictures, boxes and outlines."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from laconvnet.data.readers.conversion import field_of, listed, load_json
from laconvnet.processing.masks import Box, decode_mask, encode_mask

Table = dict[int, dict[str, Any]]
"""Rows by their ids."""


def read_tables(path: Path, *keys: str, optional: Sequence[str] = ()) -> list[Table]:
    """The lists of rows under some keys of a JSON file, each by the rows' ids.

    Args:
        path: the file.
        *keys: lists that it must have.
        optional: further lists; one that is missing is empty.

    Raises:
        ValueError: not JSON (names line and column), without such a list, or an id is missing, no number, or repeated.
    """
    content = load_json(path)
    tables: list[Table] = []
    for key in (*keys, *optional):
        if key in optional and isinstance(content, dict) and key not in content:
            tables.append({})
            continue
        table: Table = {}
        for number, row in enumerate(listed(content, key, str(path))):
            where = f"{path}: {key}[{number}]"
            identity = whole_number(field_of(row, "id", where), where)
            if identity in table:
                raise ValueError(f"{where} has id {identity}, as one before it has")
            table[identity] = row
        tables.append(table)
    return tables


def frame_of(row: Mapping[str, Any], where: str) -> tuple[int, int]:
    """Width and height of a picture in pixels.

    Raises:
        ValueError: missing, or no whole numbers of at least 1; names the place.
    """
    width, height = field_of(row, "width", where), field_of(row, "height", where)
    if not all(type(side) is int and side > 0 for side in (width, height)):
        raise ValueError(f"{where}: width and height must be whole numbers of pixels, got {width!r} and {height!r}")
    return width, height


def whole_number(value: Any, where: str) -> int:
    """An id.

    Raises:
        ValueError: it is no whole number; names the place.
    """
    try:
        return int(value)
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"{where}: an id must be a whole number, got {value!r}") from None


def inner_path(name: Any, where: str) -> str:
    """The path of a file in a folder, with forward slashes.

    Raises:
        ValueError: it is no text or leads out of the folder; names the place.
    """
    if not isinstance(name, str) or not name or name.startswith("/") or "\\" in name or ".." in name.split("/"):
        raise ValueError(
            f"{where}: a file's path must be text that stays in its folder, such as 'a/b.jpg', got {name!r}"
        )
    return name


def split_folders(folder: Path, pictures: Path | None, names: Iterable[str]) -> tuple[dict[str, list[Path]], bool]:
    """Where the pictures of each split may lie, in a folder of its own or with all others; and if any has its own."""
    roots = [pictures] if pictures else [folder / "images", folder]
    places = {
        split: [place for root in roots for place in (root / split, root) if place == root or place.is_dir()]
        for split in names
    }
    return places, any(place.name == split for split, found in places.items() for place in found)


def clip_corners(corners: Any, width: int, height: int, where: str) -> Box | None:
    """The part of a box [x0, y0, x1, y1], in pixels, that lies in a picture; None if it has no area.

    Raises:
        ValueError: not four finite numbers; names the place.
    """
    x0, y0, x1, y1 = _four(corners, "[x0, y0, x1, y1]", where)
    box = max(0.0, x0), max(0.0, y0), min(float(width), x1), min(float(height), y1)
    return box if box[0] < box[2] and box[1] < box[3] else None


def clip_bbox(bbox: Any, width: int, height: int, where: str) -> Box | None:
    """As `clip_corners`, for COCO's [x, y, width, height]."""
    left, top, across, down = _four(bbox, "[x, y, width, height]", where)
    return clip_corners((left, top, left + across, top + down), width, height, where)


def _four(values: Any, meaning: str, where: str) -> tuple[float, float, float, float]:
    four = isinstance(values, list | tuple) and len(values) == 4
    if not four or not all(_is_number(value) for value in values):
        raise ValueError(f"{where}: a box must be four numbers {meaning}, got {values!r}")
    left, top, third, fourth = map(float, values)
    return left, top, third, fourth


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def outline_mask(outline: Any, width: int, height: int, where: str) -> dict[str, Any]:
    """An outline as one run-length encoding.

    Args:
        outline: COCO's `segmentation`: polygons, each x and y in turn, or run lengths, in ReferIt a list of those.
        width: of the picture, pixels.
        height: of the picture, pixels.
        where: its place, for errors.

    Raises:
        ValueError: a polygon of two points or less, run lengths of another size or sum, or nothing; names the place.
    """
    from pycocotools import mask as coco

    parts = [outline] if isinstance(outline, dict) else outline
    if not isinstance(parts, list) or not parts:
        raise ValueError(f"{where}: its outline has no polygon")
    if runs := [part for part in parts if isinstance(part, dict)]:
        return encode_mask(np.logical_or.reduce([_decoded(part, width, height, where) for part in runs]))
    for polygon in parts:
        numbers = isinstance(polygon, list) and all(map(_is_number, polygon))
        if not numbers or len(polygon) < 6 or len(polygon) % 2:
            raise ValueError(f"{where}: a polygon needs three points or more, x and y in turn, got {polygon}")
    encoded = coco.merge(coco.frPyObjects(parts, height, width))
    return {"size": [height, width], "counts": encoded["counts"].decode("ascii")}


def _decoded(runs: Mapping[str, Any], width: int, height: int, where: str) -> Any:
    if runs.get("size") != [height, width]:
        raise ValueError(f"{where}: its mask has size {runs.get('size')}, its picture {[height, width]}")
    try:
        return decode_mask({"size": runs["size"], "counts": field_of(runs, "counts", where)})
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"{where}: its mask cannot be decoded: {error}") from None
