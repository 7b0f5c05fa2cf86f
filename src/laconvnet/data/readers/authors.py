"""The annotation files that the authors of LaConvNet and SimREC train on: one JSON file for all splits."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from laconvnet.data.folder.schema import DatasetInfo, Record, has_word
from laconvnet.data.readers.coco_format import clip_bbox, inner_path
from laconvnet.data.readers.conversion import Entry, Pictures, Skipped, Source, field_of, load_json, require
from laconvnet.processing.masks import encode_mask

_LAYOUT = """expected layout:
  anns/<dataset>.json or <dataset>.json    (exactly one: {split: [{iid, bbox, refs, ...}]})
  images/    (the pictures, there or in images/train2014, images/coco or images/<dataset>; or name their folder)
  masks/<dataset>/<mask_id>.npy    (where there are masks)"""


def open_authors(folder: Path, pictures: Path | None = None) -> Source:
    """Find one of the authors' annotation files with its pictures.

    An item is an object: `bbox` [x, y, width, height] in pixels, `refs` its sentences, `mask_id` the name of its mask,
    `cat_id` its category, which is not used. `iid` names its picture: a number is one of COCO
    ("COCO_train2014_<12 digits>.jpg") or else "<iid>.jpg", a text is a file's name. Items of several datasets have a
    `data_source`, the folder below images/, here and in what is written, so that datasets may share names; those of
    Visual Genome a `url`, the path below it.

    One record per sentence: `id` is "<item>_<sentence>", counted from 0, and `group` the data source. A mask is a
    uint8 array (height, width) that is not 0 in the object.

    Args:
        folder: with the file.
        pictures: the folder of pictures, if not images/.

    Raises:
        FileNotFoundError: something is missing; names it and the expected layout.
        ValueError: there are several such files, or the file is not of this form; names it and the place in it.
    """
    found = sorted([*folder.glob("anns/*.json"), *folder.glob("*.json")])
    parts = [*([] if found else [("anns/<dataset>.json", "<dataset>.json")]), *([] if pictures else [("images",)])]
    require(folder, _LAYOUT, *parts)
    if len(found) > 1:
        raise ValueError(f"{folder} holds several files: {', '.join(map(str, found))}; {_LAYOUT}")
    path = found[0]
    content = load_json(path)
    if not isinstance(content, dict) or not content or not all(map(_is_items, content.values())):
        raise ValueError(f"{path}: must be an object with a list of objects for each split")
    for split in content:
        if "/" in inner_path(split, str(path)):
            raise ValueError(f"{path}: a split must be named as a file can be, got {split!r}")
    items = _Items(path, folder / "masks" / path.stem, pictures or folder / "images")
    splits = {split: partial(items.read, split, rows) for split, rows in content.items()}
    info = DatasetInfo(
        name=path.stem,
        source=f"annotations of the authors of LaConvNet and SimREC, {path.name}",
        licence="that of the datasets they are made from",
        tasks=("rec", "res") if items.masks.is_dir() else ("rec",),
    )
    return Source(folder, info, splits, unit="sentences", pictures=pictures)


def _is_items(rows: Any) -> bool:
    return isinstance(rows, list) and all(isinstance(row, dict) for row in rows)


class _Items:
    """The items of a file, its folder of masks and its folder of pictures."""

    def __init__(self, path: Path, masks: Path, root: Path) -> None:
        self.path, self.masks = path, masks
        self._pictures = Pictures([root])

    def read(self, split: str, rows: list[dict[str, Any]], skipped: Skipped) -> Iterator[Entry]:
        """The records of a split."""
        placed = [(number, f"{self.path}: {split}[{number}]") for number in range(len(rows))]
        places = [(self._names(rows[number], where), number, where) for number, where in placed]
        # Items of one picture side by side, so that it is decoded once.
        for names, number, where in sorted(places):
            row = rows[number]
            picture, size = self._pictures.find(names, where)
            box = clip_bbox(field_of(row, "bbox", where), *size, where)
            sentences = field_of(row, "refs", where)
            if not isinstance(sentences, list) or not all(isinstance(text, str) for text in sentences):
                raise ValueError(f"{where}: refs must be a list of texts, got {sentences!r}")
            if box is None:
                skipped["of an object without area in the picture"] += len(sentences)
                continue
            mask = self._mask(row.get("mask_id"), *size, where)
            for place, text in enumerate(map(str.strip, sentences)):
                if not has_word(text):
                    skipped["without a word"] += 1
                    continue
                record = Record(
                    f"{number}_{place}",
                    picture.name,
                    *size,
                    text,
                    boxes=(box,),
                    masks=None if mask is None else (mask,),
                    group=row.get("data_source"),
                )
                yield Entry(picture, record, row.get("data_source") or "")

    def _names(self, row: dict[str, Any], where: str) -> tuple[str, ...]:
        """The paths below images/ that an item's picture may have."""
        source, image = row.get("data_source"), field_of(row, "iid", where)
        if source is None:
            folders = ["", "train2014/", "coco/", f"{self.path.stem}/"]
        else:
            folders = [f"{inner_path(source, where)}/", *(["train2014/", ""] if source == "coco" else [])]
        if row.get("url") is not None:
            files = [inner_path(row["url"], where)]
            folders.append("")
        elif isinstance(image, int | str) and str(image).isdecimal():
            files = [f"COCO_train2014_{int(image):012}.jpg", f"{image}.jpg"]
        else:
            files = [inner_path(image, where)]
        return tuple(dict.fromkeys(folder + file for folder in folders for file in files))

    def _mask(self, name: Any, width: int, height: int, where: str) -> dict[str, Any] | None:
        if name is None:
            return None
        path = self.masks / inner_path(f"{name}.npy", where)
        if not path.is_file():
            return None
        try:
            mask = np.load(path, allow_pickle=False)
        except (ValueError, EOFError, OSError) as error:
            raise ValueError(f"{where}: {path} is no array: {error}") from None
        if mask.shape != (height, width) or mask.dtype.kind not in "biu":
            raise ValueError(
                f"{where}: {path} must be an array of whole numbers of shape {(height, width)}, as its picture is, "
                f"got {mask.dtype} {mask.shape}"
            )
        return encode_mask(mask != 0)
