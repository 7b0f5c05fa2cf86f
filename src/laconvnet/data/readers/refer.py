"""RefCOCO, RefCOCO+, RefCOCOg, ReferIt and gRefCOCO in the layout of the REFER toolbox (Yu et al. 2016)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

from laconvnet.data.folder.schema import DatasetInfo, Record, has_word
from laconvnet.data.readers.coco_format import Table, clip_bbox, outline_mask, read_tables, whole_number
from laconvnet.data.readers.conversion import (
    Entry,
    Skipped,
    Source,
    field_of,
    find_picture,
    load_json,
    require,
)
from laconvnet.data.readers.pickles import load_plain_pickle
from laconvnet.processing.masks import Box

COCO_FOLDERS = ("train2014", "images", "images/train2014", "images/mscoco/images/train2014")
SAIAPR_FOLDERS = ("saiapr_tc-12", "images", "images/saiapr_tc-12")
_COCO = "photographs of COCO (Lin et al. 2014)"


@dataclass(frozen=True)
class Layout:
    """One dataset of the family.

    Attributes:
        info: what `dataset.json` shall say.
        references: file of the expressions.
        splits: its splits.
        pictures: folders where the pictures may lie.
        published: expressions, by split.
    """

    info: DatasetInfo
    references: str
    splits: tuple[str, ...]
    pictures: tuple[str, ...] = COCO_FOLDERS
    published: Mapping[str, int] = field(default_factory=dict)


def _info(name: str, source: str, tasks: tuple[str, ...] = ("rec", "res"), pictures: str = _COCO) -> DatasetInfo:
    licence = "annotations for research; the photographs belong to their authors"
    return DatasetInfo(name, f"{source}; {pictures}", licence, tasks)


_UNC = ("train", "val", "testA", "testB")

LAYOUTS: dict[str, Layout] = {
    "refcoco": Layout(
        _info("RefCOCO", "Yu et al., Modeling Context in Referring Expressions, ECCV 2016"),
        "refs(unc).p",
        _UNC,
        published={"train": 120_624, "val": 10_834, "testA": 5_657, "testB": 5_095},
    ),
    "refcoco+": Layout(
        _info("RefCOCO+", "Yu et al., Modeling Context in Referring Expressions, ECCV 2016"),
        "refs(unc).p",
        _UNC,
        published={"train": 120_191, "val": 10_758, "testA": 5_726, "testB": 4_889},
    ),
    "refcocog-umd": Layout(
        _info("RefCOCOg (UMD)", "Mao et al., CVPR 2016, split by Nagaraja et al., ECCV 2016"),
        "refs(umd).p",
        ("train", "val", "test"),
        published={"train": 80_512, "val": 4_896, "test": 9_602},
    ),
    "refcocog-google": Layout(
        _info("RefCOCOg (Google)", "Mao et al., Generation and Comprehension of Unambiguous Descriptions, CVPR 2016"),
        "refs(google).p",
        ("train", "val"),
        published={"train": 85_474, "val": 9_536},
    ),
    "referit": Layout(
        _info("ReferIt", "Kazemzadeh et al., ReferItGame, EMNLP 2014", pictures="photographs of SAIAPR TC-12"),
        "refs(berkeley).p",
        ("train", "val", "test"),
        SAIAPR_FOLDERS,
        {"train": 54_127, "val": 5_842, "test": 60_103},
    ),
    "grefcoco": Layout(
        _info("gRefCOCO", "Liu et al., GRES: Generalized Referring Expression Segmentation, CVPR 2023", ("gres",)),
        "grefs(unc).json",
        _UNC,
    ),
}


def open_refer(name: str, folder: Path, pictures: Path | None = None) -> Source:
    """Find a dataset of the family in REFER's layout.

    One record per sentence: `boxes` and `masks` are those of its objects, in gRefCOCO several or none; `id` is
    "<reference>_<sentence>". The pickle is read as plain containers only.

    Args:
        name: a key of `LAYOUTS`.
        folder: with the file of the expressions and instances.json.
        pictures: the folder of photographs, if not within.

    Raises:
        FileNotFoundError: something is missing; names it and the expected layout.
        ValueError: a file is not what it should be; names it and the place in it.
    """
    layout = LAYOUTS[name]
    words = f"""expected layout:
  {layout.references}    (the expressions)
  instances.json    (boxes and outlines)
  {" or ".join(layout.pictures)}    (the photographs, or name their folder)"""
    parts = [(layout.references,), ("instances.json",), *([] if pictures else [layout.pictures])]
    references, instances, *_ = require(folder, words, *parts)
    inside = [folder / name for name in layout.pictures if (folder / name).is_dir()]
    read = _References(references, instances, [pictures] if pictures else inside)
    splits = {split: partial(read.split, split) for split in layout.splits}
    return Source(folder, layout.info, splits, layout.published, "expressions", pictures=pictures)


class _References:
    """The two files, read when the first split is."""

    def __init__(self, references: Path, instances: Path, photographs: list[Path]) -> None:
        self.references, self.instances, self.photographs = references, instances, photographs
        self._rows: list[tuple[str, dict[str, Any]]] | None = None
        self._images: Table = {}
        self._objects: Table = {}

    def _read(self) -> list[tuple[str, dict[str, Any]]]:
        if self._rows is None:
            self._images, self._objects = read_tables(self.instances, "images", "annotations")
            if self.references.suffix == ".json":
                rows = load_json(self.references)
            else:
                rows = load_plain_pickle(self.references)
            if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
                raise ValueError(f"{self.references}: must be a list of references")
            self._rows = [(f"{self.references}: reference {number}", row) for number, row in enumerate(rows)]
        return self._rows

    def split(self, split: str, skipped: Skipped) -> Iterator[Entry]:
        """The records of a split."""
        rows = [entry for entry in self._read() if field_of(entry[1], "split", entry[0]) == split]
        # References to one photograph side by side, so that it is decoded once.
        for where, row in sorted(
            rows, key=lambda entry: whole_number(field_of(entry[1], "image_id", entry[0]), entry[0])
        ):
            number = whole_number(row["image_id"], where)
            if number not in self._images:
                raise ValueError(f"{where}: image {number} is not in {self.instances}")
            image = self._images[number]
            of_image = f"{self.instances}: image {number}"
            path = PurePosixPath(field_of(image, "file_name", of_image))
            names = [path.name] if path.is_absolute() or ".." in path.parts else [path.name, str(path)]
            picture = find_picture(self.photographs, names, where)
            width, height = (int(field_of(image, side, of_image)) for side in ("width", "height"))
            objects = [self._object(key, where) for key in _keys(field_of(row, "ann_id", where), where)]
            targets = [self._target(each, width, height) for each in objects]
            boxes, masks = tuple(box for box, _ in targets), tuple(mask for _, mask in targets)
            for sentence in field_of(row, "sentences", where):
                text = str(sentence.get("raw") or field_of(sentence, "sent", where)).strip()
                if not has_word(text):
                    skipped["without a word"] += 1
                    continue
                key = f"{field_of(row, 'ref_id', where)}_{field_of(sentence, 'sent_id', where)}"
                yield Entry(picture, Record(key, picture.name, width, height, text, boxes=boxes, masks=masks))

    def _object(self, key: int, where: str) -> dict[str, Any]:
        if key not in self._objects:
            raise ValueError(f"{where}: object {key} is not in {self.instances}")
        return self._objects[key]

    def _target(self, instance: Mapping[str, Any], width: int, height: int) -> tuple[Box, dict[str, Any]]:
        where = f"{self.instances}: annotation {instance['id']}"
        bbox = field_of(instance, "bbox", where)
        box = clip_bbox(bbox, width, height, where)
        if box is None:
            raise ValueError(f"{where}: bbox {bbox} has no area in a picture of {width} x {height}")
        return box, outline_mask(field_of(instance, "segmentation", where), width, height, where)


def _keys(objects: Any, where: str) -> list[int]:
    """A reference names one object, or in gRefCOCO a list of them, -1 for none."""
    listed = objects if isinstance(objects, list | tuple) else [objects]
    return [key for key in (whole_number(each, where) for each in listed) if key != -1]
