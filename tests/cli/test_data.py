"""`laconvnet data`."""

import json

from PIL import Image

from laconvnet.data import DatasetInfo


def test_a_folder_is_checked_counted_and_shown(run, world, tmp_path):
    assert "0 errors" in run("data", "validate", world)
    assert json.loads(run("data", "stats", world, "--json"))["val"]
    assert "val" in run("data", "stats", world)
    run("data", "show", world, "--split", "val", "--out", tmp_path / "sheet.png", "--count", 4)
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.width > 300


def test_scenes_are_generated_as_asked(run, tmp_path):
    root = tmp_path / "scenes"
    sorts = ["--sentence", "rec=1", "--sentence", "vqa=2", "--family", "count", "--kind", "relation"]
    output = run(
        "data", "generate", root, "--split", "val=3", *sorts, "--size", "96x64", "--world", "hard", "--workers", 0,
        "--seed", 4, "--clevr",
    )  # fmt: skip
    assert "val: 9 records" in output
    records = [json.loads(line) for line in (root / "val.jsonl").read_text().splitlines()]
    assert {record["group"] for record in records} == {"count", "relation"}
    assert (records[0]["width"], records[0]["height"]) == (96, 64)
    assert (root / "clevr" / "CLEVR_val_questions.json").is_file()


def test_generated_scenes_say_which_tasks_they_serve(run, tmp_path):
    for sort, tasks in {"rec": ("rec", "res"), "gres": ("gres",), "vqa": ("vqa",)}.items():
        run("data", "generate", tmp_path / sort, "--split", "val=1", "--sentence", f"{sort}=1", "--size", 64)
        assert DatasetInfo.load(tmp_path / sort).tasks == tasks


def test_a_broken_dataset_fails_the_check(run, world, tmp_path):
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "dataset.json").write_text((world / "dataset.json").read_text())
    (tmp_path / "d" / "train.jsonl").write_text("not json\n")
    assert "train.jsonl:1" in run("data", "validate", tmp_path / "d", code=1)
