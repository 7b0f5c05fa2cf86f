"""CLEVR, from its official layout and from one like it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from laconvnet.data import read_records
from laconvnet.data.readers import convert
from laconvnet.data.readers.clevr import open_clevr

SCENE = {"function": "scene", "inputs": [], "value_inputs": []}
RED = {"function": "filter_color", "inputs": [0], "value_inputs": ["red"]}
COUNT = [SCENE, RED, {"function": "count", "inputs": [1], "value_inputs": []}]
EXIST = [{"type": node["function"], **node} for node in (SCENE, {**COUNT[2], "function": "exist", "inputs": [0]})]


def question(picture: str, text: str, **more: Any) -> dict[str, Any]:
    return {"image_filename": picture, "question": text, **more}


def write_tree(root: Path, questions: list[dict[str, Any]], official: bool = True, split: str = "val") -> Path:
    images = root / "images" / split if official else root / split / "images"
    images.mkdir(parents=True)
    for name in ("a.png", "b.png"):
        Image.new("RGB", (8, 6)).save(images / name)
    path = root / "questions" / f"CLEVR_{split}_questions.json" if official else root / split / "CLEVR_questions.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"info": {}, "questions": questions}))
    return root


QUESTIONS = [
    question("b.png", "How many red things are there?", answer="2", program=COUNT),
    question("a.png", "Is there anything?", answer=True, program=EXIST),
    question("b.png", "How many red ones?", answer=2, program=COUNT),
]


@pytest.mark.parametrize("official", [True, False])
def test_questions_become_records(tmp_path: Path, official: bool) -> None:
    tree = write_tree(tmp_path / "clevr", QUESTIONS, official)
    write_tree(tmp_path / "clevr", QUESTIONS[:1], official, "train")
    conversion = convert(open_clevr(tree), tmp_path / "out", progress=False)
    assert [(r.id, r.answer, r.group, r.image) for r in read_records(tmp_path / "out" / "val.jsonl")] == [
        ("val_1", "yes", "exist", "images/val/a.png"),
        ("val_0", "2", "count", "images/val/b.png"),
        ("val_2", "2", "count", "images/val/b.png"),
    ]
    (record,) = read_records(tmp_path / "out" / "train.jsonl")
    assert record.image == "images/train/b.png" and record.program is not None and "red" in record.program
    assert conversion.records == {"train": 1, "val": 3}


def test_the_test_split_is_not_answered(tmp_path: Path) -> None:
    tree = write_tree(tmp_path / "clevr", [question("a.png", "Is there anything?")], split="test")
    convert(open_clevr(tree), tmp_path / "out", progress=False)
    (record,) = read_records(tmp_path / "out" / "test.jsonl")
    assert (record.answer, record.group, record.program) == (None, None, None)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"image_filename": "c.png"}, r"questions\[0\]: no picture .*c\.png"),
        ({"image_filename": "../../a.png"}, None),
        ({"program": []}, r"questions\[0\]: not a program of CLEVR"),
        ({"program": [{"function": "dance", "inputs": [], "value_inputs": []}]}, "not a program of CLEVR: KeyError"),
    ],
)
def test_broken_questions_are_named(tmp_path: Path, change: dict[str, Any], message: str | None) -> None:
    tree = write_tree(tmp_path / "clevr", [{**QUESTIONS[1], **change}])
    if message is None:  # a path that climbs out of the folder names a picture within all the same
        convert(open_clevr(tree), tmp_path / "out", progress=False)
        assert read_records(tmp_path / "out" / "val.jsonl")[0].image == "images/val/a.png"
        return
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        convert(open_clevr(tree), tmp_path / "out", progress=False)
    assert not (tmp_path / "out").exists()


def test_the_real_data(real_data: object, tmp_path: Path) -> None:
    source = open_clevr(real_data("clevr_sample"))  # type: ignore[operator]
    conversion = convert(source, tmp_path / "out", link="symlink", progress=False)
    assert conversion.records == {"train": 1000, "val": 200, "test": 50}
    assert conversion.images == {"train": 100, "val": 20, "test": 5}
