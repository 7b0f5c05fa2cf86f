"""A dataset in numbers."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from laconvnet.data.folder.stats import describe, table

Make = Callable[..., Path]
MakeRecord = Callable[..., dict[str, Any]]


def test_numbers_by_hand(make_dataset: Make, record: MakeRecord) -> None:
    records = [
        record(0, text="a dog", boxes=[[0, 0, 40, 10]], group="animals"),
        record(1, text="The big dog, left", boxes=[[0, 0, 4, 20]] * 5, group="animals"),
        record(2, text="nothing", boxes=[], answer="no", group="other"),
        record(3, text="a cat", image="images/b.png", boxes=...),
    ]
    root = make_dataset({"train": records, "val": [record(0)]})
    numbers = describe(root)
    assert json.loads(json.dumps(numbers)) == numbers
    train = numbers["train"]
    assert (train["records"], train["images"], train["distinct_words"]) == (4, 2, 7)
    assert train["texts_per_image"] == {"min": 1, "median": 2, "mean": 2, "p95": pytest.approx(2.9), "max": 3}
    assert train["words_per_text"]["mean"] == 9 / 4 and train["words_per_text"]["max"] == 4
    assert train["box_area_share"]["mean"] == pytest.approx((0.5 + 5 * 0.1) / 6)
    assert train["boxes_per_record"] == {"0": 1, "1": 1, "4+": 1, "not labelled": 1}
    assert (train["masks"], train["answers"]) == (0, 1)
    assert list(train["groups"].items()) == [("animals", 2), ("other", 1)]


def test_the_table_has_a_column_for_each_split(make_dataset: Make, record: MakeRecord) -> None:
    root = make_dataset({"train": [record(0, group="animals")], "val": [record(0, boxes=...), record(1)]})
    lines = table(describe(root)).splitlines()
    assert lines[0].split() == ["train", "val"]
    rows = {line[:30].strip().split("  ")[0]: line for line in lines}
    assert rows["records"].split()[-2:] == ["1", "2"]
    assert rows["groups: animals"].split()[-1] == "–"
    assert "(100.0 %)" in rows["groups: animals"]
    assert rows["boxes per record: not labelled"].endswith("1 (50.0 %)")
    assert len({len(line) for line in lines}) == 1


def test_a_folder_without_splits_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no splits"):
        describe(tmp_path)
