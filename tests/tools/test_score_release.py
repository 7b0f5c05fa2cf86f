"""tools/score_release.py: scores as a whole and in parts that make it up, and the tables of a page."""

import json
import re
import sys

import pytest
from fresh import fresh_checkpoint, show_pictures
from PIL import Image

from laconvnet.data import DatasetInfo, generate, read_records
from laconvnet.evaluation import score_checkpoint
from laconvnet.scenes import WORLDS, SceneSource, answers

NEAR = WORLDS["near"]
BEGIN, END = "<!-- tools/score_release.py: begin -->", "<!-- end -->"


@pytest.fixture(scope="module")
def tool(load_tool):
    return load_tool("score_release")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """A network that was not trained and tells pictures apart."""
    seen = tmp_path_factory.mktemp("seen") / "scenes"
    generate(seen, SceneSource(4, NEAR, {"gres": 1}), {"test": 4}, size=64)
    made = fresh_checkpoint(("rec", "gres", "vqa"), answers=answers(NEAR.values), max_length=None)
    return show_pictures(made, seen / "images")


@pytest.fixture
def few(tool, monkeypatch):
    """Few and small test scenes."""
    monkeypatch.setattr(tool, "SCENES", {"train": 6, "test": 5})
    monkeypatch.setattr(tool, "SIZE", 64)
    return tool


def test_test_scenes_are_made_once_and_nothing_else_is_taken_for_them(tmp_path, few):
    folders = few.make_test_scenes(tmp_path)
    assert set(folders) == {"rec", "gres", "vqa"}
    assert {len(read_records(folder / "test.jsonl")) for folder in folders.values()} == {5 * 8, 5 * 16}
    assert {sort: DatasetInfo.load(folder).tasks for sort, folder in folders.items()} == {
        "rec": ("rec", "res"),
        "gres": ("gres",),
        "vqa": ("vqa",),
    }
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    assert few.make_test_scenes(tmp_path) == folders
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before
    (tmp_path / "other").mkdir()
    generate(tmp_path / "other" / "test_scenes_rec", SceneSource(1, NEAR), {"test": 1}, size=64)
    with pytest.raises(ValueError, match=r"test_scenes_rec holds .*; remove it"):
        few.make_test_scenes(tmp_path / "other")
    fewer, tasks = tmp_path / "fewer" / "test_scenes_rec", ("rec", "res")
    generate(fewer, few.SOURCES["rec"], {"train": 6, "test": 4}, tasks=tasks, size=64)
    with pytest.raises(ValueError, match=r"test_scenes_rec holds 6 pictures of train and 4 pictures of test of .*"):
        few.make_test_scenes(tmp_path / "fewer")


def test_nothing_was_learned_from_the_seeds_of_the_test_scenes(tool, request):
    """Neither a configuration, nor the commands above it, nor shipped weights name them."""
    root = request.config.rootpath
    files = [*(root / "configs").rglob("*.yaml"), *(root / "tools" / "trials").glob("*.yaml")]
    cards = [*(root / "src" / "laconvnet" / "weights").glob("*/README.md")]
    text = "\n".join(path.read_text(encoding="utf-8") for path in (*files, *cards))
    learned = {int(seed) for seed in re.findall(r"\bseed[\"']?[:= ] *(\d+)", text)}
    assert {1, 41, 51} <= learned and len(files) > 10 and len(cards) == 2
    assert not learned & {source.seed for source in tool.SOURCES.values()}


def test_parts_make_up_the_whole(tmp_path, few, checkpoint):
    folders = few.make_test_scenes(tmp_path)
    result = few.measure_scenes(checkpoint, folders)
    assert set(result) == {"rec", "gres", "vqa"}
    for task, found in result.items():
        scored = score_checkpoint(checkpoint, folders[task], "test", task=task)
        assert found["n"] == scored["n"] and found["pictures"] == 5
        for name, value in found["metrics"].items():
            assert value == pytest.approx(scored["metrics"][name], nan_ok=True)
        main = {"rec": "accuracy@0.5", "gres": "gIoU", "vqa": "accuracy"}[task]
        for parts in found["by"].values():
            assert sum(part["n"] for part in parts.values()) == found["n"]
            mean = sum(part["n"] * part["metrics"][main] for part in parts.values()) / found["n"]
            assert mean == pytest.approx(found["metrics"][main])
        assert set(found["by"]["objects"]) <= {"3", "4"} and set(found["by"]["hops"]) <= {"0", "1", "2", "3"}
        assert found["shuffled"].keys() == found["metrics"].keys()
    assert 1 / 4 <= result["rec"]["blind"]["any object, at random"]["accuracy@0.5"] <= 1 / 3


def test_the_command_writes_every_table_and_leaves_out_photographs_that_are_not_there(
    tmp_path, few, checkpoint, monkeypatch, capsys
):
    checkpoint.save(tmp_path / "weights")
    page = tmp_path / "results.md"
    page.write_text(f"# Results\n\n{BEGIN}\n{END}\n")
    files = {"--json": tmp_path / "results.json", "--markdown": page, "--sheet": tmp_path / "sheet.png"}
    weights = {"--scenes": tmp_path / "weights", "--photographs": tmp_path / "weights", "--data": tmp_path / "data"}
    words = [str(word) for pair in (files | weights).items() for word in pair]
    monkeypatch.setattr(few, "CHANGED", 4)
    monkeypatch.setattr(sys, "argv", ["score_release.py", *words])
    few.main()
    said, scenes_only = capsys.readouterr(), json.loads(files["--json"].read_text())
    assert set(scenes_only["scenes"]) == {"rec", "gres", "vqa"} and "photographs" not in scenes_only
    assert "flickr30k is not there: leaving the photographs out" in " ".join(said.err.split())
    for text in (said.out, page.read_text()):
        for title in (
            "Scenes",
            "by kind of expression",
            "by family of question",
            "by relations followed",
            "Robustness",
        ):
            assert title in text
        assert "### Scenes, by number of objects" in text and "Photographs" not in text
    with Image.open(files["--sheet"]) as sheet:
        assert sheet.width > 360

    # Scenes in the place of photographs.
    generate(tmp_path / "data" / "flickr30k", SceneSource(3, NEAR), {"train": 3, "val": 3}, size=64)
    monkeypatch.setattr(few, "measure_scenes", lambda checkpoint, folders, **options: scenes_only["scenes"])
    few.main()
    both = json.loads(files["--json"].read_text())
    assert both["photographs"].keys() == {"rec"} and both["robustness"].keys() == {"scenes", "photographs"}
    text = page.read_text()
    assert "### Photographs, by type of phrase" in text and "### Robustness, photographs" in text
    assert text.count("### Scenes, by number of objects") == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--markdown", "page.md"], "page.md"),
        (["--sheet", "sheet"], "sheet needs the ending of a picture"),
        (["--json", "."], "is a folder"),
    ],
)
def test_a_path_that_cannot_be_written_fails_before_anything_is_measured(tool, monkeypatch, tmp_path, options, message):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tool, "measure_everything", lambda *_, **__: pytest.fail("measured"))
    monkeypatch.setattr(sys, "argv", ["score_release.py", *options])
    with pytest.raises((OSError, ValueError), match=message):
        tool.main()
    assert not list(tmp_path.iterdir())


def result(value, by=None):
    names = {"accuracy@0.25": 0.9, "accuracy@0.5": value, "accuracy@0.75": 0.1, "mean_iou": 0.4}
    return {
        "n": 1200,
        "pictures": 40,
        "metrics": names,
        "intervals": {name: [at - 0.02, at + 0.03] for name, at in names.items()},
        "shuffled": {name: 0.25 for name in names},
        "blind": {"whole image": {"accuracy@0.5": 0.05}, "any object": {"accuracy@0.5": 0.28}},
        "by": {} if by is None else by,
    }


def test_the_overview_shows_the_best_baseline_and_the_control(tool):
    (row,) = tool.overview({"rec": result(0.5)}).splitlines()[2:]
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells == [
        "`rec`, accuracy@0.5",
        "1,200 / 40",
        "28.0 % (any object)",
        "**50.0 % [48.0, 53.0]**",
        "25.0 %",
        "accuracy@0.25 90.0 %, accuracy@0.75 10.0 %, mean_iou 40.0 %",
    ]


def test_parts_of_several_tasks_share_their_rows(tool):
    rec = result(0.5, {"hops": {"0": result(0.7), "1": result(0.4)}})
    vqa = {"by": {"hops": {"1": {"n": 30, "metrics": {"accuracy": 0.6}, "intervals": {"accuracy": [0.5, 0.7]}}}}}
    lines = tool.parts_table({"rec": rec, "vqa": vqa}, "hops").splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert cells[0] == ["hops", "`rec`, accuracy@0.5", "`vqa`, accuracy"]
    assert cells[2] == ["0", "70.0 % [68.0, 73.0] of 1,200", "–"]
    assert cells[3] == ["1", "40.0 % [38.0, 43.0] of 1,200", "60.0 % [50.0, 70.0] of 30"]


def test_text_is_put_between_the_markers_any_number_of_times(tool, tmp_path):
    page = tmp_path / "page.md"
    page.write_text(f"# Title\n\n{BEGIN}\nold\n{END}\n\nafter\n")
    for _ in range(2):
        tool.put_between_markers(page, "new – ü\n")
    assert page.read_text() == f"# Title\n\n{BEGIN}\n\nnew – ü\n\n{END}\n\nafter\n"


@pytest.mark.parametrize("text", ["", f"{BEGIN}\n", f"{END}\n{BEGIN}\n", f"{BEGIN}\n{END}\n{BEGIN}\n{END}\n"])
def test_a_page_without_markers_is_left_alone(tool, tmp_path, text):
    page = tmp_path / "page.md"
    page.write_text(text)
    with pytest.raises(
        ValueError, match=r"page\.md needs the line <!-- tools/score_release\.py: begin --> and after it"
    ):
        tool.put_between_markers(page, "new")
    assert page.read_text() == text and list(tmp_path.iterdir()) == [page]
