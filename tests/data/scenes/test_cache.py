"""Drawn scenes on disk: the same back, and never half of one."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from laconvnet.data import DrawnScene, draw_scenes
from laconvnet.data.scenes.cache import SceneCache
from laconvnet.processing import ImageError
from laconvnet.scenes import WORLDS, SceneSource

SOURCE = SceneSource(seed=1, world=WORLDS["hard"], sentences={"gres": 3, "vqa": 2})


@pytest.fixture(scope="module")
def scene() -> DrawnScene:
    return draw_scenes([SOURCE.sample("train", 1234)], "train", [1234], 64)[0]


def test_a_scene_comes_back_as_it_was(tmp_path: Path, scene: DrawnScene) -> None:
    SceneCache(tmp_path / "cache", SOURCE, 64).save("train", 1234, scene)
    cache = SceneCache(tmp_path / "cache", SOURCE, 64)
    back = cache.load("train", 1234)
    assert back is not None and back.name == scene.name and back.sentences == scene.sentences
    assert np.array_equal(back.image, scene.image) and np.array_equal(back.instances, scene.instances)
    assert cache.load("train", 1) is None and cache.load("val", 1234) is None


@pytest.mark.parametrize(
    ("source", "size", "name"),
    [
        (SOURCE, 96, "size"),
        (dataclasses.replace(SOURCE, seed=2), 64, "seed"),
        (dataclasses.replace(SOURCE, world=WORLDS["clevr"]), 64, "world"),
        (dataclasses.replace(SOURCE, kinds=("attribute",)), 64, "kinds"),
    ],
)
def test_other_settings_are_refused(tmp_path: Path, source: SceneSource, size: int, name: str) -> None:
    SceneCache(tmp_path, SOURCE, 64)
    with pytest.raises(ValueError, match=rf"cache.json: these scenes were made with {name} .* choose another folder"):
        SceneCache(tmp_path, source, size)


def test_another_version_is_refused(tmp_path: Path) -> None:
    SceneCache(tmp_path, SOURCE, 64)
    label = tmp_path / "cache.json"
    label.write_text(json.dumps({**json.loads(label.read_text()), "version": 0}))
    with pytest.raises(ValueError, match="made with version 0, and 2 is asked for"):
        SceneCache(tmp_path, SOURCE, 64)


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(ValueError, match=r"holds files but no cache\.json"):
        SceneCache(tmp_path, SOURCE, 64)
    (tmp_path / "cache.json").write_text("{")
    with pytest.raises(ValueError, match=r"cache\.json is not JSON"):
        SceneCache(tmp_path, SOURCE, 64)


def test_a_label_that_another_process_is_writing_is_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / "cache.json.4711.partial").write_text("{")
    SceneCache(tmp_path, SOURCE, 64)
    SceneCache(tmp_path, SOURCE, 64)
    with pytest.raises(ValueError, match="made with size 64, and 96 is asked for"):
        SceneCache(tmp_path, SOURCE, 96)


def test_a_damaged_file_is_named(tmp_path: Path, scene: DrawnScene) -> None:
    cache = SceneCache(tmp_path, SOURCE, 64)
    cache.save("train", 1234, scene)
    (file,) = tmp_path.rglob("*.png")
    file.write_bytes(file.read_bytes()[:2000])
    with pytest.raises(ImageError, match=r"train_0001234\.png is damaged .* remove it, and it is drawn again"):
        cache.load("train", 1234)


def test_a_full_disk_leaves_nothing_half_written(
    tmp_path: Path, scene: DrawnScene, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = SceneCache(tmp_path, SOURCE, 64)

    def full(self: object, target: Path, **options: object) -> None:
        Path(target).write_bytes(b"\x89PNG half of it")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("PIL.Image.Image.save", full)
    with pytest.raises(OSError, match="No space left"):
        cache.save("train", 1234, scene)
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["cache.json"]
