"""Photographs are known again by the numbers of their collections."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from laconvnet.data.leakage.picture_keys import collection_of, picture_key, read_keys, read_links


@pytest.mark.parametrize(
    ("image", "name", "key"),
    [
        ("images/COCO_val2014_000000001234.jpg", "merge", "coco:1234"),
        ("images/COCO_train2014_000000001234_16.jpg", "Flickr30k Entities", "coco:1234"),
        ("images/000000001234.jpg", "mine", "coco:1234"),
        ("images/000000001234.jpg", "gRefCOCO", "coco:1234"),
        ("images/1234.jpg", "RefCOCOg (UMD)", "coco:1234"),
        ("images/1234.jpg", "VQA v2", "coco:1234"),
        ("images/1000092795.jpg", "SNLI-VE", "flickr:1000092795"),
        ("images/VG_100K/2345.jpg", "Visual Genome regions", "vg:2345"),
        ("images/12.jpg", "ReferIt", "saiapr:12"),
        ("images/12.jpg", "refclef", "saiapr:12"),
        ("images/12.jpg", "cocoa beans", None),
        ("images/12.jpg", "Mix of RefCOCO (train), ReferIt (train)", None),
        ("images/dog.jpg", "Flickr30k Entities", None),
        ("images/COCO_train2014_0000000012345.jpg", "mine", None),
        ("images/CLEVR_val_000012.png", "CLEVR", None),
    ],
)
def test_keys_of_pictures(image: str, name: str, key: str | None) -> None:
    assert picture_key(image, collection_of(name)) == key


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"image_id": 1}, "must be a list of objects"),
        ([{"image_id": 1}], r"image 0: no 'coco_id' among image_id"),
        ([{"image_id": 1, "coco_id": None}, {"coco_id": 2}], r"image 1: no 'id' among coco_id"),
        ([{"id": None, "coco_id": 2}], "image 0: the image has no number"),
        ([{"id": 1, "coco_id": 2.5}], "coco_id must be a whole number or null, got 2.5"),
    ],
)
def test_image_data_that_lacks_numbers(content: Any, message: str, tmp_path: Path) -> None:
    path = tmp_path / "image_data.json"
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match=message):
        read_links(path)


def test_links_and_keys_are_read(tmp_path: Path) -> None:
    path = tmp_path / "image_data.json"
    path.write_text('[{"id": 1, "coco_id": null}, {"image_id": 2, "coco_id": 5, "flickr_id": "77"}]')
    assert read_links(path) == {"vg:1": (), "vg:2": ("coco:5", "flickr:77")}
    keys = tmp_path / "keys.txt"
    keys.write_text("saiapr:04\r\nflickr:5\n")
    assert list(read_keys(keys)) == [(f"{keys}:1", "saiapr:4"), (f"{keys}:2", "flickr:5")]
