"""Visual Genome's regions, from their official layout."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from laconvnet.data import read_records
from laconvnet.data.readers import READERS, convert

IMAGES = [
    {"width": 8, "url": "https://x/VG_100K_2/1.jpg", "height": 6, "image_id": 1, "coco_id": None, "flickr_id": None},
    {"width": 8, "url": "https://x/VG_100K/2.jpg", "height": 6, "image_id": 2, "coco_id": 9, "flickr_id": 7},
]


def region(number: int, image: int, **changes: Any) -> dict[str, Any]:
    return {
        "region_id": number, "image_id": image, "phrase": "a red ball ", "x": 1, "y": 2, "width": 3, "height": 2,
        **changes,
    }  # fmt: skip


REGIONS = [
    {
        "id": 2,
        "regions": [
            region(50, 2),
            region(51, 2, x=-2, y=4, height=9),
            region(52, 2, x=8),
            region(53, 2, width=0),
            region(54, 2, phrase=" ."),
        ],
    },
    {"id": 1, "regions": [region(40, 1, phrase="grass")]},
]


def write_tree(root: Path, images: Any = IMAGES, regions: Any = REGIONS) -> Path:
    for folder, name in (("VG_100K", "2.jpg"), ("VG_100K_2", "1.jpg")):
        (root / folder).mkdir(parents=True)
        Image.new("RGB", (8, 6)).save(root / folder / name)
    (root / "image_data.json").write_text(json.dumps(images))
    (root / "region_descriptions.json").write_text(json.dumps(regions))
    return root


def test_regions_become_records(tmp_path: Path) -> None:
    source = READERS["visual_genome"](write_tree(tmp_path / "vg"), None)
    conversion = convert(source, tmp_path / "out", progress=False)
    assert [(r.id, r.image, r.text, r.boxes) for r in read_records(tmp_path / "out" / "train.jsonl")] == [
        ("50", "images/2.jpg", "a red ball", ((1, 2, 4, 4),)),
        ("51", "images/2.jpg", "a red ball", ((0, 4, 1, 6),)),
        ("40", "images/1.jpg", "grass", ((1, 2, 4, 4),)),
    ]
    assert conversion.skipped == {"without area in the picture": 2, "without a word": 1}
    assert "train: 3 records of 2 images (published: 5408689)" in str(conversion)


def test_pictures_elsewhere(tmp_path: Path) -> None:
    tree = write_tree(tmp_path / "vg", [{**row, "id": row.pop("image_id")} for row in map(dict, IMAGES)])
    (tmp_path / "photographs").mkdir()
    for folder in ("VG_100K", "VG_100K_2"):
        (tree / folder).rename(tmp_path / "photographs" / folder)
    with pytest.raises(FileNotFoundError, match=r"lacks VG_100K \(or VG_100K_2 or .*expected layout"):
        READERS["visual_genome"](tree, None)
    source = READERS["visual_genome"](tree, tmp_path / "photographs")
    assert convert(source, tmp_path / "out", progress=False).records == {"train": 3}


@pytest.mark.parametrize(
    ("images", "regions", "message"),
    [
        (IMAGES[:1], REGIONS, r"region_descriptions\.json: \[0\]: image 2 is not in .*image_data\.json"),
        ([*IMAGES, IMAGES[0]], REGIONS, r"image_data\.json: \[2\] has id 1, as one before it has"),
        ([{**IMAGES[0], "width": "8"}], REGIONS, r"image_data\.json: \[0\]: width and height must be whole numbers"),
        (IMAGES, [{"id": 2, "regions": [region(1, 2, x=None)]}], r"\[0\]: regions\[0\]: a box must be four numbers"),
        (IMAGES, [{"id": 2, "regions": [7]}], r"\[0\]: must be an object with a list of objects under 'regions'"),
        (IMAGES, [{"id": 2, "regions": [region(1, 2, phrase=3)]}], r"regions\[0\]: phrase must be text, got 3"),
        (IMAGES, [{"id": "../2", "regions": []}], r"\[0\]: an id must be a whole number, got '\.\./2'"),
        (IMAGES, [*REGIONS, {"id": 1, "regions": [region(50, 1)]}], "id '50' is that of line 1 too"),
        ([*IMAGES, {**IMAGES[0], "image_id": 3}], [{"id": 3, "regions": [region(1, 3)]}], r"no picture .*3\.jpg"),
    ],
)
def test_broken_files_are_named(tmp_path: Path, images: Any, regions: Any, message: str) -> None:
    tree = write_tree(tmp_path / "vg", images, regions)
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        convert(READERS["visual_genome"](tree, None), tmp_path / "out", progress=False)
    assert [path.name for path in tmp_path.iterdir()] == ["vg"]


def test_a_truncated_file_is_named(tmp_path: Path) -> None:
    tree = write_tree(tmp_path / "vg")
    path = tree / "region_descriptions.json"
    path.write_text(path.read_text()[:-20])
    with pytest.raises(ValueError, match=r"region_descriptions\.json:1: not JSON as it should be"):
        convert(READERS["visual_genome"](tree, None), tmp_path / "out", progress=False)
    assert [path.name for path in tmp_path.iterdir()] == ["vg"]
