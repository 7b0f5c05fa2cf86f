"""SNLI-VE, from its official layout."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from laconvnet.data import read_records
from laconvnet.data.readers import convert
from laconvnet.data.readers.snli_ve import open_snli_ve

ROWS = [
    {"Flickr30K_ID": "9", "sentence2": "Two people sit. ", "gold_label": "neutral", "pairID": "9.jpg#0"},
    {"Flickr30K_ID": "10", "sentence2": "A man sleeps.", "gold_label": "contradiction", "pairID": "10.jpg#0"},
    {"Flickr30K_ID": "9", "sentence2": "Two people stand.", "gold_label": "contradiction", "pairID": "9.jpg#0"},
    {"Flickr30K_ID": "9", "sentence2": "Hm.", "gold_label": "-", "pairID": "9.jpg#1"},
    {"Flickr30K_ID": "9", "sentence2": "...", "gold_label": "neutral", "pairID": "9.jpg#2"},
]


def write_tree(root: Path, rows: list[dict[str, str]] = ROWS) -> Path:
    (root / "flickr30k_images").mkdir(parents=True)
    for image in ("9", "10"):
        Image.new("RGB", (8, 6)).save(root / "flickr30k_images" / f"{image}.jpg")
    (root / "snli_ve_dev.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return root


def test_statements_become_records(tmp_path: Path) -> None:
    conversion = convert(open_snli_ve(write_tree(tmp_path / "snli")), tmp_path / "out", progress=False)
    assert [(r.id, r.text, r.answer, r.image) for r in read_records(tmp_path / "out" / "val.jsonl")] == [
        ("10.jpg#0", "A man sleeps.", "contradiction", "images/10.jpg"),
        ("9.jpg#0", "Two people sit.", "neutral", "images/9.jpg"),
        ("9.jpg#0_2", "Two people stand.", "contradiction", "images/9.jpg"),
    ]
    assert conversion.skipped == {"on which the annotators did not agree": 1, "without a word": 1}
    assert "val: 3 records of 2 images (published: 17858)" in str(conversion)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"gold_label": "maybe"}, r"dev\.jsonl:1: gold_label is 'maybe', allowed: entailment, neutral, contradiction"),
        ({"Flickr30K_ID": "11"}, r"dev\.jsonl:1: no picture .*11\.jpg"),
        ({"sentence2": None}, r"dev\.jsonl:1: sentence2 must be text, got None"),
    ],
)
def test_broken_rows_are_named(tmp_path: Path, change: dict[str, str], message: str) -> None:
    tree = write_tree(tmp_path / "snli", [{**ROWS[0], **change}])
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        convert(open_snli_ve(tree), tmp_path / "out", progress=False)


def test_a_truncated_line_is_named(tmp_path: Path) -> None:
    tree = write_tree(tmp_path / "snli")
    with (tree / "snli_ve_dev.jsonl").open("a") as file:
        file.write('{"Flickr30K_ID": "9", "sent')
    with pytest.raises(ValueError, match=r"snli_ve_dev\.jsonl:6: not JSON"):
        convert(open_snli_ve(tree), tmp_path / "out", progress=False)


def test_the_real_data(real_data: object, tmp_path: Path) -> None:
    find = real_data  # type: ignore[assignment]
    source = open_snli_ve(find("snli_ve"), find("flickr30k_entities") / "images")  # type: ignore[operator]
    conversion = convert(source, tmp_path / "out", link="symlink", progress=False)
    assert conversion.records == {"train": 4784, "val": 447}
