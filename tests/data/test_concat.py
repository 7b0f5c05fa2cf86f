"""Several splits as one dataset: each example where it belongs, and as its part makes it."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import laconvnet.data.dataset
from laconvnet.data import Augmentation, Example, FolderDataset
from laconvnet.data.concat import ConcatDataset

Make = Callable[..., Path]
MakeRecord = Callable[..., dict[str, Any]]


@pytest.fixture
def parts(make_dataset: Make, record: MakeRecord, learner: Callable[..., Any]) -> list[FolderDataset]:
    """Three, two and four records about pictures of other sizes, each part for a task of its own."""
    pictures = [["a", "b", "a"], ["c", "c"], ["a", "c", "b", "c"]]
    splits = {
        f"s{part}": [
            record(number, image=f"images/{name}.png", id=f"{part}/{number}") for number, name in enumerate(names)
        ]
        for part, names in enumerate(pictures)
    }
    root = make_dataset(splits, {"a.png": (40, 20), "b.png": (50, 50), "c.png": (20, 40)})
    augment = Augmentation(flip=0.5, color_jitter=0.3)
    return [
        FolderDataset(root, split, size=32, augment=augment, tasks=[learner(f"task{number}")], seed=number)
        for number, split in enumerate(splits)
    ]


def same(one: Example, other: Example) -> bool:
    return (
        one.record == other.record
        and one.tasks == other.tasks
        and np.array_equal(one.sample.image, other.sample.image)
        and np.array_equal(one.sample.boxes, other.sample.boxes)
        and (one.sample.text, one.sample.frame) == (other.sample.text, other.sample.frame)
    )


def test_examples_are_those_of_the_parts(parts: list[FolderDataset]) -> None:
    mixed = ConcatDataset(parts, [1, 1, 1])
    expected = [example for part in parts for example in part.__getitems__(range(len(part)))]
    assert len(mixed) == len(expected) == 9
    found = [mixed[index] for index in range(9)]
    assert [example.index for example in found] == list(range(9))
    assert all(same(*pair) for pair in zip(found, expected, strict=True))
    assert [example.record.id for example in found] == [
        f"{p}/{n}" for p, n in zip("000112222", "012010123", strict=True)
    ]
    assert [example.tasks for example in found] == [(f"task{part}",) for part in (0, 0, 0, 1, 1, 2, 2, 2, 2)]


def test_a_batch_keeps_its_order(parts: list[FolderDataset]) -> None:
    mixed = ConcatDataset(parts, [1, 1, 1])
    order = [8, 0, 4, 3, 2, 5]
    batch = mixed.__getitems__(order)
    assert [example.index for example in batch] == order
    assert all(same(example, mixed[index]) for example, index in zip(batch, order, strict=True))


def test_an_index_may_stand_twice_in_a_batch(parts: list[FolderDataset]) -> None:
    batch = ConcatDataset(parts, [1, 2, 1]).__getitems__([3, 1, 3])
    assert [example.index for example in batch] == [3, 1, 3] and same(batch[0], batch[2])


def test_every_part_decodes_a_picture_once(parts: list[FolderDataset], monkeypatch: pytest.MonkeyPatch) -> None:
    reads: list[str] = []
    original = laconvnet.data.dataset.read_image
    monkeypatch.setattr(
        laconvnet.data.dataset, "read_image", lambda path, *rest: reads.append(path.stem) or original(path, *rest)
    )
    ConcatDataset(parts, [1, 1, 1]).__getitems__([8, 0, 4, 2, 3, 6])
    assert sorted(reads) == ["a", "c", "c"]  # the last of two parts


def test_groups_are_the_pictures_of_each_part(parts: list[FolderDataset]) -> None:
    mixed = ConcatDataset(parts, [1, 0.5, 2])
    assert mixed.groups == [[0, 2], [1], [3, 4], [5], [6, 8], [7]]
    assert mixed.shares == [(range(3), 1), (range(3, 5), 0.5), (range(5, 9), 2)]


def test_an_epoch_reaches_every_part_and_the_copies_of_workers(parts: list[FolderDataset]) -> None:
    mixed = ConcatDataset(parts, [1, 1, 1])
    mixed.set_epoch(5)
    assert [part.epoch for part in parts] == [5, 5, 5]
    at_five = [mixed[index] for index in range(9)]
    mixed.set_epoch(0)
    assert not all(same(mixed[index], at_five[index]) for index in range(9))
    copy = pickle.loads(pickle.dumps(mixed))
    assert len(copy) == 9 and same(copy[7], mixed[7])


@pytest.mark.parametrize("index", [9, 100])
def test_there_is_nothing_beyond_the_end(parts: list[FolderDataset], index: int) -> None:
    with pytest.raises(IndexError):
        ConcatDataset(parts, [1, 1, 1])[index]


@pytest.mark.parametrize(
    ("count", "weights", "message"),
    [
        (0, [], r"0 datasets need as many weights above 0, got \[\]"),
        (2, [1.0], r"2 datasets need as many weights above 0, got \[1.0\]"),
        (2, [1.0, 0.0], r"2 datasets need as many weights above 0, got \[1.0, 0.0\]"),
        (2, [1.0, float("nan")], "got .*nan"),
    ],
)
def test_weights_that_do_not_fit(parts: list[FolderDataset], count: int, weights: list[float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ConcatDataset(parts[:count], weights)
