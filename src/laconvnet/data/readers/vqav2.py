"""VQA v2 (Goyal et al. 2017): questions about COCO photographs, each answered by ten people."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from laconvnet.data.answers import soft_scores
from laconvnet.data.folder.schema import DatasetInfo, Record, has_word
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

SPLITS = {"train": "train", "val": "val", "test": "test2015", "test-dev": "test-dev2015"}
PICTURE_FOLDERS = ("images", "train2014", "val2014", "test2015")

INFO = DatasetInfo(
    name="VQA v2",
    source="Goyal et al., Making the V in VQA Matter, CVPR 2017; photographs of COCO (Lin et al. 2014)",
    licence="questions and answers CC BY 4.0; the photographs belong to their authors",
    tasks=("vqa",),
)

_LAYOUT = """expected layout:
  v2_OpenEnded_mscoco_{train2014,val2014,test2015,test-dev2015}_questions.json    (at least one of them)
  v2_mscoco_{train2014,val2014}_annotations.json    (for each list of questions that has answers)
  train2014/, val2014/, test2015/ or images/ with COCO_<split>_<id>.jpg    (COCO's photographs, or name their folder)"""


def open_vqav2(folder: Path, pictures: Path | None = None) -> Source:
    """Find VQA v2 in its official layout.

    One record per question: `answers` are the soft scores of `laconvnet.data.answers.soft_scores`, `answer` the most
    frequent one, `group` the type of answer ("yes/no", "number" or "other"), `id` the question's number. The test
    splits have no answers. Files may also be named without the year, as "train" for "train2014".

    Args:
        folder: with the lists of questions and annotations.
        pictures: the folder of photographs, if not within.

    Raises:
        FileNotFoundError: something is missing; names it and the expected layout.
    """
    found = {}
    for split, name in SPLITS.items():
        for year in ("2014", ""):
            questions = folder / f"v2_OpenEnded_mscoco_{name}{year}_questions.json"
            if questions.is_file():
                annotations = folder / f"v2_mscoco_{name}{year}_annotations.json"
                needed = split in ("train", "val")
                found[split] = questions, require(folder, _LAYOUT, (annotations.name,))[0] if needed else None
    if not found:
        require(folder, _LAYOUT, tuple(f"v2_OpenEnded_mscoco_{name}2014_questions.json" for name in ("train", "val")))
    folders = [pictures] if pictures else [folder / name for name in PICTURE_FOLDERS if (folder / name).is_dir()]
    if not folders:
        require(folder, _LAYOUT, PICTURE_FOLDERS)
    splits = {split: partial(_questions, *files, folders) for split, files in found.items()}
    published = {"train": 443_757, "val": 214_354, "test": 447_793, "test-dev": 107_394}
    return Source(folder, INFO, splits, published, "questions", pictures=pictures)


def _questions(path: Path, annotations: Path | None, folders: list[Path], skipped: Skipped) -> Iterator[Entry]:
    answered = {}
    if annotations is not None:
        for number, row in enumerate(read_json(annotations, "annotations")):
            answered[field_of(row, "question_id", f"{annotations}: annotations[{number}]")] = row
    rows = []
    for number, row in enumerate(read_json(path, "questions")):
        where = f"{path}: questions[{number}]"
        image = field_of(row, "image_id", where)
        if not isinstance(image, int):
            raise ValueError(f"{where}: image_id must be a whole number, got {image!r}")
        rows.append((image, where, row))
    # Questions about one photograph side by side, so that it is decoded once.
    rows.sort(key=lambda entry: entry[0])
    pictures = Pictures(folders)
    for image, where, row in rows:
        text, question = text_of(row, "question", where), field_of(row, "question_id", where)
        if not has_word(text):
            skipped["without a word"] += 1
            continue
        names = (f"COCO_{part}_{image:012}.jpg" for part in ("train2014", "val2014", "test2015"))
        picture, size = pictures.find((*names, f"{image:012}.jpg"), where)
        record = Record(str(question), picture.name, *size, text)
        if annotations is not None:
            if question not in answered:
                raise ValueError(f"{where}: question {question} is not answered in {annotations}")
            labelled = _with_answers(record, answered[question], f"{annotations}: question {question}")
            if labelled is None:
                skipped["answered without a word"] += 1
                continue
            record = labelled
        yield Entry(picture, record)


def _with_answers(record: Record, row: dict[str, Any], where: str) -> Record | None:
    """The record with what people answered; None where the normal form of all answers is empty, as that of "a" is."""
    people = [field_of(each, "answer", where) for each in field_of(row, "answers", where)]
    try:
        scores = soft_scores(people)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None
    scores.pop("", None)
    if not scores:
        return None
    return replace(record, answer=next(iter(scores)), answers=scores, group=field_of(row, "answer_type", where))
