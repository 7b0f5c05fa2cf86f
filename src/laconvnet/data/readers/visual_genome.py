"""Visual Genome (Krishna et al. 2017): regions of photographs, each with a short description."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from laconvnet.data.folder.schema import DatasetInfo, Record, has_word
from laconvnet.data.readers.coco_format import clip_bbox, frame_of, whole_number
from laconvnet.data.readers.conversion import Entry, Skipped, Source, field_of, find_picture, listed, require, text_of
from laconvnet.data.readers.streams import stream_objects

PICTURE_FOLDERS = ("VG_100K", "VG_100K_2", "images", "images/VG_100K", "images/VG_100K_2")

INFO = DatasetInfo(
    name="Visual Genome regions",
    source="Krishna et al., Visual Genome, IJCV 2017",
    licence="annotations CC BY 4.0; the photographs belong to their authors",
    tasks=("rec",),
)

_LAYOUT = """expected layout:
  image_data.json, region_descriptions.json    (version 1.2 or 1.4)
  VG_100K/<image>.jpg, VG_100K_2/<image>.jpg    (the photographs, or name their folder)"""


def open_visual_genome(folder: Path, pictures: Path | None = None) -> Source:
    """Find the region descriptions of Visual Genome, version 1.2 or 1.4, in their official layout.

    One split, "train". One record per region: `text` is its phrase, `boxes` its rectangle clipped to the photograph,
    `id` its number, and the photograph keeps its name, "<image>.jpg". Regions outside the photograph or without a word
    are left out and counted. region_descriptions.json, of about 700 MB, is read photograph by photograph; memory is
    taken by the check that no id of the 5.4 million occurs twice, about 1 GB.

    Args:
        folder: with the two lists.
        pictures: the folder of photographs, or the one with VG_100K and VG_100K_2, if not within.

    Raises:
        FileNotFoundError: something is missing; names it and the expected layout.
    """
    parts = [("image_data.json",), ("region_descriptions.json",), *([] if pictures else [PICTURE_FOLDERS])]
    images, regions, *_ = require(folder, _LAYOUT, *parts)
    root = pictures or folder
    places = [place for place in (root, *(root / name for name in PICTURE_FOLDERS)) if place.is_dir()]
    splits = {"train": partial(_regions, images, regions, places)}
    return Source(folder, INFO, splits, {"train": 5_408_689}, "regions", pictures=pictures)


def _regions(images: Path, regions: Path, places: list[Path], skipped: Skipped) -> Iterator[Entry]:
    sizes = _sizes(images)
    for number, row in enumerate(stream_objects(regions)):
        where = f"{regions}: [{number}]"
        image = whole_number(field_of(row, "id", where), where)
        if image not in sizes:
            raise ValueError(f"{where}: image {image} is not in {images}")
        picture, size = None, sizes[image]
        for place, region in enumerate(listed(row, "regions", where)):
            of_region = f"{where}: regions[{place}]"
            sides = [field_of(region, side, of_region) for side in ("x", "y", "width", "height")]
            box, text = clip_bbox(sides, *size, of_region), text_of(region, "phrase", of_region)
            if box is None:
                skipped["without area in the picture"] += 1
            elif not has_word(text):
                skipped["without a word"] += 1
            else:
                picture = picture or find_picture(places, [f"{image}.jpg"], where)
                key = str(whole_number(field_of(region, "region_id", of_region), of_region))
                yield Entry(picture, Record(key, picture.name, *size, text, boxes=(box,)))


def _sizes(path: Path) -> dict[int, tuple[int, int]]:
    """Width and height of each photograph in pixels, by its number."""
    sizes: dict[int, tuple[int, int]] = {}
    for number, row in enumerate(stream_objects(path)):
        where = f"{path}: [{number}]"
        image = whole_number(field_of(row, "image_id" if "image_id" in row else "id", where), where)
        if image in sizes:
            raise ValueError(f"{where} has id {image}, as one before it has")
        sizes[image] = frame_of(row, where)
    return sizes
