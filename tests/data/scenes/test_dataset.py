"""Scenes as a dataset: what an example depends on, and what it does not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from laconvnet.data import Augmentation, Collator, Example, ImageBatchSampler, SceneDataset, build_loader, set_epoch
from laconvnet.scenes import SceneSource, World

Learn = Callable[..., Any]
SOURCE = SceneSource(seed=1, world=World(objects=(3, 5)), sentences={"rec": 2, "gres": 1})


def dataset(**changes: Any) -> SceneDataset:
    return SceneDataset(SOURCE, "train", 4, **{"size": 64, **changes})


def encode(text: str) -> list[int]:
    """Counts words, in a way that workers can be sent."""
    return [1] * len(text.split())


def same(one: Example, other: Example) -> bool:
    return (
        one.record == other.record
        and one.sample.text == other.sample.text
        and np.array_equal(one.sample.image, other.sample.image)
        and np.array_equal(one.sample.boxes, other.sample.boxes)
    )


def test_examples_do_not_depend_on_their_batch_or_the_process() -> None:
    augment = Augmentation(flip=0.5, color_jitter=0.2)
    whole = dataset(augment=augment).__getitems__(range(12))
    again = dataset(augment=augment)
    assert [example.index for example in whole] == list(range(12))
    assert all(same(again[index], whole[index]) for index in (11, 0, 5))


def test_sentences_of_a_scene_share_its_picture_and_stand_together() -> None:
    data = dataset()
    assert len(data) == 12 and data.groups == [[0, 1, 2], [3, 4, 5], [6, 7, 8], [9, 10, 11]]
    names = [example.record.image for example in data.__getitems__(range(12))]
    assert names == [f"images/train_{scene:07d}.png" for scene in range(4) for _ in range(3)]


def test_fresh_epochs_have_new_scenes_and_others_the_same() -> None:
    fresh, fixed = dataset(fresh=True), dataset()
    for data, number in ((fresh, 8 + 1), (fixed, 1)):
        data.set_epoch(2)
        assert data.scene_number(3) == number
        assert data[3].record.id == f"train_{number:07d}_0"


def test_splits_and_seeds_differ() -> None:
    texts = [
        SceneDataset(SceneSource(seed=seed), split, 4, size=64)[0].sample.image
        for seed in (1, 2)
        for split in ("train", "val")
    ]
    assert all(not np.array_equal(texts[a], texts[b]) for a in range(4) for b in range(a))


def test_targets_and_masks_move_with_the_picture(learner: Learn) -> None:
    tasks = [learner("gres", labels=("masks",), scene_sorts=("rec", "gres"))]
    data = dataset(augment=Augmentation(flip=1.0), tasks=tasks)
    plain = dataset(tasks=tasks)
    for index in range(12):
        flipped, sample = data[index].sample, plain[index].sample
        assert np.array_equal(flipped.image, sample.image[:, ::-1])
        assert flipped.masks is not None and sample.masks is not None
        for box, mask, other in zip(flipped.boxes, flipped.masks, sample.masks, strict=True):
            assert np.array_equal(mask, other[:, ::-1])
            columns, rows = np.flatnonzero(mask.any(0)), np.flatnonzero(mask.any(1))
            assert box.tolist() == [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]


def test_sentences_serve_the_tasks_that_name_their_sort(learner: Learn) -> None:
    rec, gres = learner("one", labels=("boxes",), scene_sorts=("rec",)), learner("any", scene_sorts=("rec", "gres"))
    data = dataset(tasks=[rec, gres])
    assert [example.tasks for example in data.__getitems__(range(6))] == [("one", "any")] * 2 + [("any",)] + [
        ("one", "any")
    ] * 2 + [("any",)]
    assert [data.tasks_of(place) for place in range(3)] == [("one", "any"), ("one", "any"), ("any",)]
    assert not data.with_masks and data[0].sample.masks is None and dataset()[0].tasks == ()


def test_masks_are_drawn_where_a_task_needs_them(learner: Learn) -> None:
    data = dataset(tasks=[learner("rec", labels=("boxes",)), learner("res", labels=("masks",), scene_sorts=("rec",))])
    assert data.with_masks and data[0].sample.masks is not None


def test_shuffled_sentences_are_those_of_the_next_scene() -> None:
    shuffled, plain = dataset(shuffle_sentences=True), dataset()
    for index in range(9):
        assert shuffled[index].record.text == plain[index + 3].record.text
        assert shuffled[index].record.boxes == plain[index].record.boxes


def test_a_cache_gives_the_same_examples(tmp_path: Path, learner: Learn) -> None:
    tasks = [learner("gres", labels=("masks",), scene_sorts=("rec", "gres"))]
    drawn = dataset(tasks=tasks).__getitems__(range(12))
    for _ in range(2):  # filling it, and reading it
        kept = dataset(tasks=tasks, cache=tmp_path / "cache").__getitems__(range(12))
        assert all(map(same, kept, drawn))
    assert len(list(tmp_path.rglob("*.png"))) == 4 and not list(tmp_path.rglob("*.partial"))


def test_batches_do_not_depend_on_workers() -> None:
    batches = []
    for workers in (0, 2):
        data = dataset(fresh=True)
        loader = build_loader(
            data, ImageBatchSampler(data, 6, sentences_per_image=2, seed=5), Collator(encode), workers
        )
        for epoch in range(2):
            set_epoch(loader, epoch)
            batches.append([(batch["ids"], batch["target_boxes"].nan_to_num(-1).tolist()) for batch in loader])
    assert batches[:2] == batches[2:] and batches[0] != batches[1]


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"size": 32}, "sides from 64 to 2048 pixels, got 32"), ({"seed": -1}, "seed must be 0 or more, got -1")],
)
def test_bad_settings(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        dataset(**changes)


def test_iterating_ends() -> None:
    data = SceneDataset(SOURCE, "train", 2, size=64, fresh=True)
    assert [example.index for example in data] == list(range(6)) == list(range(len(data)))
    with pytest.raises(IndexError, match="split 'train' has the examples 0 to 5, got -1"):
        data[-1]


def test_no_scenes() -> None:
    with pytest.raises(ValueError, match="split 'val' needs at least 1 scene, got 0"):
        SceneDataset(SOURCE, "val", 0, size=64)
