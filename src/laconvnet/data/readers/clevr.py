"""CLEVR v1.0 (Johnson et al. 2017): questions about drawn scenes, each with its program."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from laconvnet.data.folder.schema import DatasetInfo, Record
from laconvnet.data.readers.conversion import (
    Entry,
    Pictures,
    Skipped,
    Source,
    field_of,
    read_json,
    require,
    text_of,
)
from laconvnet.scenes.clevr import program_from_json

SPLITS = ("train", "val", "test")

INFO = DatasetInfo(
    name="CLEVR",
    source="Johnson et al., CLEVR: A Diagnostic Dataset for Compositional Language, CVPR 2017",
    licence="CC BY 4.0",
    tasks=("vqa",),
)

_LAYOUT = """expected layout:
  questions/CLEVR_{train,val,test}_questions.json    (at least one of them)
  images/{train,val,test}/<name>.png
or, for scenes drawn in CLEVR's manner, {train,val,test}/CLEVR_questions.json and {train,val,test}/images/<name>.png"""

_FAMILIES = {
    "count": "count",
    "exist": "exist",
    **dict.fromkeys(("equal_integer", "less_than", "greater_than"), "compare_integer"),
    **dict.fromkeys((f"query_{name}" for name in ("color", "shape", "size", "material")), "query_attribute"),
    **dict.fromkeys((f"equal_{name}" for name in ("color", "shape", "size", "material")), "compare_attribute"),
}


def open_clevr(folder: Path, pictures: Path | None = None) -> Source:
    """Find CLEVR v1.0 in its official layout.

    One record per question: `answer` is its answer, `group` its family, `program` its program in the language of
    `laconvnet.scenes`; the test split has none of them. `id` is "<split>_<number of the question>".

    Args:
        folder: the unpacked archive.
        pictures: the folder that holds a folder of pictures for each split, if not within.

    Raises:
        FileNotFoundError: something is missing; names it and the expected layout.
    """
    splits = {}
    for split in SPLITS:
        official = folder / "questions" / f"CLEVR_{split}_questions.json", (pictures or folder / "images") / split
        alike = folder / split / "CLEVR_questions.json", (pictures or folder) / split / "images"
        for questions, images in (official, alike):
            if questions.is_file():
                splits[split] = partial(_questions, questions, images, split)
    if not splits:
        require(folder, _LAYOUT, tuple(f"questions/CLEVR_{split}_questions.json" for split in SPLITS))
    published = {"train": 699_989, "val": 149_991, "test": 149_988}
    return Source(folder, INFO, splits, published, "questions", folder_per_split=True, pictures=pictures)


def _questions(path: Path, images: Path, split: str, skipped: Skipped) -> Iterator[Entry]:
    rows = []
    for number, row in enumerate(read_json(path, "questions")):
        where = f"{path}: questions[{number}]"
        rows.append((text_of(row, "image_filename", where), number, where, row))
    # Questions about one picture side by side, so that it is decoded once.
    rows.sort(key=lambda entry: entry[:2])
    pictures = Pictures([images])
    for name, number, where, row in rows:
        picture, size = pictures.find((Path(name).name,), where)
        answer, group, program = None, None, None
        if "answer" in row:
            answer = _words(row["answer"])
            group, program = _meaning(field_of(row, "program", where), where)
        question = text_of(row, "question", where)
        record = Record(f"{split}_{number}", picture.name, *size, question, answer=answer, group=group, program=program)
        yield Entry(picture, record)


def _words(answer: object) -> str:
    """CLEVR writes "yes" and "3"; some that follow it write true and 3."""
    return ("no", "yes")[answer] if isinstance(answer, bool) else str(answer)


def _meaning(nodes: list[dict[str, Any]], where: str) -> tuple[str, str]:
    """Family and program of a question's nodes, whose functions CLEVR calls "function", and some "type"."""
    try:
        named = [{**node, "function": node["function"] if "function" in node else node["type"]} for node in nodes]
        return _FAMILIES[named[-1]["function"]], str(program_from_json(named))
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise ValueError(f"{where}: not a program of CLEVR: {error!r}") from None
