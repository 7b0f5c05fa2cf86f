"""What all readers share: how a public dataset becomes a dataset folder."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

from tqdm import tqdm

from laconvnet.data.folder.schema import DatasetInfo, Record, SchemaError, iterate_lines
from laconvnet.data.folder.validate import validate
from laconvnet.data.folder.writer import DatasetWriter, Link
from laconvnet.processing.pictures import image_size

Skipped = Counter[str]
"""How much was left out, by reason."""


class Entry(NamedTuple):
    """A record and the picture of the raw download that it speaks of; `record.image` is filled in later.

    `folder` is the part of images/ to put the picture in, below that of the split if there is one.
    """

    picture: Path
    record: Record
    folder: str = ""


ReadSplit = Callable[[Skipped], Iterator[Entry]]
"""Yields the records of a split and counts what it leaves out."""


@dataclass(frozen=True)
class Source:
    """A raw download that was found complete.

    Attributes:
        folder: where it lies.
        info: what `dataset.json` shall say.
        splits: how to read each split.
        published: records that the dataset's authors count, by split.
        unit: what a record is, for reports, such as "phrases" or "questions".
        folder_per_split: pictures of different splits may share names.
        pictures: the folder of pictures, where it was named.
    """

    folder: Path
    info: DatasetInfo
    splits: Mapping[str, ReadSplit]
    published: Mapping[str, int] = field(default_factory=dict)
    unit: str = "records"
    folder_per_split: bool = False
    pictures: Path | None = None

    @property
    def identity(self) -> str:
        """What tells a conversion of this from others."""
        return " ".join(map(str, (self.folder.resolve(), self.pictures and self.pictures.resolve(), *self.splits)))


@dataclass
class Conversion:
    """What a conversion wrote and left out.

    Attributes:
        images: pictures with at least one record, by split.
        records: records, by split.
        skipped: what was left out, by reason, over all splits.
        published: records that the dataset's authors count, by split.
        unit: what a record is.
    """

    images: dict[str, int] = field(default_factory=dict)
    records: dict[str, int] = field(default_factory=dict)
    skipped: Counter[str] = field(default_factory=Counter)
    published: Mapping[str, int] = field(default_factory=dict)
    unit: str = "records"

    def __str__(self) -> str:
        lines = []
        for split, count in self.records.items():
            line = f"{split}: {count} records of {self.images[split]} images"
            lines.append(f"{line} (published: {self.published[split]})" if split in self.published else line)
        lines += [f"skipped: {count} {self.unit}, {reason}" for reason, count in sorted(self.skipped.items())]
        return "\n".join(lines)


def convert(source: Source, out: str | os.PathLike[str], *, link: Link = "copy", progress: bool = True) -> Conversion:
    """Write a dataset folder and look at it as `laconvnet data validate` does, but for the pixels.

    A conversion that was interrupted by Ctrl-C begins again with the split that was not done, when it is started with
    the same arguments and the source is as it was; one that failed leaves nothing.

    Args:
        source: what to convert.
        out: the dataset folder to make; must not exist. It appears only once it is complete.
        link: "copy", "hardlink" or "symlink" the pictures.
        progress: whether to show progress bars.

    Raises:
        ValueError: a file of the source is not what it should be; names file and line.
        SchemaError: what was written is no good dataset; names the first problems.
    """
    conversion = Conversion(published=source.published, unit=source.unit)
    with DatasetWriter(out, source.info, link=link, source=source.identity) as writer:
        for split, read in source.splits.items():
            done = writer.done.get(split)
            if done is None:
                skipped: Skipped = Counter()
                used: set[str] = set()
                bar = tqdm(read(skipped), desc=split, unit="record", disable=not progress)
                folder = split if source.folder_per_split else ""
                records = writer.write_split(split, _bring_pictures(bar, writer, folder, used))
                done = {"records": records, "images": len(used), "skipped": dict(skipped)}
                writer.mark_done(split, done)
            conversion.records[split], conversion.images[split] = done["records"], done["images"]
            conversion.skipped.update(done["skipped"])
        report = validate(writer.aside, decode=False)
        if not report.ok:
            raise SchemaError("\n".join(map(str, report.errors[:10])))
        if report.records != conversion.records:
            raise SchemaError(
                f"{writer.aside} holds {report.records} records, not {conversion.records} as were written"
            )
    return conversion


def _bring_pictures(entries: Iterable[Entry], writer: DatasetWriter, folder: str, used: set[str]) -> Iterator[Record]:
    for picture, record, below in entries:
        name = writer.add_image(picture, "/".join(filter(None, (folder, below))))
        used.add(name)
        yield replace(record, image=name)


def require(folder: Path, layout: str, *parts: tuple[str, ...]) -> list[Path]:
    """Find the parts of a raw download, each by the first of its possible names.

    Args:
        folder: where it should lie.
        layout: the expected layout, for the error.
        *parts: the names that a file or folder may have.

    Raises:
        FileNotFoundError: names all that is missing, and the layout.
    """
    found = [next((folder / name for name in names if (folder / name).exists()), None) for names in parts]
    missing = [names for names, path in zip(parts, found, strict=True) if path is None]
    if missing:
        words = ", ".join(f"{first} (or {' or '.join(others)})" if others else first for first, *others in missing)
        raise FileNotFoundError(f"{folder} lacks {words}; {layout}")
    return [path for path in found if path is not None]


def load_json(path: Path) -> Any:
    """What a JSON file holds.

    Raises:
        ValueError: not JSON; names file, line and column.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path}: not JSON: {error}") from None


def read_json(path: Path, key: str) -> list[dict[str, Any]]:
    """The list of objects under a key of a JSON file.

    Raises:
        ValueError: not JSON (names file, line and column), or without such a list.
    """
    return listed(load_json(path), key, str(path))


def listed(content: Any, key: str, where: str) -> list[dict[str, Any]]:
    """The list of objects under a key of an object.

    Raises:
        ValueError: there is none; names the place.
    """
    rows = content.get(key) if isinstance(content, dict) else None
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ValueError(f"{where}: must be an object with a list of objects under {key!r}")
    return rows


def read_json_lines(path: Path) -> Iterator[tuple[int, str, dict[str, Any]]]:
    """Yields (line from 1, file:line, object) of a file with one JSON object on each line that is not blank.

    Raises:
        ValueError: a line is not JSON, or no object; names file and line.
    """
    for number, line in iterate_lines(path):
        where = f"{path}:{number}"
        try:
            row = json.loads(line)
        except ValueError as error:
            raise ValueError(f"{where}: not JSON: {error}") from None
        if not isinstance(row, dict):
            raise ValueError(f"{where}: must be an object, got {row!r:.80}")
        yield number, where, row


def field_of(row: Mapping[str, Any], key: str, where: str) -> Any:
    """A value that a row must have.

    Raises:
        ValueError: it is missing; names the place and what is there.
    """
    if key not in row:
        raise ValueError(f"{where}: no {key!r} among {', '.join(row) or 'no fields'}")
    return row[key]


def text_of(row: Mapping[str, Any], key: str, where: str) -> str:
    """A text that a row must have, without space around it.

    Raises:
        ValueError: it is missing or no text; names the place.
    """
    value = field_of(row, key, where)
    if not isinstance(value, str):
        raise ValueError(f"{where}: {key} must be text, got {value!r}")
    return value.strip()


def find_picture(folders: Iterable[Path], names: Iterable[str], where: str) -> Path:
    """The first of some files that exists.

    Raises:
        FileNotFoundError: none does; names the place that speaks of the picture, and where it was looked for.
    """
    tried = [folder / name for folder in folders for name in names]
    for path in tried:
        if path.is_file():
            return path
    raise FileNotFoundError(f"{where}: no picture {' or '.join(map(str, tried))}")


class Pictures:
    """The pictures of a raw download with their sizes, each looked up once.

    Args:
        folders: where they may lie.
    """

    def __init__(self, folders: Iterable[Path]) -> None:
        self._folders = list(folders)
        self._found: dict[tuple[str, ...], tuple[Path, tuple[int, int]]] = {}

    def find(self, names: tuple[str, ...], where: str) -> tuple[Path, tuple[int, int]]:
        """The picture that has one of some names, and its width and height; see `find_picture` and `image_size`."""
        if names not in self._found:
            picture = find_picture(self._folders, names, where)
            self._found[names] = picture, image_size(picture)
        return self._found[names]
