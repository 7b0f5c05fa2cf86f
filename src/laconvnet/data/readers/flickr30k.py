"""Flickr30k Entities (Plummer et al. 2015): phrases of captions and the boxes they speak of."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

from laconvnet.data.folder.schema import DatasetInfo, Record, has_word
from laconvnet.data.readers.conversion import Entry, Skipped, Source, require
from laconvnet.processing.masks import Box

SPLITS = ("train", "val", "test")
IMAGE_FOLDERS = ("images", "flickr30k_images", "flickr30k-images")

INFO = DatasetInfo(
    name="Flickr30k Entities",
    source="Plummer et al., Flickr30k Entities, ICCV 2015; photographs of Young et al., TACL 2014",
    licence="non-commercial research and education; the photographs belong to their authors",
    tasks=("rec",),
)

_LAYOUT = f"""expected layout:
  Annotations/<id>.xml, Sentences/<id>.txt    (annotations.zip of Flickr30k Entities)
  train.txt, val.txt, test.txt                (image ids, one a line; at least one of them)
  {" or ".join(f"{name}/<id>.jpg" for name in IMAGE_FOLDERS)}    (the Flickr30k photographs, on request)"""

# "[/EN#18/people A child]": the entity, its types, the words.
_PHRASE = re.compile(r"\[/EN#(?P<entity>\d+)(?P<types>(?:/[^\s/\]]+)+) (?P<words>[^\[\]]*)\]")
_NOT_VISUAL = "0"


class Annotation(NamedTuple):
    """The boxes of one photograph: half-open xyxy in its width x height frame, by entity."""

    width: int
    height: int
    boxes: dict[str, tuple[Box, ...]]


def open_flickr30k(folder: Path, pictures: Path | None = None) -> Source:
    """Find Flickr30k Entities in its official layout.

    One record per phrase of a sentence that has a box: `text` is the phrase, `boxes` are all boxes of its
    entity, `group` is its first type, `id` is "<image>_<sentence>_<phrase>", both counted from 0. Phrases
    without a box are left out and counted. The photographs may be resized copies.

    Args:
        folder: with Annotations, Sentences and split lists.
        pictures: the folder of photographs, if not within.

    Raises:
        FileNotFoundError: something is missing; names it and the expected layout.
    """
    lists = {split: folder / f"{split}.txt" for split in SPLITS if (folder / f"{split}.txt").is_file()}
    parts: list[tuple[str, ...]] = [("Annotations",), ("Sentences",)]
    parts += [] if pictures else [IMAGE_FOLDERS]
    parts += [] if lists else [tuple(f"{split}.txt" for split in SPLITS)]
    _, _, *found = require(folder, _LAYOUT, *parts)
    photographs = pictures or found[0]
    splits = {split: partial(_phrases, folder, photographs, path) for split, path in lists.items()}
    return Source(folder, INFO, splits, unit="phrases", pictures=pictures)


def _phrases(folder: Path, photographs: Path, split: Path, skipped: Skipped) -> Iterator[Entry]:
    for image in split.read_text(encoding="utf-8").split():
        annotation = read_annotation(_existing(folder / "Annotations" / f"{image}.xml"))
        photograph = _existing(photographs / f"{image}.jpg")
        for name, (entity, group, text) in _read_phrases(_existing(folder / "Sentences" / f"{image}.txt")):
            boxes = annotation.boxes.get(entity)
            if boxes is None:
                skipped["not visual" if entity == _NOT_VISUAL else "without a box"] += 1
            elif not has_word(text):
                skipped["without a word"] += 1
            else:
                frame = annotation.width, annotation.height
                record = Record(f"{image}_{name}", photograph.name, *frame, text, boxes=boxes, group=group)
                yield Entry(photograph, record)


def read_annotation(path: Path) -> Annotation:
    """Reads the boxes of one photograph.

    Raises:
        ValueError: not XML, or not of the expected form; names the file.
    """
    try:
        root = ElementTree.parse(path).getroot()
        width, height = int(_text(root, "size/width")), int(_text(root, "size/height"))
        boxes: dict[str, dict[Box, None]] = {}
        for element in root.iterfind("object"):
            corners = element.find("bndbox")
            if corners is None:
                continue
            # The corners are pixels counted from 1, both inside the box: over the whole dataset the lowest
            # is 1 and the highest the width (or height) itself. Half-open and from 0, only the first moves.
            box = (
                float(max(0, int(_text(corners, "xmin")) - 1)),
                float(max(0, int(_text(corners, "ymin")) - 1)),
                float(min(width, int(_text(corners, "xmax")))),
                float(min(height, int(_text(corners, "ymax")))),
            )
            if box[0] < box[2] and box[1] < box[3]:
                for name in element.iterfind("name"):
                    boxes.setdefault((name.text or "").strip(), {})[box] = None
    except (ElementTree.ParseError, ValueError) as error:
        raise ValueError(f"{path}: not an annotation of Flickr30k Entities: {error}") from error
    return Annotation(width, height, {entity: tuple(found) for entity, found in boxes.items()})


def _text(element: ElementTree.Element, path: str) -> str:
    found = element.findtext(path)
    if found is None:
        raise ValueError(f"no <{path}> in <{element.tag}>")
    return found


def _read_phrases(path: Path) -> Iterator[tuple[str, tuple[str, str, str]]]:
    """Yields ("<sentence>_<phrase>", (entity, first type, words)) for the marked phrases of five captions."""
    for sentence, line in enumerate(path.read_text(encoding="utf-8").splitlines()):
        phrases = list(_PHRASE.finditer(line))
        if (opened := line.count("[/EN#")) != len(phrases):
            raise ValueError(
                f"{path}:{sentence + 1}: {opened} phrases are opened but {len(phrases)} are of the form "
                f"[/EN#<entity>/<type> <words>]: {line!r}"
            )
        for number, phrase in enumerate(phrases):
            group = phrase["types"].split("/")[1]
            yield f"{sentence}_{number}", (phrase["entity"], group, phrase["words"].strip())


def _existing(path: Path) -> Path:
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing; {_LAYOUT}")
    return path
