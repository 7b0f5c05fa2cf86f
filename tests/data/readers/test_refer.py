"""RefCOCO and its family, in REFER's layout."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from laconvnet.data import read_records
from laconvnet.data.readers import READERS, convert
from laconvnet.data.readers.pickles import load_plain_pickle
from laconvnet.data.readers.refer import LAYOUTS
from laconvnet.processing.masks import decode_mask

IMAGES = [{"id": number, "width": 8, "height": 6, "file_name": f"COCO_train2014_{number}.jpg"} for number in (5, 9)]
SQUARE = [[1, 1, 5, 1, 5, 4, 1, 4]]
RUNS = {"size": [6, 8], "counts": [36, 12]}


def instance(number: Any, image: int = 9, **changes: Any) -> dict[str, Any]:
    return {"id": number, "image_id": image, "bbox": [1.0, 1.0, 4.0, 3.0], "segmentation": SQUARE, **changes}


def reference(number: int, ann: Any, image: int = 9, split: str = "val", *texts: str) -> dict[str, Any]:
    sentences = [
        {"raw": text, "sent": text.lower(), "sent_id": place} for place, text in enumerate(texts or ("A dog",))
    ]
    return {"ref_id": number, "ann_id": ann, "image_id": image, "split": split, "sentences": sentences}


def write_tree(root: Path, name: str, references: list[Any], instances: list[Any]) -> Path:
    layout = LAYOUTS[name]
    folder = root / layout.pictures[0]
    folder.mkdir(parents=True)
    for image in IMAGES:
        Image.new("RGB", (8, 6)).save(folder / str(image["file_name"]))
    if layout.references.endswith(".json"):
        (root / layout.references).write_text(json.dumps(references))
    else:
        (root / layout.references).write_bytes(pickle.dumps(references, protocol=2))
    (root / "instances.json").write_text(json.dumps({"images": IMAGES, "annotations": instances}))
    return root


@pytest.mark.parametrize("name", [name for name in LAYOUTS if name != "grefcoco"])
def test_sentences_become_records(name: str, tmp_path: Path) -> None:
    references = [
        reference(3, 70, 9, "val", "Left dog", "the dog "),
        reference(4, 71, 5, "val", "!"),
        *(reference(5, 71, 5, split) for split in LAYOUTS[name].splits if split != "val"),
    ]
    other = instance(71, 5, bbox=[6, 0, 9, 6], segmentation=RUNS)
    tree = write_tree(tmp_path / "raw", name, references, [instance(70), other])
    conversion = convert(READERS[name](tree, None), tmp_path / "out", progress=False)
    first, second = read_records(tmp_path / "out" / "val.jsonl")
    assert [(r.id, r.text, r.image) for r in (first, second)] == [
        ("3_0", "Left dog", "images/COCO_train2014_9.jpg"),
        ("3_1", "the dog", "images/COCO_train2014_9.jpg"),
    ]
    assert first.boxes == ((1, 1, 5, 4),) and first.masks is not None
    # pycocotools counts pixels whose corner lies inside the polygon.
    assert decode_mask(first.masks[0]).sum() == 12 and decode_mask(first.masks[0])[1:4, 1:5].all()
    (third,) = read_records(tmp_path / "out" / "train.jsonl")
    assert third.boxes == ((6, 0, 8, 6),) and decode_mask(third.masks[0])[:, 6:].all()  # type: ignore[index]
    assert conversion.skipped == {"without a word": 1} and conversion.records["val"] == 2


def test_pieces_of_run_lengths_and_folders_below(tmp_path: Path) -> None:
    """ReferIt's outlines are lists of run lengths; its pictures lie in folders of folders."""
    half = {"size": [6, 8], "counts": [0, 12, 36]}
    instances = [instance(70, segmentation=[RUNS, half])]
    tree = write_tree(tmp_path / "raw", "referit", [reference(1, 70)], instances)
    (tree / "saiapr_tc-12").rename(tree / "05")
    (tree / "images" / "saiapr_tc-12").mkdir(parents=True)
    (tree / "05").rename(tree / "images" / "saiapr_tc-12" / "05")
    images = [{**image, "file_name": f"05/{image['file_name']}"} for image in IMAGES]
    (tree / "instances.json").write_text(json.dumps({"images": images, "annotations": instances}))
    references = [reference(number, 70, 9, split) for number, split in enumerate(("train", "val", "test"))]
    (tree / "refs(berkeley).p").write_bytes(pickle.dumps(references))
    convert(READERS["referit"](tree, None), tmp_path / "out", progress=False)
    (record,) = read_records(tmp_path / "out" / "val.jsonl")
    mask = decode_mask(record.masks[0])  # type: ignore[index]
    assert mask.sum() == 24 and mask[:, [0, 1, 6, 7]].all()


def test_several_targets_and_none(tmp_path: Path) -> None:
    references = [reference(1, [70, 71]), reference(2, [-1], 5)]
    tree = write_tree(tmp_path / "raw", "grefcoco", references, [instance(70), instance(71, bbox=[5, 2, 2, 2])])
    for split in ("train", "testA", "testB"):
        references.append(reference(9, [70], 9, split))
    (tree / "grefs(unc).json").write_text(json.dumps(references))
    convert(READERS["grefcoco"](tree, None), tmp_path / "out", progress=False)
    none, both = read_records(tmp_path / "out" / "val.jsonl")
    assert none.boxes == () and none.masks == ()
    assert both.boxes == ((1, 1, 5, 4), (5, 2, 7, 4)) and len(both.masks or ()) == 2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"segmentation": [[1, 1, 5, 1]]}, r"annotation 70: a polygon needs three points or more.*got \[1, 1, 5, 1\]"),
        ({"segmentation": []}, "annotation 70: its outline has no polygon"),
        (
            {"segmentation": {**RUNS, "size": [8, 6]}},
            r"annotation 70: its mask has size \[8, 6\], its picture \[6, 8\]",
        ),
        ({"bbox": [9, 1, 4, 3]}, "annotation 70: bbox .* has no area in a picture of 8 x 6"),
        ({"id": 71}, "object 70 is not in .*instances.json"),
    ],
)
def test_broken_annotations_are_named(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    tree = write_tree(tmp_path / "raw", "refcoco", [reference(1, 70)], [{**instance(70), **changes}])
    with pytest.raises(ValueError, match=message):
        convert(READERS["refcoco"](tree, None), tmp_path / "out", progress=False)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("references", "instances", "message"),
    [
        ([reference(1, 70, 8)], [instance(70)], "reference 0: image 8 is not in"),
        ([reference(1, None)], [instance(70)], "reference 0: an id must be a whole number, got None"),
        ([reference(1, 70)], [instance("x")], r"annotations\[0\]: an id must be a whole number, got 'x'"),
        ([{"split": "val"}], [instance(70)], "reference 0: no 'image_id' among split"),
        ([reference(1, 70)], [instance(70), instance(70)], r"annotations\[1\] has id 70, as one before it has"),
        ({"a": 1}, [instance(70)], "must be a list of references"),
    ],
)
def test_broken_references_are_named(tmp_path: Path, references: Any, instances: list[Any], message: str) -> None:
    tree = write_tree(tmp_path / "raw", "refcoco+", references, instances)
    with pytest.raises(ValueError, match=message):
        convert(READERS["refcoco+"](tree, None), tmp_path / "out", progress=False)


def test_a_missing_photograph_is_named(tmp_path: Path) -> None:
    tree = write_tree(tmp_path / "raw", "refcocog-umd", [reference(1, 70)], [instance(70)])
    (tree / "train2014" / "COCO_train2014_9.jpg").unlink()
    with pytest.raises(FileNotFoundError, match=r"reference 0: no picture .*COCO_train2014_9\.jpg"):
        convert(READERS["refcocog-umd"](tree, None), tmp_path / "out", progress=False)


class Malice:
    """Runs a command when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.mark,)


def test_a_pickle_runs_nothing(tmp_path: Path) -> None:
    path, mark = tmp_path / "refs.p", tmp_path / "mark"
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        path.write_bytes(pickle.dumps([{"a": Malice(mark)}], protocol=protocol))
        with pytest.raises(ValueError, match=r"refs\.p: not a pickle of plain containers: it asks for "):
            load_plain_pickle(path)
    assert not mark.exists()


@pytest.mark.parametrize("content", [b"", b"no pickle", pickle.dumps([1, 2, 3] * 100)[:-20], b"\x80\x02Pkey\n."])
def test_what_is_no_pickle_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "refs.p"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"refs\.p: not a pickle of plain containers"):
        load_plain_pickle(path)


def test_texts_of_python_2(tmp_path: Path) -> None:
    path = tmp_path / "refs.p"
    path.write_bytes(b"\x80\x02]q\x00}q\x01U\x04sentq\x02U\x06caf\xc3\xa9!q\x03sa.")
    assert load_plain_pickle(path) == [{"sent": "café!"}]
