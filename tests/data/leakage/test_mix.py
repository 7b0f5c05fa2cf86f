"""A mix holds no picture that one of the datasets keeps for validation or testing."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from laconvnet import cli
from laconvnet.data import DatasetInfo, Record, SchemaError, read_records, write_records
from laconvnet.data.folder.validate import validate
from laconvnet.data.leakage.held_out import RULES
from laconvnet.data.leakage.mix import Part, mix, summary
from laconvnet.data.leakage.picture_hash import NEAR, Fingerprint
from laconvnet.processing import ImageError

MakeFolder = Callable[..., Path]


def photo(seed: int, width: int = 96, height: int = 64) -> Image.Image:
    """Smooth random blobs: like a photograph, little changes when it is resized or compressed."""
    values = np.random.default_rng(seed).integers(0, 256, (9, 12, 3), dtype=np.uint8)
    return Image.fromarray(values).resize((width, height), Image.Resampling.BICUBIC)


def bits_between(first: Fingerprint, second: Fingerprint) -> int:
    return (int(first.difference, 16) ^ int(second.difference, 16)).bit_count()


@pytest.fixture
def make(tmp_path: Path) -> MakeFolder:
    """Write a dataset folder: `make("coco", "RefCOCO", train={"a.jpg": picture, file or seed})`, two records each."""

    def make(folder: str, name: str, **parts: Mapping[str, Any]) -> Path:
        root = tmp_path / folder
        (root / "images").mkdir(parents=True)
        DatasetInfo(name, f"source of {name}", f"licence of {name}", ("rec", "res")).save(root)
        for split, pictures in parts.items():
            records = []
            for number, (file, content) in enumerate(pictures.items()):
                target = root / "images" / file
                target.parent.mkdir(exist_ok=True)
                if isinstance(content, Path):
                    target.write_bytes(content.read_bytes())
                else:
                    (photo(content) if isinstance(content, int) else content).save(target, quality=95)
                frame = f"images/{file}", 96, 64
                records += [Record(f"{number}_{i}", *frame, "a dog", boxes=((1, 2, 30 + i, 40),)) for i in range(2)]
            write_records(root / f"{split}.jsonl", records)
        return root

    return make


@pytest.fixture
def image_data(tmp_path: Path) -> Callable[..., Path]:
    """Write an image_data.json of (number, COCO's, Flickr's)."""

    def write(*rows: tuple[int, int | None, int | None]) -> Path:
        path = tmp_path / "image_data.json"
        path.write_text(json.dumps([{"image_id": a, "coco_id": b, "flickr_id": c} for a, b, c in rows]))
        return path

    return write


def kept(out: Path) -> list[str]:
    return list(dict.fromkeys(record.image.removeprefix("images/") for record in read_records(out / "train.jsonl")))


def removed(audit: dict[str, Any]) -> dict[str, tuple[str, str]]:
    """By picture without its folder: the rule, and what it met."""
    return {Path(row["picture"].split()[1]).name: (row["rule"], row["met"]) for row in audit["removed"]}


def test_every_rule_finds_its_leak_and_the_rest_stays(
    make: MakeFolder, image_data: Callable[..., Path], tmp_path: Path
) -> None:
    coco = make(
        "refcoco",
        "RefCOCO",
        train={"COCO_train2014_000000000001.jpg": 1, "COCO_train2014_000000000002.jpg": 2},
        testA={"COCO_train2014_000000000003.jpg": 3, "COCO_train2014_000000000004.jpg": 4},
    )
    vqa = make("vqa", "VQA v2", val={"COCO_val2014_000000000002.jpg": 20})
    exact = coco / "images/COCO_train2014_000000000003.jpg"
    resized = photo(4).resize((131, 131), Image.Resampling.BICUBIC)
    genome = make(
        "vg",
        "Visual Genome regions",
        train={"3.jpg": 33, "5.jpg": 5, "6.jpg": exact, "7.jpg": resized, "8.jpg": 80, "9.jpg": 90},
    )
    flickr = make("flickr", "Flickr30k Entities", train={"3.jpg": 63, "9.jpg": 69}, val={"77.jpg": 77})
    links = image_data((3, None, None), (5, 4, None), (6, None, None), (7, 99, None), (8, None, 77), (9, None, 9))
    parts = [Part(coco), Part(genome), Part(flickr)]
    out = tmp_path / "out"
    audit = mix(parts, out, against=[coco, vqa], vg_images=links)

    assert removed(audit) == {
        "COCO_train2014_000000000002.jpg": ("id", f"{vqa}:val images/COCO_val2014_000000000002.jpg"),
        "5.jpg": ("linked_id", f"{coco}:testA images/COCO_train2014_000000000004.jpg"),
        "6.jpg": ("sha256", f"{coco}:testA images/COCO_train2014_000000000003.jpg"),
        "7.jpg": ("near", f"{coco}:testA images/COCO_train2014_000000000004.jpg"),
        "8.jpg": ("linked_id", f"{flickr}:val images/77.jpg"),
    }
    assert kept(out) == [
        "refcoco/COCO_train2014_000000000001.jpg",
        "vg/3.jpg",
        "vg/9.jpg",
        "flickr/3.jpg",
        "flickr/9.jpg",
    ]
    assert validate(out).problems == []
    assert read_records(out / "train.jsonl")[3] == Record(
        "vg/0_1", "images/vg/3.jpg", 96, 64, "a dog", boxes=((1, 2, 31, 40),)
    )
    info = DatasetInfo.load(out)
    assert info.tasks == ("rec", "res") and "Visual Genome regions (train): licence of" in info.licence
    assert json.loads((out / "audit.json").read_text()) == audit
    check_audit(out, audit)


def check_audit(out: Path, audit: dict[str, Any]) -> None:
    """From the audit alone: the counts add up, each removal has its reason, and nothing kept is held out."""
    for part in audit["parts"]:
        for unit in ("pictures", "records"):
            assert part[unit] == part["kept"][unit] + sum(part["removed"][rule][unit] for rule in RULES)
    header, *lines = (out / "audit.tsv").read_text().splitlines()
    rows = [dict(zip(header.split("\t"), line.split("\t"), strict=True)) for line in lines]
    named = {f"{row['split']} {row['picture']}": row for row in rows}
    of = {outcome: [row for row in rows if row["outcome"] == outcome] for outcome in ("kept", "removed", "held out")}
    assert sum(map(len, of.values())) == len(rows)
    for part in audit["parts"]:
        assert part["kept"]["pictures"] == sum(row["split"] == part["split"] for row in of["kept"])
    for held in audit["held_out"]:
        assert held["pictures"] == sum(row["split"] == held["split"] for row in of["held out"])
    for leak in audit["removed"]:
        own, met = named[leak["picture"]], named[leak["met"]]
        if leak["rule"] in ("id", "linked_id"):
            assert leak["key"] in own["keys"].split(",") and leak["key"] in met["keys"].split(",")
        elif leak["rule"] == "sha256":
            assert own["sha256"] == met["sha256"] == leak["sha256"]
        else:
            assert (own["hash"], met["hash"]) == (leak["hash"], leak["met_hash"])
            assert bits_between(Fingerprint("", own["hash"]), Fingerprint("", met["hash"])) == leak["bits"]
            assert leak["bits"] <= audit["near"]["at_most"]
    for row in of["kept"]:
        for held in of["held out"]:
            assert not set(row["keys"].split(",")) & set(held["keys"].split(",")) - {""}
            assert row["sha256"] != held["sha256"]
            distance = bits_between(Fingerprint("", row["hash"]), Fingerprint("", held["hash"]))
            assert distance > audit["near"]["at_most"]
    assert len(of["removed"]) == len(audit["removed"])


def test_what_is_the_same_in_two_training_splits_stays(make: MakeFolder, tmp_path: Path) -> None:
    first = make(
        "a", "RefCOCO", train={"COCO_train2014_000000000001.jpg": 1}, val={"COCO_train2014_000000000009.jpg": 9}
    )
    second = make("b", "RefCOCO+", train={"COCO_train2014_000000000001.jpg": 1})
    audit = mix([Part(first), Part(second)], tmp_path / "out")
    assert audit["removed"] == [] and [row["split"] for row in audit["held_out"]] == [f"{first}:val"]
    assert kept(tmp_path / "out") == ["a/COCO_train2014_000000000001.jpg", "b/COCO_train2014_000000000001.jpg"]


def test_a_split_beside_train_may_go_in(make: MakeFolder, tmp_path: Path) -> None:
    files = {"train": {"x/1.jpg": 1, "y/1.jpg": 2}, "val": {"x/3.jpg": 3}, "test": {"4.jpg": 4}}
    folder = make("own", "mine", **files)
    audit = mix([Part.parse(str(folder)), Part.parse(f"{folder}:val")], tmp_path / "out", link="hardlink")
    assert [row["split"] for row in audit["held_out"]] == [f"{folder}:test"]
    assert kept(tmp_path / "out") == ["own/x/1.jpg", "own/y/1.jpg", "own-val/x/3.jpg"]
    assert (tmp_path / "out/images/own/y/1.jpg").samefile(folder / "images/y/1.jpg")


def test_bare_numbers_of_different_collections_do_not_meet(
    make: MakeFolder, image_data: Callable[..., Path], tmp_path: Path
) -> None:
    names = ["Visual Genome regions", "Flickr30k Entities", "ReferIt", "mine"]
    parts = [Part(make(f"p{n}", name, train={"12.jpg": n}, val={f"{n}.jpg": 50 + n})) for n, name in enumerate(names)]
    vqa = make("vqa", "VQA v2", test={"COCO_test2015_000000000012.jpg": 30})
    audit = mix(parts, tmp_path / "out", against=[vqa], vg_images=image_data((12, None, None), (0, None, None)))
    assert audit["removed"] == []
    assert [row["collections"] for row in audit["parts"]] == [["vg"], ["flickr"], ["saiapr"], []]
    assert f"{parts[3]}: 1 pictures have no key, they are compared by content only" in summary(audit)


def test_keys_can_be_excluded(make: MakeFolder, image_data: Callable[..., Path], tmp_path: Path) -> None:
    coco = make("coco", "RefCOCO", train={f"COCO_train2014_00000000000{n}.jpg": n for n in (1, 2, 3)})
    keys = tmp_path / "test ids.txt"
    keys.write_text("coco:000000000001\n\nvg:7\n")
    audit = mix([Part(coco)], tmp_path / "out", exclude=[keys], vg_images=image_data((7, 2, None)))
    assert removed(audit) == {
        "COCO_train2014_000000000001.jpg": ("id", f"{keys}:1"),
        "COCO_train2014_000000000002.jpg": ("linked_id", f"{keys}:3"),
    }
    assert audit["excluded_keys"] == {str(keys): 2} and f"{keys}: 2 keys" in summary(audit)


def test_exact_copies_only(make: MakeFolder, tmp_path: Path) -> None:
    folder = make("a", "mine", train={"a.jpg": photo(1).resize((50, 50)), "b.png": 2}, val={"c.jpg": 1, "d.png": 2})
    audit = mix([Part(folder)], tmp_path / "out", near=0)
    assert removed(audit) == {"b.png": ("sha256", f"{folder}:val images/d.png")}


def test_the_same_mix_twice_is_the_same(make: MakeFolder, tmp_path: Path) -> None:
    folder = make("a", "mine", train={f"{n}.jpg": n for n in range(5)}, val={"x.jpg": 3, "y.jpg": 3})
    for out in ("first", "second"):
        mix([Part(folder)], tmp_path / out)
    for file in ("train.jsonl", "audit.json", "audit.tsv", "dataset.json"):
        assert (tmp_path / "first" / file).read_bytes() == (tmp_path / "second" / file).read_bytes()


def test_errors_name_the_place_and_leave_nothing(
    make: MakeFolder, image_data: Callable[..., Path], tmp_path: Path
) -> None:
    coco = make(
        "coco", "RefCOCO", train={"COCO_train2014_000000000001.jpg": 1}, val={"COCO_train2014_000000000002.jpg": 2}
    )
    lone = make("lone", "mine", train={"1.jpg": 3})
    same = make("same", "mine", train={"1.jpg": 3}, val={"2.jpg": 3})
    genome = make("vg", "Visual Genome regions", train={"1.jpg": 4})
    twin = make("deep/coco", "RefCOCO", train={"COCO_train2014_000000000001.jpg": 1})
    gone = make("gone", "mine", train={"1.jpg": 5}, val={"2.jpg": 6})
    (gone / "images/2.jpg").unlink()
    keys, out = tmp_path / "keys.txt", tmp_path / "out"
    keys.write_text("coco:1\ncoco 2\n")

    def fails(error: type[Exception], match: str, *parts: Part, **options: Any) -> None:
        with pytest.raises(error, match=match):
            mix(parts, out, **options)
        assert not out.exists() and not out.with_name("out.partial").exists()

    fails(SchemaError, r"testA.jsonl: no such file; splits found in .*coco: train, val", Part(coco, "testA"))
    fails(SchemaError, r"nowhere.dataset.json: no such file; a dataset folder", Part(tmp_path / "nowhere"))
    fails(SchemaError, r"nowhere.dataset.json: no such file", Part(coco), against=[tmp_path / "nowhere"])
    fails(SchemaError, "lone holds nothing out; its splits: train", Part(coco), against=[lone])
    fails(ValueError, "nothing is held out", Part(lone))
    fails(ValueError, "vg:train has pictures of Visual Genome; its image_data.json", Part(genome), against=[coco])
    fails(ValueError, "vg:1 is not in", Part(genome), against=[coco], vg_images=image_data((2, None, None)))
    fails(ValueError, r"keys.txt:2: a key is one of coco:<number>, .*; got 'coco 2'", Part(lone), exclude=[keys])
    fails(ValueError, r"named twice: \['coco'\]", Part(coco), Part(twin))
    fails(ValueError, "there must be parts")
    fails(ValueError, "near must be from 0 to 127 bits, got 128", Part(coco), near=128)
    fails(ValueError, "workers must be 1 or more, got 0", Part(coco), workers=0)
    fails(ImageError, "2.jpg: no such file", Part(gone))
    fails(ValueError, r"nothing is left, all 1 pictures are held out:\n(.*\n)+.*1 by sha256", Part(same))
    out.mkdir()
    with pytest.raises(FileExistsError, match="out exists"):
        mix([Part(coco)], out)


def test_the_command(make: MakeFolder, image_data: Callable[..., Path], tmp_path: Path) -> None:
    genome = make("vg", "Visual Genome regions", train={"1.jpg": 1, "2.jpg": 2})
    coco = make(
        "coco", "RefCOCO", train={"COCO_train2014_000000000008.jpg": 8}, val={"COCO_train2014_000000000009.jpg": 9}
    )
    keys = tmp_path / "keys.txt"
    keys.write_text("coco:8\n")
    options = ["--against", coco, "--vg-images", image_data((1, 9, None), (2, None, None)), "--link", "symlink"]
    command = ["data", "mix", "--part", genome, "--part", f"{coco}:train", "--exclude", keys, *options]
    result = CliRunner().invoke(cli.app, [*map(str, command), "--out", str(tmp_path / "out")])
    assert result.exit_code == 0, result.output
    assert "vg: kept 1 of 2 pictures and 2 of 4 records; pictures removed: 0 by id, 1 by linked_id" in result.output
    assert kept(tmp_path / "out") == ["vg/2.jpg"] and (tmp_path / "out/images/vg/2.jpg").is_symlink()
    audit = json.loads((tmp_path / "out/audit.json").read_text())
    assert audit["near"] == {"bits": 256, "at_most": NEAR}
