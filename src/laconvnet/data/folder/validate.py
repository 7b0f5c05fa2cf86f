"""Checking a dataset folder before anything is trained on it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from tqdm import tqdm

from laconvnet.data.folder.schema import DatasetInfo, Record, SchemaError, iterate_lines, splits
from laconvnet.processing.masks import decode_mask
from laconvnet.processing.pictures import ImageError, image_size, read_image


class Problem(NamedTuple):
    """Something wrong at `where`, `file:line` or a file; after a warning nothing fails, but look at it."""

    where: str
    message: str
    warning: bool = False

    def __str__(self) -> str:
        return f"{self.where}: {'warning: ' if self.warning else ''}{self.message}"


@dataclass
class Report:
    """What `validate` found.

    Attributes:
        root: the dataset folder.
        problems: in the order of files and lines.
        records: good records, by split.
        images: distinct pictures, by split.
    """

    root: Path
    problems: list[Problem] = field(default_factory=list)
    records: dict[str, int] = field(default_factory=dict)
    images: dict[str, int] = field(default_factory=dict)

    @property
    def errors(self) -> list[Problem]:
        """The problems that are not warnings."""
        return [problem for problem in self.problems if not problem.warning]

    @property
    def ok(self) -> bool:
        """Whether there are no errors; warnings are allowed."""
        return not self.errors

    def __str__(self) -> str:
        lines = [str(problem) for problem in self.problems]
        for split, records in self.records.items():
            lines.append(f"{split}: {records} records of {self.images[split]} images")
        errors = len(self.errors)
        lines.append(f"{self.root}: {errors} errors, {len(self.problems) - errors} warnings")
        return "\n".join(lines)


def validate(root: str | os.PathLike[str], *, decode: bool = True, progress: bool = False) -> Report:
    """Checks every line and every picture of a dataset folder.

    Errors: `dataset.json` or all splits missing; a line that is not JSON or not a record (unknown or missing
    keys, a box without area or outside its frame, a text without words, ...); an id used twice in a split; a
    picture that cannot be read; a mask that cannot be decoded. Warnings: the expressions of one picture are
    not adjacent, so that it is decoded more than once; a picture is used by several splits. A picture may
    have any size: boxes refer to the record's own width and height.

    Args:
        root: the dataset folder.
        decode: read every picture; otherwise only its file's first bytes, which hold its size.
        progress: whether to show a progress bar over the pictures.

    Returns:
        all problems, not just the first, and the counts.
    """
    report = Report(Path(root))
    try:
        DatasetInfo.load(root)
    except SchemaError as error:
        report.problems.append(Problem(str(report.root / "dataset.json"), "; ".join(error.problems)))
    names = splits(root)
    if not names:
        report.problems.append(Problem(str(report.root), "no splits; a dataset folder holds <split>.jsonl"))

    first_use: dict[str, tuple[str, str]] = {}
    for split in names:
        path = report.root / f"{split}.jsonl"
        used: dict[str, str] = {}
        report.records[split] = 0
        for where, record in _check_lines(path, report, used):
            report.records[split] += 1
            report.problems += _mask_problems(where, record)
        for image, where in used.items():
            other, elsewhere = first_use.setdefault(image, (split, where))
            if other != split:
                message = f"picture {image!r} is used by split {other!r} too ({elsewhere})"
                report.problems.append(Problem(where, message, warning=True))
        report.images[split] = len(used)

    for image, (_, where) in tqdm(first_use.items(), desc="pictures", unit="image", disable=not progress):
        try:
            (read_image if decode else image_size)(report.root / image)
        except ImageError as image_error:
            report.problems.append(Problem(where, str(image_error)))
    return report


def _check_lines(path: Path, report: Report, used: dict[str, str]) -> Iterator[tuple[str, Record]]:
    """Yields (place, record) of good lines; collects problems and where each picture is first used."""
    ids: dict[str, int] = {}
    scattered: set[str] = set()
    previous = None
    try:
        for number, line in iterate_lines(path):
            where = f"{path}:{number}"
            try:
                record = Record.from_json(line, where)
            except SchemaError as error:
                report.problems += [Problem(where, problem) for problem in error.problems]
                continue
            first = ids.setdefault(record.id, number)
            if first != number:
                message = f"id {record.id!r} is that of line {first} too; ids must be unique"
                report.problems.append(Problem(where, message))
            if record.image != previous and record.image in used and record.image not in scattered:
                scattered.add(record.image)
                message = f"the records of picture {record.image!r} are not adjacent (first: {used[record.image]})"
                report.problems.append(Problem(where, message, warning=True))
            used.setdefault(record.image, where)
            previous = record.image
            yield where, record
    except SchemaError as error:
        # Not a text file from this line on.
        report.problems.append(Problem(str(path), str(error)))
    if not ids:
        report.problems.append(Problem(str(path), "holds no records"))


def _mask_problems(where: str, record: Record) -> Iterator[Problem]:
    for number, mask in enumerate(record.masks or ()):
        try:
            decode_mask(mask)
        except (ValueError, TypeError) as error:
            yield Problem(where, f"masks[{number}] cannot be decoded: {error}")
