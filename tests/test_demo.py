"""The demo from end to end on an untrained network: what it writes, not how well it answers."""

import json

import numpy as np
import pytest
from fresh import fresh_checkpoint
from PIL import Image

from laconvnet import demo
from laconvnet.data import DatasetInfo
from laconvnet.evaluation import score_checkpoint
from laconvnet.processing import ImageError
from laconvnet.scenes import WORLDS, answers, words


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A network of every task, and one of boxes."""
    root = tmp_path_factory.mktemp("weights")
    values = WORLDS["near"].values
    tasks = {"rec": {}, "res": {}, "gres": {"no_target": "classifier"}, "vqa": {}}
    every = fresh_checkpoint(tasks, words=sorted(words(values)), answers=answers(values), max_length=None)
    every.save(root / "scenes")
    fresh_checkpoint(words=sorted(words(values))).save(root / "photographs")
    return root


@pytest.fixture(autouse=True)
def shipped(weights, monkeypatch):
    monkeypatch.setattr(demo, "SCENES", str(weights / "scenes"))
    monkeypatch.setattr(demo, "PHOTOGRAPHS", str(weights / "photographs"))


def test_writes_everything_it_names_and_can_be_repeated(tmp_path, capsys):
    output = tmp_path / "demo_output"
    (output / "scenes.partial" / "rec").mkdir(parents=True)  # a demo that was interrupted left it
    for _ in range(2):
        results = demo.run_demo(output, scenes=5)
    assert json.loads((output / "results.json").read_text()) == results
    assert set(results["tasks"]) == {"rec", "res", "gres", "vqa"}
    assert all(0 <= value <= 1 for scores in results["tasks"].values() for value in scores.values())
    for sort, tasks in {"rec": ("rec", "res"), "gres": ("gres",), "vqa": ("vqa",)}.items():
        assert DatasetInfo.load(output / "scenes" / sort).tasks == tasks
    scored = score_checkpoint(demo.SCENES, output / "scenes" / "rec", task="res")
    assert results["tasks"]["res"]["right sentences"] == pytest.approx(scored["metrics"]["mean_iou"])
    with Image.open(output / "scenes.png") as sheet:
        assert sheet.width > 3 * 360 and sheet.height > 5 * 360  # a row for each scene, a column for each sort
    assert {path.name for path in output.iterdir()} == {"results.json", "scenes.png", "scenes"}
    said = capsys.readouterr().out
    assert "photo.png" not in said
    for line in ("point at it", "cut it out", "cut out all, or none", "answer"):
        assert line in said


def test_finds_things_in_a_photograph_of_any_size(tmp_path, capsys):
    photo = tmp_path / "photo.jpg"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (300, 500, 3), dtype=np.uint8)).save(photo)
    demo.run_demo(tmp_path / "out", photo=photo, texts=["the red cube", "a ball"], scenes=5)
    with Image.open(tmp_path / "out" / "photo.png") as drawn:
        assert drawn.width == 500 and drawn.height >= 300
    said = capsys.readouterr().out
    assert "'the red cube'; box" in said and "photo.png" in said


def test_what_does_not_fit_is_refused(tmp_path):
    with pytest.raises(ValueError, match="needs 5 scenes or more, got 4"):
        demo.run_demo(tmp_path / "out", scenes=4)
    with pytest.raises(ValueError, match=r"go together; got a\.jpg and no text"):
        demo.run_demo(tmp_path / "out", photo="a.jpg")
    with pytest.raises(ValueError, match=r"go together; got no photograph and 'a man'"):
        demo.run_demo(tmp_path / "out", texts=["a man"])
    with pytest.raises(ImageError, match=r"missing\.jpg"):
        demo.run_demo(tmp_path / "out", photo="missing.jpg", texts=["a man"])
    (tmp_path / "out" / "scenes" / "rec").mkdir(parents=True)
    with pytest.raises(FileExistsError, match="no demo wrote it"):
        demo.run_demo(tmp_path / "out", scenes=5)
    assert (tmp_path / "out" / "scenes" / "rec").is_dir()
