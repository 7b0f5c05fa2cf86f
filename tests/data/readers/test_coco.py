"""People's own data in COCO's format."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from laconvnet.data import read_records
from laconvnet.data.readers import READERS, convert
from laconvnet.processing.masks import decode_mask

IMAGES = [{"id": number, "width": 8, "height": 6, "file_name": f"{number}.jpg"} for number in (5, 9)]
CATEGORIES = [{"id": 1, "name": "dog", "supercategory": "animal"}, {"id": 2, "name": "cat"}]
SQUARE = [[1, 1, 5, 1, 5, 4, 1, 4]]
RUNS = {"size": [6, 8], "counts": [36, 12]}


def annotation(number: Any, image: Any = 9, **changes: Any) -> dict[str, Any]:
    return {"id": number, "image_id": image, "category_id": 1, "bbox": [1, 1, 4, 3], "iscrowd": 0, **changes}


def write_tree(
    root: Path, annotations: list[Any], images: list[Any] = IMAGES, path: str = "annotations/train.json", **more: Any
) -> Path:
    content = {"images": images, "annotations": annotations, "categories": CATEGORIES, **more}
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(json.dumps(content))
    (root / "images").mkdir(exist_ok=True)
    for number in (5, 9):
        Image.new("RGB", (8, 6)).save(root / "images" / f"{number}.jpg")
    return root


def test_texts_and_categories_become_records(tmp_path: Path) -> None:
    annotations = [
        annotation(1, caption="The left dog ", segmentation=SQUARE),
        annotation(2, 5, captions=["a cat", "?", "the cat"], category_id=2),
        annotation(3, phrase="a tail"),
        annotation(4, expression="its nose", category_id=None),
        annotation(5, segmentation=SQUARE),
        annotation(6, bbox=[6, 0, 9, 6], segmentation=RUNS),
        annotation(7, 5, segmentation=[]),
        annotation(8, 5, bbox=[2, 2, 2, 2], segmentation=SQUARE),
        annotation(9, iscrowd=1, segmentation=RUNS),
        annotation(10, bbox=[8, 1, 4, 4]),
    ]
    tree = write_tree(tmp_path / "raw", annotations)
    conversion = convert(READERS["coco"](tree, None), tmp_path / "out", progress=False)
    records = {record.id: record for record in read_records(tmp_path / "out" / "train.jsonl")}
    assert {key: (r.text, r.group, r.image, len(r.boxes or ())) for key, r in records.items()} == {
        "1_0": ("The left dog", "dog", "images/9.jpg", 1),
        "3_0": ("a tail", "dog", "images/9.jpg", 1),
        "4_0": ("its nose", None, "images/9.jpg", 1),
        "image9_category1": ("dog", "dog", "images/9.jpg", 2),
        "2_0": ("a cat", "cat", "images/5.jpg", 1),
        "2_2": ("the cat", "cat", "images/5.jpg", 1),
        "image5_category1": ("dog", "dog", "images/5.jpg", 2),
    }
    dogs = records["image9_category1"]
    assert dogs.boxes == ((1, 1, 5, 4), (6, 0, 8, 6))
    assert [decode_mask(mask).sum() for mask in dogs.masks or ()] == [12, 12]
    assert records["image5_category1"].masks is None and records["1_0"].masks is not None
    assert conversion.skipped == {"of crowds": 1, "without area in the picture": 1, "without a word": 1}


def test_splits_and_folders(tmp_path: Path) -> None:
    rows = [annotation(1, caption="a dog", category_id=None)]
    images = [{**IMAGES[1], "file_name": "sub/9.jpg"}]
    tree = write_tree(tmp_path / "raw", rows, images, "train.json", categories=[])
    write_tree(tree, rows, images, "val.json")
    for split in ("train", "val"):
        (tree / split / "sub").mkdir(parents=True)
        Image.new("RGB", (8, 6)).save(tree / split / "sub" / "9.jpg")
    (tree / "images" / "9.jpg").unlink()
    conversion = convert(READERS["coco"](tree, None), tmp_path / "out", progress=False)
    assert conversion.records == {"train": 1, "val": 1}
    assert convert(READERS["coco"](tree, tree), tmp_path / "two", progress=False).images == {"train": 1, "val": 1}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"segmentation": [[1, 1, 5, 1]]}, r"train\.json: annotation 1: a polygon needs three points.*\[1, 1, 5, 1\]"),
        ({"segmentation": [[1, 1, 5, 1, 5, None]]}, "annotation 1: a polygon needs three points"),
        ({"segmentation": {**RUNS, "size": [8, 6]}}, r"annotation 1: its mask has size \[8, 6\], its picture \[6, 8\]"),
        ({"segmentation": {**RUNS, "counts": [3]}}, "annotation 1: its mask cannot be decoded: .*sum to 48"),
        ({"segmentation": {**RUNS, "counts": "\x00"}}, "annotation 1: its mask cannot be decoded"),
        ({"segmentation": {"size": [6, 8]}}, "annotation 1: its mask cannot be decoded: .*no 'counts'"),
        ({"segmentation": 3}, "annotation 1: its outline has no polygon"),
        ({"bbox": [1, 2, 3]}, r"annotation 1: a box must be four numbers .*\[1, 2, 3\]"),
        ({"bbox": "1234"}, "annotation 1: a box must be four numbers"),
        ({"image_id": 8}, "annotation 1: image 8 is not among the file's images"),
        ({"category_id": 7}, "annotation 1: category 7 is not among the file's categories"),
        ({"category_id": None}, "annotation 1: neither a category nor a text under caption, captions"),
        ({"caption": 3}, "annotation 1: caption must be text or a list of texts, got 3"),
        ({"id": 2}, r"train\.json: annotations\[1\] has id 2, as one before it has"),
        ({"id": "x"}, r"annotations\[0\]: an id must be a whole number, got 'x'"),
    ],
)
def test_broken_annotations_are_named(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    tree = write_tree(tmp_path / "raw", [{**annotation(1), **changes}, annotation(2)])
    with pytest.raises(ValueError, match=message):
        convert(READERS["coco"](tree, None), tmp_path / "out", progress=False)
    assert [path.name for path in tmp_path.iterdir()] == ["raw"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"file_name": "../raw/images/9.jpg"}, r"train\.json: image 9: a file's path must .*got '\.\./raw"),
        ({"file_name": "8.jpg"}, r"train\.json: image 9: no picture .*8\.jpg"),
        ({"width": None}, "image 9: width and height must be whole numbers of pixels, got None"),
        ({"id": 5}, r"images\[1\] has id 5, as one before it has"),
    ],
)
def test_broken_images_are_named(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    tree = write_tree(tmp_path / "raw", [annotation(1)], [IMAGES[0], {**IMAGES[1], **changes}])
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        convert(READERS["coco"](tree, None), tmp_path / "out", progress=False)


def test_other_files_are_named(tmp_path: Path) -> None:
    tree = write_tree(tmp_path / "raw", [annotation(1)], categories=[{"id": 1, "name": "-"}])
    with pytest.raises(ValueError, match=r"category 1: its name has no words: '-'"):
        convert(READERS["coco"](tree, None), tmp_path / "out", progress=False)
    path = tree / "annotations" / "train.json"
    path.write_text(path.read_text()[:-9])
    with pytest.raises(ValueError, match=r"train\.json: not JSON"):
        convert(READERS["coco"](tree, None), tmp_path / "out", progress=False)
    path.write_text('{"images": []}')
    with pytest.raises(ValueError, match="a list of objects under 'annotations'"):
        convert(READERS["coco"](tree, None), tmp_path / "out", progress=False)
    assert [path.name for path in tmp_path.iterdir()] == ["raw"]
