"""Scenes as a dataset folder: valid, complete, the same from any number of processes."""

from __future__ import annotations

import errno
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from laconvnet.data import DatasetInfo, FolderDataset, SceneDataset, generate, read_records, scene_info
from laconvnet.data.folder.validate import validate
from laconvnet.data.readers import READERS, convert
from laconvnet.scenes import SceneSource, World
from laconvnet.tasks import tasks_for_scenes

SOURCE = SceneSource(seed=2, world=World(objects=(3, 6)), sentences={"rec": 1, "gres": 1, "vqa": 2})


TASKS = tasks_for_scenes(SOURCE.sorts)


def files(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def test_writes_a_valid_dataset_with_clevrs_files(tmp_path: Path) -> None:
    root = tmp_path / "new" / "scenes"
    counts = generate(root, SOURCE, {"train": 10, "val": 3}, tasks=TASKS, size=(96, 64), clevr=True)
    assert counts == {"train": 40, "val": 12}
    report = validate(root)
    assert report.ok and not report.problems and report.records == counts and report.images == {"train": 10, "val": 3}
    assert DatasetInfo.load(root) == scene_info(SOURCE, TASKS)
    assert DatasetInfo.load(root).tasks == TASKS == ("rec", "res", "gres", "vqa")
    records = read_records(root / "val.jsonl")
    assert all(record.program and record.group for record in records)
    assert sum(record.answer is not None for record in records) == 6
    scenes, questions, refexps = (
        json.loads((root / "clevr" / f"CLEVR_val_{name}.json").read_text())[name]
        for name in ("scenes", "questions", "refexps")
    )
    assert [len(scenes), len(questions), len(refexps)] == [3, 6, 6]
    assert [question["question"] for question in questions] == [r.text for r in records if r.answer]
    assert all((root / "images" / scene["image_filename"]).is_file() for scene in scenes)


def test_clevrs_files_are_converted_to_the_same_boxes_and_masks(tmp_path: Path) -> None:
    drawn, out = tmp_path / "drawn", tmp_path / "out"
    generate(drawn, SOURCE, {"train": 9, "val": 3}, size=(96, 64), clevr=True)
    convert(READERS["clevr_ref+"](drawn, None), out, progress=False)
    for split in ("train", "val"):
        expressions = [record for record in read_records(drawn / f"{split}.jsonl") if record.boxes is not None]
        again = read_records(out / f"{split}.jsonl")
        assert [(r.text, r.boxes, r.masks, r.program) for r in again] == [
            (r.text, r.boxes, r.masks, r.program) for r in expressions
        ]
        for ours, theirs in zip(expressions, again, strict=True):
            assert (drawn / ours.image).read_bytes() == (out / theirs.image).read_bytes()
        assert {1, 2} <= {len(record.boxes or ()) for record in again} or split == "val"


def test_processes_write_what_one_writes(tmp_path: Path) -> None:
    for workers in (0, 2):
        generate(tmp_path / str(workers), SOURCE, {"train": 17}, size=64, workers=workers, clevr=True)
    assert files(tmp_path / "0") == files(tmp_path / "2")


def test_the_folder_holds_what_the_dataset_on_the_fly_gives(tmp_path: Path, learner: Callable[..., Any]) -> None:
    generate(tmp_path / "scenes", SOURCE, {"val": 3}, size=64)
    folder = FolderDataset(tmp_path / "scenes", "val", size=64, with_masks=True)
    live = SceneDataset(SOURCE, "val", 3, size=64, tasks=[learner("res", labels=("masks",))])
    for index in range(12):
        assert np.array_equal(folder[index].sample.image, live[index].sample.image)
        assert np.array_equal(folder[index].sample.boxes, live[index].sample.boxes)
        assert folder[index].record.text == live[index].record.text
        masks = folder[index].sample.masks, live[index].sample.masks
        assert masks[0] is not None and masks[1] is not None and len(masks[0]) == len(masks[1])
        assert all(map(np.array_equal, *masks))


def test_a_full_disk_leaves_no_dataset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("PIL.Image.Image.save", full)
    with pytest.raises(OSError, match="No space left"):
        generate(tmp_path / "scenes", SOURCE, {"train": 2}, size=64)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("scenes", "size", "workers", "message"),
    [
        ({}, 64, 0, "every split needs at least 1 scene, got {}"),
        ({"train": 0}, 64, 0, "at least 1 scene, got {'train': 0}"),
        ({"train": 1}, 0, 0, "sides from 64 to 2048 pixels, got 0"),
        ({"train": 1}, 10_000, 0, "got 10000"),
        ({"train": 1}, (640, 64), 0, "pictures of 640 x 64 may cut objects off; with aspect 1.5"),
        ({"train": 1}, (64, 96), 0, "pictures of 64 x 96 may cut objects off"),
        ({"train": 1}, 64, -1, "workers must be 0 or more, got -1"),
    ],
)
def test_bad_arguments(tmp_path: Path, scenes: dict[str, int], size: Any, workers: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        generate(tmp_path / "scenes", SOURCE, scenes, size=size, workers=workers)
    assert not list(tmp_path.iterdir())


def test_an_impossible_world_leaves_no_dataset(tmp_path: Path) -> None:
    source = SceneSource(world=World(objects=(20, 20), sizes=("large",)))
    with pytest.raises(ValueError, match="no room for 20 to 20 objects"):
        generate(tmp_path / "scenes", source, {"train": 1}, size=64)
    assert not list(tmp_path.iterdir())


def test_an_existing_folder_is_left_alone(tmp_path: Path) -> None:
    with pytest.raises(FileExistsError, match="exists"):
        generate(tmp_path, SOURCE, {"train": 1}, size=64)
