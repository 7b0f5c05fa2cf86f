"""The dataset folder's contract."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from laconvnet.data import DatasetInfo, Record, SchemaError, read_records, splits, write_records

FULL = {
    "id": "a",
    "image": "images/x.jpg",
    "width": 640,
    "height": 480,
    "text": "the man in red",
    "boxes": [[0, 0, 640, 480], [1.5, 2, 3, 4]],
    "masks": [{"size": [480, 640], "counts": [640 * 480]}],
    "answer": "yes",
    "answers": {"yes": 1.0, "no": 0.3},
    "group": "exist",
}


def test_every_key_survives_a_round_trip() -> None:
    record = Record.from_json(json.dumps(FULL))
    assert record.boxes == ((0.0, 0.0, 640.0, 480.0), (1.5, 2.0, 3.0, 4.0))
    assert json.loads(record.to_json()) == FULL
    assert Record.from_json(record.to_json()) == record


def test_no_target_is_not_the_same_as_not_labelled() -> None:
    bare = {key: FULL[key] for key in ("id", "image", "width", "height", "text")}
    assert Record.from_json(bare).boxes is None
    assert "boxes" not in Record.from_json(bare).to_json()
    empty = Record.from_json({**bare, "boxes": []})
    assert empty.boxes == ()
    assert json.loads(empty.to_json())["boxes"] == []


@pytest.mark.parametrize(
    ("boxes", "labels", "is_expression", "is_question"),
    [
        ([[0, 0, 5, 5]], {}, True, False),
        ([], {}, True, False),
        (None, {}, True, True),
        (None, {"answer": "yes"}, False, True),
        (None, {"answers": {"yes": 1.0}}, False, True),
        ([[0, 0, 5, 5]], {"answer": "yes"}, True, True),
        ([], {"answers": {"yes": 1.0}}, True, True),
    ],
)
def test_questions_and_expressions(boxes: Any, labels: Any, is_expression: bool, is_question: bool) -> None:
    """Without labels a sentence may be either; masks decide nothing."""
    bare = {key: FULL[key] for key in ("id", "image", "width", "height", "text")}
    for masks in ({}, {"masks": FULL["masks"]}):
        record = Record.from_json({**bare, **({} if boxes is None else {"boxes": boxes}), **labels, **masks})
        assert (record.is_expression, record.is_question) == (is_expression, is_question)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"boxes": [[0, 0, 641, 480]]}, ["boxes[0]", "641", "width 640", "height 480"]),
        ({"boxes": [[0, 0, 1, 1], [-1, 0, 5, 5]]}, ["boxes[1]", "-1"]),
        ({"boxes": [[5, 5, 5, 9]]}, ["no area", "[5, 5, 5, 9]"]),
        ({"boxes": [[9, 5, 5, 9]]}, ["no area"]),
        ({"boxes": [[0, 0, float("nan"), 9]]}, ["finite"]),
        ({"boxes": [[0, 0, 9]]}, ["four numbers", "[0, 0, 9]"]),
        ({"boxes": [[0, 0, "9", 9]]}, ["four numbers"]),
        ({"boxes": [[False, 0, 9, 9]]}, ["four numbers"]),
        ({"boxes": None}, ["'boxes' must be a list", "None"]),
        ({"bboxes": []}, ["unknown key 'bboxes'", "did you mean 'boxes'"]),
        ({"text": "?! ..."}, ["no words", "'?! ...'"]),
        ({"text": ""}, ["'text' must be a non-empty string"]),
        ({"id": 7}, ["'id'", "7"]),
        ({"width": 0}, ["'width'", "at least 1", "0"]),
        ({"height": 4.5}, ["'height'", "4.5"]),
        ({"width": True}, ["'width'", "True"]),
        ({"image": "../x.jpg"}, ["inside the dataset folder", "../x.jpg"]),
        ({"image": "/x.jpg"}, ["inside the dataset folder"]),
        ({"image": "images\\x.jpg"}, ["forward slashes"]),
        ({"masks": [{"size": [640, 480], "counts": ""}]}, ["masks[0]['size']", "[480, 640]"]),
        ({"masks": [{"size": 640, "counts": ""}]}, ["masks[0]['size']", "640"]),
        ({"masks": [{"counts": ""}]}, ["masks[0]", "'size' and 'counts'"]),
        ({"masks": [{"size": [480, 640], "counts": 3}]}, ["masks[0]['counts']", "int"]),
        ({"answers": {"yes": 1.5}}, ["answers['yes']", "1.5"]),
        ({"answers": {}}, ["at least one answer"]),
    ],
)
def test_a_bad_record_names_place_value_and_rule(change: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(SchemaError) as error:
        Record.from_json(json.dumps({**FULL, **change}), "val.jsonl:3")
    assert str(error.value).startswith("val.jsonl:3: ")
    for word in words:
        assert word in str(error.value)


def test_all_problems_of_a_record_are_told_at_once() -> None:
    with pytest.raises(SchemaError) as error:
        Record.from_json({"id": "a", "width": -1, "colour": "red"}, "x:1")
    assert len(error.value.problems) == 5
    assert all(line.startswith("x:1: ") for line in str(error.value).splitlines())


@pytest.mark.parametrize("line", ["{", "[1]", "3", "null", '{"id": "a"} x'])
def test_a_line_that_is_no_object_is_an_error(line: str) -> None:
    with pytest.raises(SchemaError, match=r"f:9: (not JSON|a record must be a JSON object)"):
        Record.from_json(line, "f:9")


def test_errors_of_a_file_count_lines_from_one_and_blank_ones_too(tmp_path: Path) -> None:
    path = tmp_path / "train.jsonl"
    good = Record.from_json(FULL).to_json()
    path.write_text(f"{good}\n\n{{broken\n", encoding="utf-8")
    with pytest.raises(SchemaError, match=r"train\.jsonl:3: not JSON"):
        read_records(path)
    path.write_text(f"{good}\n\n{good}\n", encoding="utf-8")
    with pytest.raises(SchemaError, match=r"train\.jsonl:3: id 'a' is that of line 1 too"):
        read_records(path)
    path.write_bytes(good.encode() + b"\n\xff\xfe\n")
    with pytest.raises(SchemaError, match=r"train\.jsonl:2: not UTF-8"):
        read_records(path)


def test_a_missing_split_names_those_there_are(tmp_path: Path) -> None:
    for name in ("val", "train"):
        write_records(tmp_path / f"{name}.jsonl", [Record.from_json(FULL)])
    assert splits(tmp_path) == ["train", "val"]
    with pytest.raises(SchemaError, match=r"test\.jsonl: no such file; splits found in .*: train, val"):
        read_records(tmp_path / "test.jsonl")


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "train.jsonl"
    write_records(path, [Record.from_json(FULL)])

    def failing() -> Any:
        yield Record.from_json({**FULL, "id": "b"})
        raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        write_records(path, failing())
    assert [record.id for record in read_records(path)] == ["a"]


@settings(deadline=None)
@given(
    text=st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(lambda t: any(map(str.isalnum, t))),
    corner=st.tuples(st.floats(0, 319), st.floats(0, 239)),
    size=st.tuples(st.floats(1, 320), st.floats(1, 240)),
)
def test_any_text_and_box_survive_one_line(text: str, corner: tuple[float, float], size: tuple[float, float]) -> None:
    x, y = corner
    box = (x, y, x + size[0], y + size[1])
    record = Record("i", "images/i.png", 640, 480, text, boxes=(box,))
    line = record.to_json()
    assert "\n" not in line and "\r" not in line
    assert Record.from_json(line) == record


def test_dataset_info(tmp_path: Path) -> None:
    info = DatasetInfo("n", "s", "l", ("rec", "res"))
    info.save(tmp_path)
    assert DatasetInfo.load(tmp_path) == info
    with pytest.raises(SchemaError, match="no such file"):
        DatasetInfo.load(tmp_path / "elsewhere")
    for text, message in (
        ("{", "not JSON"),
        ("[]", "exactly the keys"),
        ('{"name": "n"}', "exactly the keys name, source, licence, tasks"),
        ('{"name": 1, "source": "", "licence": "", "tasks": []}', "'name' must be a string, got 1"),
        ('{"name": "", "source": "", "licence": "", "tasks": "rec"}', "'tasks' must be a list"),
    ):
        (tmp_path / "dataset.json").write_text(text, encoding="utf-8")
        with pytest.raises(SchemaError, match=message):
            DatasetInfo.load(tmp_path)
