"""The numbers by which public datasets name their photographs, so that one is known again wherever it occurs."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from laconvnet.data.folder.schema import iterate_lines
from laconvnet.data.readers.conversion import field_of, load_json

COLLECTIONS = {
    "coco": r"g?refcoco.*|vqa ?v2.*",
    "flickr": r"flickr|flickr30k.*|snli[-_]ve.*",
    "saiapr": r"referit.*|refclef.*",
    "vg": r"vg|visual[ _]genome.*",
}
"""Collections of photographs that go by numbers, and the names of the datasets that speak of them, in either case."""

_COCO_NAME = re.compile(r"COCO_(?:train|val|test)\d{4}_(\d{12})(?!\d)")
_COCO_DIGITS = 12
_KEY = re.compile(rf"({'|'.join(COLLECTIONS)}):([0-9]+)")

Links = Mapping[str, tuple[str, ...]]
"""For the key of a photograph, those of the same photograph in other collections."""


def collection_of(name: str) -> str | None:
    """The collection whose numbers name the pictures of a dataset; None where the dataset's name does not tell."""
    names = (collection for collection, names in COLLECTIONS.items() if re.fullmatch(names, name, re.IGNORECASE))
    return next(names, None)


def picture_key(image: str, collection: str | None) -> str | None:
    """What names a photograph in all datasets, such as "coco:1234".

    Files named as COCO does, `COCO_train2014_000000001234.jpg`, tell it themselves. A bare number says nothing without
    its collection, but for twelve digits, which are COCO's.

    Args:
        image: path of the picture, with forward slashes.
        collection: a key of `COLLECTIONS`, or None where it is not known.

    Returns:
        "<collection>:<number>", or None if the name tells none.
    """
    stem = PurePosixPath(image).stem
    if found := _COCO_NAME.match(stem):
        return f"coco:{int(found[1])}"
    if collection is None and len(stem) == _COCO_DIGITS:
        collection = "coco"
    return f"{collection}:{int(stem)}" if collection and stem.isascii() and stem.isdecimal() else None


def read_links(path: Path) -> dict[str, tuple[str, ...]]:
    """Reads which photographs Visual Genome shares with COCO and Flickr, from its `image_data.json`.

    Returns:
        for every "vg:<number>" its "coco:<number>" and "flickr:<number>", as far as it has them.

    Raises:
        ValueError: not a list of objects that have image_id (or id) and coco_id; names the place.
    """
    rows = load_json(path)
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ValueError(f"{path}: must be a list of objects, as Visual Genome's image_data.json")
    links = {}
    for position, row in enumerate(rows):
        where = f"{path}: image {position}"
        number = _whole(row, "image_id" if "image_id" in row else "id", where)
        if number is None:
            raise ValueError(f"{where}: the image has no number")
        others = {"coco": _whole(row, "coco_id", where)}
        if "flickr_id" in row:
            others["flickr"] = _whole(row, "flickr_id", where)
        links[f"vg:{number}"] = tuple(f"{name}:{other}" for name, other in others.items() if other is not None)
    return links


def _whole(row: Mapping[str, Any], key: str, where: str) -> int | None:
    value = field_of(row, key, where)
    if value is None or type(value) is int:
        return value
    if isinstance(value, str) and value.isascii() and value.isdecimal():
        return int(value)
    raise ValueError(f"{where}: {key} must be a whole number or null, got {value!r}")


def read_keys(path: str | os.PathLike[str]) -> Iterator[tuple[str, str]]:
    """Yields ("file:line", key) of a file with one key a line, such as "coco:1234".

    Raises:
        SchemaError: no such file.
        ValueError: a line is no key; names it.
    """
    for number, line in iterate_lines(path):
        where = f"{path}:{number}"
        key = _KEY.fullmatch(line.strip())
        if key is None:
            allowed = ", ".join(f"{collection}:<number>" for collection in COLLECTIONS)
            raise ValueError(f"{where}: a key is one of {allowed}; got {line.strip()!r}")
        yield where, f"{key[1]}:{int(key[2])}"
