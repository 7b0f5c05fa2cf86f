"""All that is wrong with a dataset, at once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from laconvnet.data.folder.validate import validate

Make = Callable[..., Path]
MakeRecord = Callable[..., dict[str, Any]]


def test_a_good_dataset(make_dataset: Make, record: MakeRecord) -> None:
    # A resized copy is allowed: the file is 10 x 10, the frame 40 x 20.
    root = make_dataset({"train": [record(0), record(1)], "val": [record(0, image="images/b.png")]},
                        {"a.png": (10, 10), "b.png": (40, 20)})  # fmt: skip
    report = validate(root)
    assert report.ok and report.problems == []
    assert report.records == {"train": 2, "val": 1}
    assert report.images == {"train": 1, "val": 1}
    assert str(report) == f"train: 2 records of 1 images\nval: 1 records of 1 images\n{root}: 0 errors, 0 warnings"


def test_every_problem_is_found_and_placed(make_dataset: Make, record: MakeRecord) -> None:
    lines = [
        record(0),
        record(1, boxes=[[0, 0, 41, 5]]),
        record(2, boxes=[[3, 3, 3, 5], [0, -1, 4, 4]]),
        record(3, text="..."),
        "{broken",
        record(5, colour="red"),
        record(0),
        record(7, image="images/gone.png"),
        record(8, image="images/bad.png"),
        record(9, masks=[{"size": [20, 40], "counts": [7]}]),
        "",
        record(11, width=...),
    ]
    root = make_dataset({"train": lines}, {"a.png": (40, 20)})
    (root / "images" / "bad.png").write_text("no picture", encoding="utf-8")
    report = validate(root)
    assert not report.ok
    places = [(int(problem.where.rsplit(":", 1)[1]), problem.warning) for problem in report.problems]
    assert sorted(places) == [
        (2, False), (3, False), (3, False), (4, False), (5, False), (6, False), (7, False), (8, False),
        (9, False), (10, False), (10, True), (12, False),
    ]  # fmt: skip
    text = str(report)
    for words in (
        "train.jsonl:2: boxes[0] = [0, 0, 41, 5] leaves the frame",
        "train.jsonl:3: boxes[0] = [3, 3, 3, 5] has no area",
        "train.jsonl:3: boxes[1] = [0, -1, 4, 4] leaves the frame",
        "train.jsonl:4: 'text' has no words",
        "train.jsonl:5: not JSON",
        "train.jsonl:6: unknown key 'colour'",
        "train.jsonl:7: id 'r0' is that of line 1 too",
        "train.jsonl:8: cannot read picture",
        "train.jsonl:9: cannot read picture",
        "train.jsonl:10: masks[0] cannot be decoded",
        "train.jsonl:10: warning: the records of picture 'images/a.png' are not adjacent",
        "train.jsonl:12: missing key 'width'",
        "11 errors, 1 warnings",
    ):
        assert words in text
    assert report.records == {"train": 5}


def test_a_picture_of_two_splits_is_a_warning(make_dataset: Make, record: MakeRecord) -> None:
    root = make_dataset({"train": [record(0)], "val": [record(1)]}, {"a.png": (40, 20)})
    report = validate(root)
    assert report.ok
    (problem,) = report.problems
    assert str(problem).startswith(f"{root / 'val.jsonl'}:1: warning: picture 'images/a.png' is used by split 'train'")


def test_missing_files(tmp_path: Path) -> None:
    report = validate(tmp_path)
    assert len(report.errors) == 2
    assert "dataset.json: no such file" in str(report) and "no splits" in str(report)


def test_an_empty_or_binary_split_is_an_error(make_dataset: Make, record: MakeRecord) -> None:
    root = make_dataset({"train": [], "val": [record()]}, {"a.png": (40, 20)})
    with (root / "val.jsonl").open("ab") as file:
        file.write(b"\xff\xfe\n")
    text = str(validate(root))
    assert "train.jsonl: holds no records" in text
    assert "val.jsonl:2: not UTF-8" in text
