"""The authors' annotation files."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from laconvnet.data import DatasetInfo, read_records
from laconvnet.data.readers import READERS, convert
from laconvnet.processing.masks import decode_mask


def item(image: Any, *sentences: Any, **more: Any) -> dict[str, Any]:
    return {"iid": image, "bbox": [1.0, 1.0, 4.0, 3.0], "cat_id": 0, "refs": list(sentences) or ["a dog"], **more}


def write_tree(root: Path, content: Any, pictures: tuple[str, ...], anns: str = "anns/refcoco.json") -> Path:
    for picture in pictures:
        (root / "images" / picture).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 6)).save(root / "images" / picture)
    (root / anns).parent.mkdir(parents=True, exist_ok=True)
    (root / anns).write_text(json.dumps(content))
    return root


COCO = ("train2014/COCO_train2014_000000000009.jpg", "train2014/COCO_train2014_000000000005.jpg")


def test_sentences_become_records(tmp_path: Path) -> None:
    content = {
        "train": [item(9, "Left dog ", "the dog", mask_id=3), item(5, "?", "cat", mask_id=4), item(9, mask_id=7)],
        "testA": [item(5, bbox=[8, 0, 1, 1]), item(9, "right", bbox=[-1, 4, 4, 4])],
    }
    tree = write_tree(tmp_path / "raw", content, COCO)
    (tree / "masks" / "refcoco").mkdir(parents=True)
    mask = np.zeros((6, 8), np.uint8)
    mask[1:4, 1:5] = 2
    np.save(tree / "masks" / "refcoco" / "3.npy", mask)
    conversion = convert(READERS["authors"](tree, None), tmp_path / "out", progress=False)
    records = read_records(tmp_path / "out" / "train.jsonl")
    assert [(r.id, r.text, r.image[-6:], r.masks is not None) for r in records] == [
        ("1_1", "cat", "05.jpg", False),
        ("0_0", "Left dog", "09.jpg", True),
        ("0_1", "the dog", "09.jpg", True),
        ("2_0", "a dog", "09.jpg", False),
    ]
    assert records[1].boxes == ((1, 1, 5, 4),)
    assert (decode_mask(records[1].masks[0]) == (mask > 0)).all()  # type: ignore[index]
    (right,) = read_records(tmp_path / "out" / "testA.jsonl")
    assert right.boxes == ((0, 4, 3, 6),)
    assert conversion.skipped == {"without a word": 1, "of an object without area in the picture": 1}
    assert DatasetInfo.load(tmp_path / "out").tasks == ("rec", "res")


def test_items_of_several_datasets(tmp_path: Path) -> None:
    rows = [
        item(9, data_source="coco"),
        item("5", data_source="coco"),
        item("7.jpg", data_source="flickr"),
        item("3.jpg", data_source="vg", url="VG_100K/3.jpg"),
        item("4.jpg", url="VG_100K_2/4.jpg"),
    ]
    pictures = ("coco/COCO_train2014_000000000009.jpg", COCO[1], "flickr/7.jpg", "vg/VG_100K/3.jpg", "VG_100K_2/4.jpg")
    tree = write_tree(tmp_path / "raw", {"train": rows}, pictures, "merge.json")
    convert(READERS["authors"](tree, None), tmp_path / "out", progress=False)
    found = {(r.image.split("_")[-1].split("/")[-1], r.group) for r in read_records(tmp_path / "out" / "train.jsonl")}
    assert found == {
        ("000000000009.jpg", "coco"), ("000000000005.jpg", "coco"), ("7.jpg", "flickr"), ("3.jpg", "vg"),
        ("4.jpg", None),
    }  # fmt: skip


def test_datasets_may_share_names_of_pictures(tmp_path: Path) -> None:
    rows = [item("123.jpg", data_source="vg", url="VG_100K/123.jpg"), item("123.jpg", data_source="saiaprtc12")]
    pictures = ("vg/VG_100K/123.jpg", "saiaprtc12/123.jpg")
    tree = write_tree(tmp_path / "raw", {"train": rows, "val": rows[:1]}, pictures, "merge.json")
    Image.new("RGB", (8, 6), "red").save(tree / "images" / pictures[1])
    conversion = convert(READERS["authors"](tree, None), tmp_path / "out", progress=False)
    records = read_records(tmp_path / "out" / "train.jsonl")
    assert {r.image for r in records} == {"images/vg/123.jpg", "images/saiaprtc12/123.jpg"}
    for record in records:
        (raw,) = [path for path in pictures if path.startswith(str(record.group))]
        assert (tmp_path / "out" / record.image).read_bytes() == (tree / "images" / raw).read_bytes()
    assert conversion.images == {"train": 2, "val": 1}


def test_pictures_elsewhere(tmp_path: Path) -> None:
    tree = write_tree(tmp_path / "raw", {"val": [item(5)]}, ("refclef/5.jpg",), "anns/refclef.json")
    (tree / "images").rename(tmp_path / "photographs")
    with pytest.raises(FileNotFoundError, match=r"lacks images; expected layout"):
        READERS["authors"](tree, None)
    source = READERS["authors"](tree, tmp_path / "photographs")
    assert convert(source, tmp_path / "out", progress=False).records == {"val": 1}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"iid": "../9.jpg"}, r"refcoco\.json: val\[0\]: a file's path must be text that stays .* got '\.\./9\.jpg'"),
        ({"iid": "/etc/9.jpg"}, r"val\[0\]: a file's path must .*'/etc/9\.jpg'"),
        ({"iid": "x.jpg", "url": "VG/../../x.jpg"}, r"val\[0\]: a file's path must .*'VG/\.\./\.\./x\.jpg'"),
        ({"data_source": ".."}, r"val\[0\]: a file's path must .*'\.\.'"),
        ({"mask_id": "../../m"}, r"val\[0\]: a file's path must .*'\.\./\.\./m\.npy'"),
        ({"iid": None}, r"val\[0\]: a file's path must .*None"),
        ({"iid": 8}, r"val\[0\]: no picture .*COCO_train2014_000000000008\.jpg or .*8\.jpg"),
        ({"bbox": [1, 2, 3]}, r"val\[0\]: a box must be four numbers \[x, y, width, height\], got \[1, 2, 3\]"),
        ({"bbox": [1, 2, 3, float("nan")]}, r"val\[0\]: a box must be four numbers"),
        ({"refs": "a dog"}, r"val\[0\]: refs must be a list of texts, got 'a dog'"),
        ({"refs": [1]}, r"val\[0\]: refs must be a list of texts, got \[1\]"),
    ],
)
def test_broken_items_are_named(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    tree = write_tree(tmp_path / "raw", {"train": [item(9)], "val": [{**item(9), **changes}]}, COCO)
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        convert(READERS["authors"](tree, None), tmp_path / "out", progress=False)
    assert [path.name for path in tmp_path.iterdir()] == ["raw"]


def as_npy(array: Any) -> bytes:
    file = io.BytesIO()
    np.save(file, array, allow_pickle=True)
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            as_npy(np.zeros((8, 6), np.uint8)),
            r"3\.npy must be an array .* \(6, 8\), as its picture is, got uint8 \(8, 6",
        ),
        (as_npy(np.zeros((6, 8))), r"3\.npy must be an array of whole numbers .*got float64"),
        (as_npy(np.array([None])), r"val\[0\]: .*3\.npy is no array: Object arrays"),
        (as_npy(np.zeros((6, 8), np.uint8))[:-5], r"3\.npy is no array"),
        (b"", r"3\.npy is no array"),
    ],
)
def test_broken_masks_are_named(tmp_path: Path, content: bytes, message: str) -> None:
    tree = write_tree(tmp_path / "raw", {"val": [item(9, mask_id=3)]}, COCO)
    (tree / "masks" / "refcoco").mkdir(parents=True)
    (tree / "masks" / "refcoco" / "3.npy").write_bytes(content)
    with pytest.raises(ValueError, match=message):
        convert(READERS["authors"](tree, None), tmp_path / "out", progress=False)


@pytest.mark.parametrize("content", [[], {}, {"val": {}}, {"val": [3]}, {"../val": []}, {"a/b": []}])
def test_other_files_are_refused(tmp_path: Path, content: Any) -> None:
    tree = write_tree(tmp_path / "raw", content, COCO)
    with pytest.raises(ValueError, match=r"refcoco\.json: (must be an object|a split must be|a file's path must)"):
        READERS["authors"](tree, None)


def test_two_files_are_refused(tmp_path: Path) -> None:
    tree = write_tree(tmp_path / "raw", {"val": [item(9)]}, COCO)
    (tree / "more.json").write_text("{}")
    with pytest.raises(ValueError, match=r"several files: .*refcoco\.json, .*more\.json"):
        READERS["authors"](tree, None)
