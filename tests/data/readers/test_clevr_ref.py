"""CLEVR-Ref+, from its official layout and from scenes drawn in its manner."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from laconvnet.data import generate, read_records
from laconvnet.data.readers import READERS, convert
from laconvnet.processing.masks import decode_mask
from laconvnet.scenes import WORLDS, SceneSource, parse_program


def node(function: str, *inputs: int, values: tuple[str, ...] = (), output: Any = ()) -> dict[str, Any]:
    given = list(output) if isinstance(output, tuple) else output
    return {"type": function, "inputs": list(inputs), "value_inputs": list(values), "_output": given}


SCENE = node("scene", output=(0, 1))
SECOND = node("filter_ordinal", 0, values=("the second one of the", "from left"), output=(1,))
VISIBLE = [SCENE, node("filter_visible", 0, values=("fully visible",), output=(1, 0))]
SAME = [SCENE, SECOND, node("unique", 1, output=1), node("same_color", 2, output=(0,))]


def refexp(picture: str, program: list[dict[str, Any]], family: str = "zero_hop.json", **more: Any) -> dict[str, Any]:
    return {
        "image_filename": picture, "image": picture[:-4], "image_index": 0, "split": "val", "refexp": "The red things",
        "program": program, "template_filename": family, "refexp_family_index": 0, "refexp_index": 0, **more,
    }  # fmt: skip


def scene(picture: str, **changes: Any) -> dict[str, Any]:
    """Two objects in a picture of 4 x 3: the first is seen in the middle row, the second in the last pixel."""
    item = {"shape": "cube", "size": "small", "color": "red", "material": "metal"}
    return {
        "image_filename": picture, "image_index": 0, "objects": [item, item],
        "obj_bbox": {"1": [0, 0, 4, 3], "2": [3, 1, 1, 9]}, "obj_mask": {"1": "4,4,4", "2": "11,1"},
        **changes,
    }  # fmt: skip


def write_tree(
    root: Path,
    refexps: list[dict[str, Any]],
    scenes: list[dict[str, Any]],
    name: str = "clevr_ref+",
    split: str = "val",
) -> Path:
    for folder in ("refexps", "scenes", f"images/{split}"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    for picture in ("a.png", "b.png"):
        Image.new("RGB", (4, 3)).save(root / "images" / split / picture)
    content = {"refexps": {"info": {}, "refexps": refexps}, "scenes": {"info": {"split": split}, "scenes": scenes}}
    for kind, rows in content.items():
        (root / kind / f"{name}_{split}_{kind}.json").write_text(json.dumps(rows, indent=2))
    return root


REFEXPS = [
    refexp("b.png", VISIBLE),
    refexp("b.png", SAME, "same_relate.json"),
    refexp("a.png", [*SAME[:2], node("dance", 1, output=1)]),
]
SCENES = [scene("a.png"), scene("b.png")]


@pytest.mark.parametrize(("name", "split"), [("clevr_ref+", "val"), ("clevr_ref+_cogent", "valB")])
def test_expressions_become_records(tmp_path: Path, name: str, split: str) -> None:
    tree = write_tree(tmp_path / "raw", REFEXPS, SCENES, name, split)
    conversion = convert(READERS["clevr_ref+"](tree, None), tmp_path / "out", progress=False)
    both, same, other = read_records(tmp_path / "out" / f"{split}.jsonl")
    assert [record.id for record in (both, same, other)] == [f"{split}_{number}" for number in range(3)]
    assert both.image == f"images/{split}/b.png" and other.image == f"images/{split}/a.png"
    assert [record.group for record in (both, same, other)] == ["zero_hop", "same_relate", "zero_hop"]
    assert both.boxes == ((0, 0, 4, 3), (3, 1, 4, 3)) and same.boxes == ((0, 0, 4, 3),)
    row, corner = (decode_mask(mask) for mask in both.masks or ())
    assert row.sum() == 4 and row[1].all() and corner.sum() == 1 and corner[2, 3]
    assert both.program == "filter_visible[fully](scene)"
    assert same.program == "same_color(unique(filter_ordinal[left 2](scene)))" and other.program is None
    for record in (both, same):
        assert str(parse_program(str(record.program))) == record.program
    assert conversion.records == {split: 3}


def test_several_splits_and_pictures_elsewhere(tmp_path: Path) -> None:
    tree = write_tree(tmp_path / "raw", REFEXPS, SCENES)
    write_tree(tree, REFEXPS[:1], SCENES, split="train")
    (tree / "images").rename(tmp_path / "drawn")
    with pytest.raises(FileNotFoundError, match="lacks images; expected layout"):
        READERS["clevr_ref+"](tree, None)
    conversion = convert(READERS["clevr_ref+"](tree, tmp_path / "drawn"), tmp_path / "out", progress=False)
    assert conversion.records == {"train": 1, "val": 3}


def test_objects_may_have_their_own_box_or_only_a_mask(tmp_path: Path) -> None:
    items = [{"bbox": [1, 1, 2, 1]}, {"mask": "5,2,1,4"}]
    unseen = scene("b.png", obj_mask={"1": "12", "2": "11,1"}, obj_bbox={"2": [0, 0, 0, 0]})
    scenes = [{"image_filename": "a.png", "objects": items}, unseen]
    refexps = [refexp("a.png", VISIBLE), refexp("a.png", [SCENE, SECOND]), refexp("b.png", VISIBLE)]
    tree = write_tree(tmp_path / "raw", refexps, scenes)
    conversion = convert(READERS["clevr_ref+"](tree, None), tmp_path / "out", progress=False)
    both, second = read_records(tmp_path / "out" / "val.jsonl")
    assert both.boxes == ((1, 1, 3, 2), (0, 1, 4, 3)) and both.masks is None
    assert second.boxes == ((0, 1, 4, 3),) and len(second.masks or ()) == 1
    assert conversion.skipped == {"with a target without area in the picture": 1}


@pytest.mark.parametrize(
    ("changes", "scenes", "message"),
    [
        ({"image_filename": "../b.png"}, SCENES, r"refexps\[0\]: a file's path must .* stays in its folder.*'\.\./b"),
        ({"image_filename": "c.png"}, SCENES, r"refexps\[0\]: no picture .*c\.png"),
        ({"program": []}, SCENES, r"refexps\[0\]: the last node of its program: no '_output'"),
        ({"program": [node("scene", output="x")]}, SCENES, r"must be the numbers of its targets, got 'x'"),
        ({"program": [node("scene", output=(2,))]}, SCENES, "object 2 is meant, and the scene of 'b.png' has 2"),
        ({"program": 3}, SCENES, r"refexps\[0\]: must be an object with a list of objects under 'program'"),
        ({}, SCENES[:1], r"refexps\[0\]: the scene of 'b\.png' is not in .*scenes\.json"),
        ({}, [SCENES[1]] * 2, r"scenes\[1\] is drawn as 'b\.png', as one before it is"),
        ({}, [scene("b.png", obj_mask={"1": "4,4", "2": "11,1"})], r"object 0: the runs .* 4 x 3 = 12.*the sum 8"),
        ({}, [scene("b.png", obj_mask={"1": "4,x", "2": ""})], r"object 0: a mask must be numbers .*got '4,x'"),
        ({}, [scene("b.png", obj_mask={"1": [12]})], r"object 0: a mask must be text, .*got list"),
        ({}, [scene("b.png", obj_mask={}, obj_bbox={})], r"'b\.png': object 0 has neither a box \(obj_bbox\)"),
        ({}, [scene("b.png", obj_bbox={"1": [0, 0, 4]})], "object 0: a box must be four numbers"),
    ],
)
def test_broken_files_are_named(
    tmp_path: Path, changes: dict[str, Any], scenes: list[dict[str, Any]], message: str
) -> None:
    tree = write_tree(tmp_path / "raw", [{**REFEXPS[0], **changes}], scenes)
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        convert(READERS["clevr_ref+"](tree, None), tmp_path / "out", progress=False)
    assert [path.name for path in tmp_path.iterdir()] == ["raw"]


def test_a_truncated_file_is_named(tmp_path: Path) -> None:
    tree = write_tree(tmp_path / "raw", REFEXPS, SCENES)
    path = tree / "refexps" / "clevr_ref+_val_refexps.json"
    path.write_text(path.read_text()[:-9])
    with pytest.raises(ValueError, match=r"refexps\.json:\d+: not JSON as it should be"):
        convert(READERS["clevr_ref+"](tree, None), tmp_path / "out", progress=False)
    assert [path.name for path in tmp_path.iterdir()] == ["raw"]


def test_scenes_of_the_embedded_world(tmp_path: Path) -> None:
    """What `data generate --clevr` writes gives the records it came with."""
    source = SceneSource(world=WORLDS["near"], sentences={"rec": 2, "gres": 2})
    generate(tmp_path / "drawn", source, {"val": 3}, size=64, clevr=True)
    convert(READERS["clevr_ref+"](tmp_path / "drawn", None), tmp_path / "out", progress=False)

    def told(folder: str) -> list[tuple[Any, ...]]:
        records = read_records(tmp_path / folder / "val.jsonl")
        return [(r.text, r.boxes, r.masks, r.group, r.program, r.image.split("/")[-1]) for r in records]

    assert told("out") == told("drawn")
    assert any(len(boxes) > 1 for _, boxes, *_ in told("out"))
