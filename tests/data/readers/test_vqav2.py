"""VQA v2, from its official layout."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from laconvnet.data import read_records
from laconvnet.data.readers import convert
from laconvnet.data.readers.vqav2 import open_vqav2


def question(number: int, image: int, text: str = "What is it?") -> dict[str, Any]:
    return {"question_id": number, "image_id": image, "question": text}


def annotation(number: int, *answers: str, kind: str = "other") -> dict[str, Any]:
    people = [
        {"answer": answer, "answer_id": place, "answer_confidence": "yes"} for place, answer in enumerate(answers)
    ]
    return {"question_id": number, "answer_type": kind, "multiple_choice_answer": answers[0], "answers": people}


QUESTIONS = [question(2, 7), question(1, 3, "Is it red?"), question(3, 7, "?"), question(4, 7, " How many? ")]
ANSWERS = [
    annotation(1, *["Yes"] * 9, "no", kind="yes/no"),
    annotation(2, *["a cat"] * 2, *["dog."] * 8),
    annotation(3, "x", "y"),
    annotation(4, *["two"] * 3, *["3"] * 2, *"45678", kind="number"),
]


def write_tree(root: Path, split: str = "train2014", pictures: str = "train2014") -> Path:
    (root / pictures).mkdir(parents=True)
    for image in (3, 7):
        Image.new("RGB", (8, 6)).save(root / pictures / f"COCO_{pictures}_{image:012}.jpg")
    write(root, split, QUESTIONS, ANSWERS)
    return root


def write(root: Path, split: str, questions: list[Any], answers: list[Any]) -> None:
    (root / f"v2_OpenEnded_mscoco_{split}_questions.json").write_text(json.dumps({"questions": questions}))
    (root / f"v2_mscoco_{split}_annotations.json").write_text(json.dumps({"annotations": answers}))


def test_questions_become_records(tmp_path: Path) -> None:
    conversion = convert(open_vqav2(write_tree(tmp_path / "vqa")), tmp_path / "out", progress=False)
    red, what, many = read_records(tmp_path / "out" / "train.jsonl")
    assert [record.id for record in (red, what, many)] == ["1", "2", "4"]
    assert (red.text, red.answer, red.answers, red.group) == ("Is it red?", "yes", {"yes": 1.0, "no": 0.3}, "yes/no")
    assert (what.answer, what.answers) == ("dog", {"cat": 0.6, "dog": 1.0})
    assert many.text == "How many?" and many.answers == {
        "2": 0.9, "3": 0.6, **dict.fromkeys("45678", 0.3),
    }  # fmt: skip
    assert (red.image, red.width, red.height) == ("images/COCO_train2014_000000000003.jpg", 8, 6)
    assert conversion.skipped == {"without a word": 1}
    assert "train: 3 records of 2 images (published: 443757)" in str(conversion)


def test_the_answer_most_people_gave_and_answers_without_a_word(tmp_path: Path) -> None:
    tree = write_tree(tmp_path / "vqa")
    answers = [
        annotation(1, *["x"] * 4, *["y"] * 6),
        annotation(2, *["a"] * 7, "b", "b", "b"),
        annotation(4, *["The"] * 10),
    ]
    write(tree, "train2014", [question(number, 3) for number in (1, 2, 4)], answers)
    conversion = convert(open_vqav2(tree), tmp_path / "out", progress=False)
    found = [(record.answer, record.answers) for record in read_records(tmp_path / "out" / "train.jsonl")]
    assert found == [("y", {"x": 1.0, "y": 1.0}), ("b", {"b": 0.9})]
    assert conversion.skipped == {"answered without a word": 1}


def test_test_questions_have_no_answers(tmp_path: Path) -> None:
    tree = write_tree(tmp_path / "vqa", "test2015", "test2015")
    (tree / "v2_mscoco_test2015_annotations.json").unlink()
    convert(open_vqav2(tree), tmp_path / "out", progress=False)
    assert [(r.answer, r.answers) for r in read_records(tmp_path / "out" / "test.jsonl")] == [(None, None)] * 3


def test_pictures_elsewhere(tmp_path: Path) -> None:
    tree = write_tree(tmp_path / "vqa")
    (tree / "train2014").rename(tmp_path / "coco")
    with pytest.raises(FileNotFoundError, match=r"lacks images \(or train2014 or val2014 or test2015\)"):
        open_vqav2(tree)
    assert convert(open_vqav2(tree, tmp_path / "coco"), tmp_path / "out", progress=False).records == {"train": 3}


def test_questions_need_their_annotations(tmp_path: Path) -> None:
    tree = write_tree(tmp_path / "vqa")
    (tree / "v2_mscoco_train2014_annotations.json").unlink()
    with pytest.raises(FileNotFoundError, match=r"lacks v2_mscoco_train2014_annotations\.json"):
        open_vqav2(tree)


@pytest.mark.parametrize(
    ("questions", "answers", "message"),
    [
        ([question(9, 3)], ANSWERS, r"questions\[0\]: question 9 is not answered in .*annotations\.json"),
        ([question(1, 5)], ANSWERS, r"questions\[0\]: no picture .*COCO_train2014_000000000005\.jpg"),
        ([{**question(1, 3), "image_id": "../3"}], ANSWERS, r"questions\[0\]: image_id must be a whole number, got"),
        ([{"question_id": 1}], ANSWERS, r"questions\[0\]: no 'image_id' among question_id"),
        ([question(1, 3)], [{"answers": []}], r"annotations\[0\]: no 'question_id' among answers"),
        ([question(1, 3)], [{**ANSWERS[0], "answers": []}], "question 1: .*two people or more, got"),
    ],
)
def test_broken_files_are_named(tmp_path: Path, questions: list[Any], answers: list[Any], message: str) -> None:
    tree = write_tree(tmp_path / "vqa")
    write(tree, "train2014", questions, answers)
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        convert(open_vqav2(tree), tmp_path / "out", progress=False)
    assert not (tmp_path / "out").exists()


def test_the_real_data(real_data: object, tmp_path: Path) -> None:
    source = open_vqav2(real_data("vqav2"))  # type: ignore[operator]
    conversion = convert(source, tmp_path / "out", link="symlink", progress=False)
    assert conversion.records == {"train": 2880, "val": 527}
