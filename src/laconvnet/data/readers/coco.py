"""People's own data in COCO's detection format, with a text for each object or only its category."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from laconvnet.data.folder.schema import DatasetInfo, Record, has_word
from laconvnet.data.readers.coco_format import (
    Table,
    clip_bbox,
    frame_of,
    inner_path,
    outline_mask,
    read_tables,
    split_folders,
    whole_number,
)
from laconvnet.data.readers.conversion import Entry, Skipped, Source, field_of, find_picture, require, text_of
from laconvnet.processing.masks import Box

TEXTS = ("caption", "captions", "phrase", "expression")
"""The keys under which an annotation may have its text or a list of texts; the first that is there counts."""

_LAYOUT = """expected layout:
  annotations/<split>.json or <split>.json    (at least one)
  images/ or images/<split>/    (the pictures that the files name; or name their folder)"""


class _Target(NamedTuple):
    box: Box
    mask: dict[str, Any] | None


def open_coco(folder: Path, pictures: Path | None = None) -> Source:
    """Find annotations in COCO's detection format with their pictures.

    A file has `images` (`id`, `file_name`, `width`, `height`), `annotations` (`id`, `image_id`, `bbox` [x, y, width,
    height] in pixels, and perhaps `segmentation`, polygons or run lengths), and `categories` (`id`, `name`).

    One record per text of an annotation, see `TEXTS`: `id` is "<annotation>_<text>". Annotations without text are told
    by their category's name: one record for all of a category in a picture, with all their boxes, and their masks if
    each has one; `id` is "image<image>_category<category>". `group` is the category. Crowds are left out and counted.

    Args:
        folder: with the files; their names are those of the splits.
        pictures: the folder of pictures, if not within.

    Raises:
        FileNotFoundError: there is no such file; names the expected layout.
    """
    files = sorted(folder.glob("annotations/*.json")) or sorted(folder.glob("*.json"))
    if not files:
        require(folder, _LAYOUT, ("annotations/<split>.json", "<split>.json"))
    places, own = split_folders(folder, pictures, [path.stem for path in files])
    info = DatasetInfo(
        name=folder.resolve().name,
        source=f"COCO files {', '.join(path.name for path in files)}",
        licence="that of the data",
        tasks=("rec", "res"),
    )
    splits = {path.stem: partial(_annotations, path, places[path.stem]) for path in files}
    return Source(folder, info, splits, unit="annotations or texts", folder_per_split=own, pictures=pictures)


def _annotations(path: Path, places: list[Path], skipped: Skipped) -> Iterator[Entry]:
    images, annotations, categories = read_tables(path, "images", "annotations", optional=("categories",))
    of_image: dict[int, Table] = {}
    for number, row in annotations.items():
        where = f"{path}: annotation {number}"
        image = whole_number(field_of(row, "image_id", where), where)
        if image not in images:
            raise ValueError(f"{where}: image {image} is not among the file's images")
        of_image.setdefault(image, {})[number] = row
    for image, rows in of_image.items():
        where = f"{path}: image {image}"
        picture = find_picture(places, [inner_path(field_of(images[image], "file_name", where), where)], where)
        size = frame_of(images[image], where)
        for key, text, group, targets in _sentences(path, image, rows, size, categories, skipped):
            masks = [target.mask for target in targets if target.mask is not None]
            record = Record(
                key,
                picture.name,
                *size,
                text,
                boxes=tuple(target.box for target in targets),
                masks=tuple(masks) if len(masks) == len(targets) else None,
                group=group,
            )
            yield Entry(picture, record)


def _sentences(
    path: Path, image: int, rows: Table, size: tuple[int, int], categories: Table, skipped: Skipped
) -> Iterator[tuple[str, str, str | None, list[_Target]]]:
    """Id, text, category and targets of each record of a picture."""
    alike: dict[tuple[int, str], list[_Target]] = {}
    for number, row in rows.items():
        where = f"{path}: annotation {number}"
        if row.get("iscrowd"):
            skipped["of crowds"] += 1
            continue
        box = clip_bbox(field_of(row, "bbox", where), *size, where)
        if box is None:
            skipped["without area in the picture"] += 1
            continue
        outline = row.get("segmentation")
        target = _Target(box, outline_mask(outline, *size, where) if outline else None)
        texts, category = _texts(row, where), _category(row, categories, path, where)
        if texts is None:
            if category is None:
                raise ValueError(f"{where}: neither a category nor a text under {', '.join(TEXTS)}")
            alike.setdefault(category, []).append(target)
            continue
        for place, text in enumerate(texts):
            if has_word(text):
                yield f"{number}_{place}", text, category and category[1], [target]
            else:
                skipped["without a word"] += 1
    for (number, name), targets in alike.items():
        yield f"image{image}_category{number}", name, name, targets


def _texts(row: dict[str, Any], where: str) -> list[str] | None:
    for key in TEXTS:
        value = row.get(key)
        if value is not None:
            texts = value if isinstance(value, list) else [value]
            if not all(isinstance(text, str) for text in texts):
                raise ValueError(f"{where}: {key} must be text or a list of texts, got {value!r}")
            return [text.strip() for text in texts]
    return None


def _category(row: dict[str, Any], categories: Table, path: Path, where: str) -> tuple[int, str] | None:
    """Number and name of an annotation's category."""
    if not categories or row.get("category_id") is None:
        return None
    number = whole_number(row["category_id"], where)
    if number not in categories:
        raise ValueError(f"{where}: category {number} is not among the file's categories")
    name = text_of(categories[number], "name", f"{path}: category {number}")
    if not has_word(name):
        raise ValueError(f"{path}: category {number}: its name has no words: {name!r}")
    return number, name
