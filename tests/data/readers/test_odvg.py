"""ODVG files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from laconvnet.data import read_records
from laconvnet.data.readers import READERS, convert


def grounding(name: str, *regions: tuple[Any, Any]) -> dict[str, Any]:
    told = [{"bbox": bbox, "phrase": phrase, "tokens_positive": [[0, 3]]} for bbox, phrase in regions]
    return {"filename": name, "height": 6, "width": 8, "grounding": {"caption": "Two men", "regions": told}}


def detection(name: str, *instances: tuple[Any, Any]) -> dict[str, Any]:
    told = [{"bbox": bbox, "label": 1, "category": category} for bbox, category in instances]
    return {"filename": name, "height": 6, "width": 8, "detection": {"instances": told}}


def write_tree(root: Path, rows: list[Any], pictures: str = "images", split: str = "train") -> Path:
    for name in ("a.jpg", "more/b.jpg"):
        (root / pictures / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 6)).save(root / pictures / name)
    (root / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return root


ROWS = [
    grounding("more/b.jpg", ([0, 0, 2, 2], "a man "), ([[1, 1, 3, 3], [4, 4, 9, 9]], "a man"), ([1, 1, 1, 2], "hat")),
    detection("a.jpg", ([0, 0, 8, 6], "dog"), ([1, 1, 2, 2], "cat"), ([2, 2, 3, 3], "dog")),
    grounding("more/b.jpg", ([0, 0, 2.5, 2], ["a", "dog"]), ([0, 0, 1, 1], "...")),
]


def test_phrases_become_records(tmp_path: Path) -> None:
    conversion = convert(READERS["odvg"](write_tree(tmp_path / "raw", ROWS), None), tmp_path / "out", progress=False)
    assert [(r.id, r.image, r.text, r.boxes) for r in read_records(tmp_path / "out" / "train.jsonl")] == [
        ("2_0", "images/a.jpg", "dog", ((0, 0, 8, 6), (2, 2, 3, 3))),
        ("2_1", "images/a.jpg", "cat", ((1, 1, 2, 2),)),
        ("1_0", "images/b.jpg", "a man", ((0, 0, 2, 2), (1, 1, 3, 3), (4, 4, 8, 6))),
        ("3_0", "images/b.jpg", "a dog", ((0, 0, 2.5, 2),)),
    ]
    assert conversion.skipped == {"without area in the picture": 1, "without a word": 1}


def test_splits_with_pictures_of_their_own(tmp_path: Path) -> None:
    tree = write_tree(tmp_path / "raw", ROWS, "images/train")
    write_tree(tree, ROWS[1:2], "images/val", "val")
    conversion = convert(READERS["odvg"](tree, None), tmp_path / "out", progress=False)
    assert conversion.records == {"train": 4, "val": 2}
    assert (tmp_path / "out" / "images" / "val" / "a.jpg").is_file()
    (tree / "images").rename(tmp_path / "elsewhere")
    source = READERS["odvg"](tree, tmp_path / "elsewhere")
    assert convert(source, tmp_path / "again", progress=False).records == {"train": 4, "val": 2}


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({**ROWS[1], "filename": "../a.jpg"}, r"train\.jsonl:2: a file's path must .*got '\.\./a\.jpg'"),
        ({**ROWS[1], "filename": "c.jpg"}, r"train\.jsonl:2: no picture .*c\.jpg"),
        ({**ROWS[1], "width": 8.5}, r"train\.jsonl:2: width and height must be whole numbers of pixels, got 8\.5"),
        ({"filename": "a.jpg", "width": 8, "height": 6}, r":2: neither 'grounding' nor 'detection' among filename"),
        (grounding("a.jpg", ([0, 0, 2], "dog")), r":2: a box must be four numbers \[x0, y0, x1, y1\], got \[0, 0, 2\]"),
        (grounding("a.jpg", ([0, 0, 2, "2"], "dog")), r"train\.jsonl:2: a box must be four numbers"),
        (grounding("a.jpg", ([0, 0, 2, 2], [3])), r"train\.jsonl:2: phrase must be text or a list of texts, got \[3\]"),
        (detection("a.jpg", ([0, 0, 2, 2], 3)), r"train\.jsonl:2: category must be text, got 3"),
        ({**ROWS[1], "detection": []}, r":2: detection: must be an object with a list of objects under 'instances'"),
        ([], r"train\.jsonl:2: must be an object, got \[\]"),
    ],
)
def test_broken_lines_are_named(tmp_path: Path, row: Any, message: str) -> None:
    tree = write_tree(tmp_path / "raw", [ROWS[0], row])
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        convert(READERS["odvg"](tree, None), tmp_path / "out", progress=False)
    assert [path.name for path in tmp_path.iterdir()] == ["raw"]


def test_a_truncated_line_is_named(tmp_path: Path) -> None:
    tree = write_tree(tmp_path / "raw", ROWS)
    with (tree / "train.jsonl").open("a") as file:
        file.write('{"filename": "a.j')
    with pytest.raises(ValueError, match=r"train\.jsonl:4: not JSON"):
        convert(READERS["odvg"](tree, None), tmp_path / "out", progress=False)
    assert [path.name for path in tmp_path.iterdir()] == ["raw"]


def test_two_pictures_of_one_name_are_refused(tmp_path: Path) -> None:
    tree = write_tree(tmp_path / "raw", [ROWS[1], detection("more/a.jpg", ([0, 0, 8, 6], "dog"))])
    Image.new("RGB", (8, 6)).save(tree / "images" / "more" / "a.jpg")
    with pytest.raises(ValueError, match=r"two pictures are named a\.jpg"):
        convert(READERS["odvg"](tree, None), tmp_path / "out", progress=False)
