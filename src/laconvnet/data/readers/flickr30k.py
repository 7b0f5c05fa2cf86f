"""Flickr30k Entities (Plummer et al. 2015): phrases of captions and the boxes they speak of."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

from tqdm import tqdm

from laconvnet.data.schema import Box, DatasetInfo, Record, has_word
from laconvnet.data.writer import DatasetWriter, Link

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


@dataclass
class Conversion:
    """What a conversion wrote and left out.

    Attributes:
        images: photographs with at least one record, by split.
        records: records, by split.
        skipped: phrases left out, by reason, over all splits.
    """

    images: dict[str, int] = field(default_factory=dict)
    records: dict[str, int] = field(default_factory=dict)
    skipped: Counter[str] = field(default_factory=Counter)

    def __str__(self) -> str:
        lines = [f"{split}: {count} records of {self.images[split]} images" for split, count in self.records.items()]
        lines += [f"skipped: {count} phrases, {reason}" for reason, count in sorted(self.skipped.items())]
        return "\n".join(lines)


class Annotation(NamedTuple):
    """The boxes of one photograph: half-open xyxy in its width x height frame, by entity."""

    width: int
    height: int
    boxes: dict[str, tuple[Box, ...]]


def convert_flickr30k(
    source: str | os.PathLike[str], out: str | os.PathLike[str], *, link: Link = "copy", progress: bool = True
) -> Conversion:
    """Converts Flickr30k Entities in its official layout into a dataset folder.

    One record per phrase of a sentence that has a box: `text` is the phrase, `boxes` are all boxes of its
    entity, `group` is its first type, `id` is "<image>_<sentence>_<phrase>", both counted from 0. Phrases
    without a box are left out and counted. The photographs may be resized copies.

    Args:
        source: folder with Annotations, Sentences, split lists and photographs.
        out: the dataset folder to make; must not exist. It appears only once it is complete.
        link: "copy", "hardlink" or "symlink" the photographs.
        progress: whether to show a progress bar.

    Raises:
        FileNotFoundError: something is missing; names it and the expected layout.
        ValueError: a file is not what it should be; names file and line.
    """
    source = Path(source)
    folders = [source / name for name in IMAGE_FOLDERS if (source / name).is_dir()]
    lists = {split: source / f"{split}.txt" for split in SPLITS if (source / f"{split}.txt").is_file()}
    missing = [name for name in ("Annotations", "Sentences") if not (source / name).is_dir()]
    missing += [] if folders else [f"{IMAGE_FOLDERS[0]} (or {' or '.join(IMAGE_FOLDERS[1:])})"]
    missing += [] if lists else ["train.txt (or val.txt or test.txt)"]
    if missing:
        raise FileNotFoundError(f"{source} lacks {', '.join(missing)}; {_LAYOUT}")

    conversion = Conversion()
    with DatasetWriter(out, INFO, link=link) as writer:
        for split, path in lists.items():
            images = path.read_text(encoding="utf-8").split()
            bar = tqdm(images, desc=split, unit="image", disable=not progress)
            records = _split_records(source, folders[0], bar, writer, split, conversion)
            conversion.images[split] = 0
            conversion.records[split] = writer.write_split(split, records)
    return conversion


def _split_records(
    source: Path, folder: Path, images: tqdm[str], writer: DatasetWriter, split: str, conversion: Conversion
) -> Iterator[Record]:
    """Yields the records of one split and brings in the photographs they need."""
    for image in images:
        annotation = read_annotation(_existing(source / "Annotations" / f"{image}.xml"))
        photograph = _existing(folder / f"{image}.jpg")
        sentences = _existing(source / "Sentences" / f"{image}.txt")
        used = ""
        for name, phrase in _read_phrases(sentences):
            entity, group, text = phrase
            boxes = annotation.boxes.get(entity)
            if boxes is None:
                conversion.skipped["not visual" if entity == _NOT_VISUAL else "without a box"] += 1
            elif not has_word(text):
                conversion.skipped["without a word"] += 1
            else:
                if not used:
                    used = writer.add_image(photograph)
                    conversion.images[split] += 1
                yield Record(
                    id=f"{image}_{name}",
                    image=used,
                    width=annotation.width,
                    height=annotation.height,
                    text=text,
                    boxes=boxes,
                    group=group,
                )


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
