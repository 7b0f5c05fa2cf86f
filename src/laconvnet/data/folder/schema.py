"""The dataset folder: `dataset.json`, pictures, and `<split>.jsonl` with one `Record` a line."""

from __future__ import annotations

import difflib
import json
import math
import os
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from laconvnet.processing.masks import Box

LABELS = ("boxes", "masks", "answer", "answers")
"""The keys of a record that a task can require; a missing one means "not labelled"."""

_REQUIRED = ("id", "image", "width", "height", "text")
_KEYS = (*_REQUIRED, *LABELS, "group", "program")


class SchemaError(ValueError):
    """A dataset file breaks the contract; the message has one line per problem, each `file:line: what`.

    Attributes:
        problems: the same problems without their place.
    """

    def __init__(self, message: str, problems: Iterable[str] = ()) -> None:
        super().__init__(message)
        self.problems = tuple(problems) or (message,)

    @classmethod
    def at(cls, where: str, problems: Iterable[str]) -> SchemaError:
        """Builds the error for several problems of one place, given as `file:line`."""
        problems = tuple(problems)
        return cls("\n".join(f"{where}: {problem}" for problem in problems), problems)


@dataclass(frozen=True, slots=True)
class Record:
    """One sentence about one picture, with what is known of its answer.

    Attributes:
        id: unique in its split.
        image: path of the picture, relative to the dataset folder, with forward slashes.
        width: width of the frame in which boxes and masks are given, pixels; the file may be a resized copy.
        height: height of that frame, pixels.
        text: the sentence, phrase or question.
        boxes: half-open (x0, y0, x1, y1) in the frame; `()` says "no target", None "not labelled".
        masks: COCO run-length encodings of size [height, width]; None "not labelled".
        answer: the one right answer.
        answers: soft scores, answer to a number in [0, 1].
        group: a label by which results are reported apart.
        program: the meaning of the text in a formal language, for diagnosis.
    """

    id: str
    image: str
    width: int
    height: int
    text: str
    boxes: tuple[Box, ...] | None = None
    masks: tuple[Mapping[str, Any], ...] | None = None
    answer: str | None = None
    answers: Mapping[str, float] | None = None
    group: str | None = None
    program: str | None = None

    @classmethod
    def from_json(cls, source: str | Mapping[str, Any], where: str = "record") -> Record:
        """Reads and checks one record.

        Args:
            source: one line of JSON, or the mapping it holds.
            where: the place named in errors, `file:line`.

        Raises:
            SchemaError: not JSON, or not a record; names every problem, the value and what is allowed.
        """
        if isinstance(source, str):
            try:
                source = json.loads(source)
            except ValueError as error:
                raise SchemaError.at(where, [f"not JSON: {error}"]) from None
        problems = list(_problems(source))
        if problems:
            raise SchemaError.at(where, problems)
        assert isinstance(source, Mapping)
        boxes, masks = source.get("boxes"), source.get("masks")
        if boxes is not None:
            boxes = tuple((float(x0), float(y0), float(x1), float(y1)) for x0, y0, x1, y1 in boxes)
        return cls(
            source["id"],
            source["image"],
            source["width"],
            source["height"],
            source["text"],
            boxes,
            None if masks is None else tuple(masks),
            source.get("answer"),
            source.get("answers"),
            source.get("group"),
            source.get("program"),
        )

    @property
    def is_question(self) -> bool:
        """Whether it asks: it has an answer, or no boxes. Masks of a question show where to look."""
        return self.boxes is None or self._is_answered

    @property
    def is_expression(self) -> bool:
        """Whether it names something: it has boxes, or no answer."""
        return self.boxes is not None or not self._is_answered

    @property
    def _is_answered(self) -> bool:
        return self.answer is not None or self.answers is not None

    def to_json(self) -> str:
        """Returns the record as one line of JSON without a line break; keys that are None are left out."""
        data: dict[str, Any] = {}
        for key in _KEYS:
            value = getattr(self, key)
            if value is not None:
                data[key] = value
        if self.boxes is not None:
            data["boxes"] = [[_short(value) for value in box] for box in self.boxes]
        return json.dumps(data, ensure_ascii=False, allow_nan=False)


def has_word(text: str) -> bool:
    """Whether a text holds a letter, digit or symbol (an emoji is one), and not only punctuation and space."""
    categories = map(unicodedata.category, text)
    return any(category[0] in "LNS" and category not in ("Lm", "Sk") for category in categories)


def _short(value: float) -> float | int:
    """Writes whole numbers without a decimal point."""
    return int(value) if value == int(value) else value


def _problems(data: Any) -> Iterator[str]:
    """Yields all that is wrong with the mapping of one record, in words."""
    if not isinstance(data, Mapping):
        yield f"a record must be a JSON object, got {type(data).__name__}"
        return
    for key in data:
        if key not in _KEYS:
            nearest = difflib.get_close_matches(key, _KEYS, n=1)
            hint = f"; did you mean {nearest[0]!r}?" if nearest else ""
            yield f"unknown key {key!r}; allowed are {', '.join(_KEYS)}{hint}"
    for key in _REQUIRED:
        if key not in data:
            yield f"missing key {key!r}"
    for key in ("id", "image", "text", "answer", "group", "program"):
        value = data.get(key)
        if key in data and (not isinstance(value, str) or not value):
            yield f"{key!r} must be a non-empty string, got {value!r}"
    text = data.get("text")
    if isinstance(text, str) and text and not has_word(text):
        yield f"'text' has no words: {text!r}"
    image = data.get("image")
    if isinstance(image, str) and (image.startswith("/") or "\\" in image or ".." in image.split("/")):
        yield f"'image' must be a path inside the dataset folder with forward slashes, got {image!r}"
    frame_is_known = True
    for key in ("width", "height"):
        value = data.get(key)
        if type(value) is not int or value < 1:
            frame_is_known = False
            if key in data:
                yield f"{key!r} must be a whole number of at least 1 pixel, got {value!r}"
    frame = (data["width"], data["height"]) if frame_is_known else (math.inf, math.inf)
    if "boxes" in data:
        yield from _box_problems(data["boxes"], *frame)
    if "masks" in data:
        yield from _mask_problems(data["masks"], *frame)
    if "answers" in data:
        yield from _answer_problems(data["answers"])


def _box_problems(boxes: Any, width: float, height: float) -> Iterator[str]:
    if not isinstance(boxes, list | tuple):
        yield f"'boxes' must be a list of [x0, y0, x1, y1], got {boxes!r}"
        return
    for number, box in enumerate(boxes):
        four = isinstance(box, list | tuple) and len(box) == 4
        if not four or not all(type(value) in (int, float) for value in box):
            yield f"boxes[{number}] must be four numbers [x0, y0, x1, y1], got {box!r}"
            continue
        x0, y0, x1, y1 = box
        if 0 <= x0 < x1 <= width and 0 <= y0 < y1 <= height:
            continue
        if not all(map(math.isfinite, box)):
            yield f"boxes[{number}] must be finite, got {list(box)}"
        elif x0 >= x1 or y0 >= y1:
            yield f"boxes[{number}] = {list(box)} has no area; x0 < x1 and y0 < y1 are needed"
        else:
            yield f"boxes[{number}] = {list(box)} leaves the frame of width {width} and height {height}"


def _mask_problems(masks: Any, width: float, height: float) -> Iterator[str]:
    if not isinstance(masks, list | tuple):
        yield f"'masks' must be a list of COCO run-length encodings, got {type(masks).__name__}"
        return
    for number, mask in enumerate(masks):
        if not isinstance(mask, Mapping) or set(mask) != {"size", "counts"}:
            got = sorted(mask) if isinstance(mask, Mapping) else type(mask).__name__
            yield f"masks[{number}] must have exactly the keys 'size' and 'counts', got {got}"
        elif not isinstance(mask["counts"], str | list):
            yield f"masks[{number}]['counts'] must be a string or a list, got {type(mask['counts']).__name__}"
        elif math.isfinite(width) and mask["size"] not in ([height, width], (height, width)):
            yield f"masks[{number}]['size'] must be [height, width] = {[height, width]}, got {mask['size']!r}"


def _answer_problems(answers: Any) -> Iterator[str]:
    if not isinstance(answers, Mapping) or not answers:
        yield f"'answers' must map at least one answer to a score in [0, 1], got {answers!r}"
        return
    for answer, score in answers.items():
        if type(score) not in (int, float) or not 0 <= score <= 1:
            yield f"answers[{answer!r}] must be a score in [0, 1], got {score!r}"


@dataclass(frozen=True, slots=True)
class DatasetInfo:
    """What `dataset.json` says of a dataset.

    Attributes:
        name: the dataset's name.
        source: where it comes from: a citation, an address, or the command that made it.
        licence: under which terms it may be used.
        tasks: the tasks its labels serve, such as "rec", "res" or "vqa".
    """

    name: str
    source: str
    licence: str
    tasks: tuple[str, ...]

    @classmethod
    def load(cls, root: str | os.PathLike[str]) -> DatasetInfo:
        """Reads `dataset.json` of a dataset folder.

        Raises:
            SchemaError: the file is missing, not JSON, or has other keys or types than this class.
        """
        path = Path(root) / "dataset.json"
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise SchemaError.at(str(path), ["no such file; a dataset folder holds dataset.json"]) from None
        except ValueError as error:
            raise SchemaError.at(str(path), [f"not JSON: {error}"]) from None
        keys = cls.__slots__
        if not isinstance(data, dict) or set(data) != set(keys):
            got = sorted(data) if isinstance(data, dict) else type(data).__name__
            raise SchemaError.at(str(path), [f"must have exactly the keys {', '.join(keys)}; got {got}"])
        texts = {key: data[key] for key in ("name", "source", "licence")}
        problems = [f"{key!r} must be a string, got {v!r}" for key, v in texts.items() if type(v) is not str]
        tasks = data["tasks"]
        if not isinstance(tasks, list) or not all(isinstance(task, str) for task in tasks):
            problems.append(f"'tasks' must be a list of strings, got {tasks!r}")
        if problems:
            raise SchemaError.at(str(path), problems)
        return cls(data["name"], data["source"], data["licence"], tuple(tasks))

    def save(self, root: str | os.PathLike[str]) -> None:
        """Writes `dataset.json` into a dataset folder."""
        data = {"name": self.name, "source": self.source, "licence": self.licence, "tasks": list(self.tasks)}
        text = json.dumps(data, ensure_ascii=False, indent=2) + "\n"
        _write(Path(root) / "dataset.json", [text])


def iterate_lines(path: str | os.PathLike[str]) -> Iterator[tuple[int, str]]:
    """Yields (line number from 1, text) of the lines of a file that are not blank.

    Raises:
        SchemaError: the file is missing or not UTF-8; the first names the splits beside it.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                if line.strip():
                    try:
                        yield number, line.decode("utf-8")
                    except UnicodeDecodeError as error:
                        raise SchemaError.at(f"{path}:{number}", [f"not UTF-8: {error}"]) from None
    except FileNotFoundError:
        found = ", ".join(splits(path.parent)) or "none"
        raise SchemaError.at(str(path), [f"no such file; splits found in {path.parent}: {found}"]) from None


def iterate_records(path: str | os.PathLike[str]) -> Iterator[tuple[int, Record]]:
    """Yields (line number from 1, record) of one split, skipping blank lines.

    Raises:
        SchemaError: at the first line that is not a record or repeats an id.
    """
    seen: dict[str, int] = {}
    for number, line in iterate_lines(path):
        where = f"{path}:{number}"
        record = Record.from_json(line, where)
        first = seen.setdefault(record.id, number)
        if first != number:
            raise SchemaError.at(where, [f"id {record.id!r} is that of line {first} too; ids must be unique"])
        yield number, record


def read_records(path: str | os.PathLike[str]) -> list[Record]:
    """Reads all records of one split (`<split>.jsonl`); see `iterate_records` for the errors."""
    return [record for _, record in iterate_records(path)]


def write_records(path: str | os.PathLike[str], records: Iterable[Record]) -> int:
    """Writes one split, aside first and then renamed, and returns the number of records."""
    return _write(Path(path), (record.to_json() + "\n" for record in records))


def splits(root: str | os.PathLike[str]) -> list[str]:
    """Returns the names of the splits in a dataset folder, sorted."""
    return sorted(path.stem for path in Path(root).glob("*.jsonl"))


def _write(path: Path, lines: Iterable[str]) -> int:
    """Writes text so that the file is either absent, old, or complete; returns the number of pieces."""
    aside = path.with_name(path.name + ".partial")
    count = 0
    with aside.open("w", encoding="utf-8", newline="\n") as file:
        for line in lines:
            file.write(line)
            count += 1
    os.replace(aside, path)
    return count
