"""Scores as a whole and in parts: they agree with scores counted by hand, and parts make up the whole."""

import json
import re
from pathlib import Path

import pytest
from laconvnet.report import measure
from laconvnet.report.everything import render, report
from laconvnet.scoring import score_checkpoint

from laconvnet.data import generate, read_records
from laconvnet.models import save_checkpoint
from laconvnet.scenes import WORLDS, SceneSource


@pytest.fixture(scope="module")
def weights(tmp_path_factory, network):
    model, vocabulary, preprocess = network
    folder = tmp_path_factory.mktemp("weights") / "scenes"
    save_checkpoint(folder, model, vocabulary=vocabulary, preprocess=preprocess, card="")
    return folder


@pytest.fixture
def few(monkeypatch):
    """Few and small test scenes."""
    monkeypatch.setattr(measure, "_SCENES", {"train": 6, "test": 5})
    monkeypatch.setattr(measure, "_SIZE", 64)


def test_test_scenes_are_made_once_and_nothing_else_is_taken_for_them(tmp_path, few):
    folders = measure.make_test_scenes(tmp_path)
    assert set(folders) == {"rec", "gres", "vqa"}
    assert {len(read_records(folder / "test.jsonl")) for folder in folders.values()} == {5 * 8, 5 * 16}
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    assert measure.make_test_scenes(tmp_path) == folders
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before
    (tmp_path / "other").mkdir()
    generate(tmp_path / "other" / "test_scenes_rec", SceneSource(1, WORLDS["near"]), {"test": 1}, size=64)
    with pytest.raises(ValueError, match=r"test_scenes_rec holds .*; remove it"):
        measure.make_test_scenes(tmp_path / "other")
    generate(tmp_path / "fewer" / "test_scenes_rec", measure.SOURCES["rec"], {"train": 6, "test": 4}, size=64)
    with pytest.raises(ValueError, match=r"test_scenes_rec holds 6 pictures of train and 4 pictures of test of .*"):
        measure.make_test_scenes(tmp_path / "fewer")


def test_nothing_was_learned_from_the_seeds_of_the_test_scenes():
    """Neither a configuration, nor the commands above it, nor shipped weights name them."""
    root = Path(measure.__file__).parents[3]
    files = [*(root / "configs").rglob("*.yaml"), *(root / "tools" / "trials").glob("*.yaml")]
    cards = [*(root / "src" / "laconvnet" / "weights").glob("*/README.md")]
    text = "\n".join(path.read_text(encoding="utf-8") for path in (*files, *cards))
    learned = {int(seed) for seed in re.findall(r"\bseed[\"']?[:= ] *(\d+)", text)}
    assert {1, 41, 51} <= learned and len(files) > 10 and len(cards) == 2
    assert not learned & {source.seed for source in measure.SOURCES.values()}


def test_parts_make_up_the_whole(tmp_path, few, weights):
    folders = measure.make_test_scenes(tmp_path)
    result = measure.measure_scenes(weights, folders)
    assert set(result) == {"rec", "gres", "vqa"}
    for task, found in result.items():
        scored = score_checkpoint(weights, folders[task], "test", task=task)
        assert found["n"] == scored["n"] and found["pictures"] == 5
        for name, value in found["metrics"].items():
            assert value == pytest.approx(scored["metrics"][name], nan_ok=True)
        for parts in found["by"].values():
            assert sum(part["n"] for part in parts.values()) == found["n"]
        main = {"rec": "accuracy@0.5", "gres": "gIoU", "vqa": "accuracy"}[task]
        for parts in found["by"].values():
            mean = sum(part["n"] * part["metrics"][main] for part in parts.values()) / found["n"]
            assert mean == pytest.approx(found["metrics"][main])
        assert set(found["by"]["objects"]) <= {"3", "4"} and set(found["by"]["hops"]) <= {"0", "1", "2", "3"}
    assert 1 / 4 <= result["rec"]["blind"]["any object, at random"]["accuracy@0.5"] <= 1 / 3


def test_a_report_has_every_table_and_leaves_out_photographs_that_are_not_there(tmp_path, few, weights, folder):
    sheet = tmp_path / "sheet.png"
    scenes_only = report(tmp_path, scenes=weights, sheet=sheet)
    assert sheet.is_file() and "photographs" not in scenes_only
    page = render(scenes_only)
    for title in ("Scenes", "by kind of expression", "by family of question", "by relations followed", "Robustness"):
        assert f"{title}" in page
    assert "Photographs" not in page

    # Scenes in the place of photographs.
    generate(tmp_path / "flickr30k", SceneSource(3, WORLDS["near"]), {"train": 3, "val": 3}, size=64)
    both = report(tmp_path, scenes=weights, photographs=weights)
    assert json.dumps(both["scenes"]) == json.dumps(scenes_only["scenes"])  # NaN where there is nothing of a kind
    assert "### Photographs, by type of phrase" in render(both) and "### Robustness, photographs" in render(both)
