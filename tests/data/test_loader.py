"""Batches from worker processes."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils.data import DataLoader

from laconvnet.data import Augmentation, Collator, FolderDataset, ImageBatchSampler, build_loader, set_epoch
from laconvnet.language import Vocabulary

Make = Callable[..., Path]
MakeRecord = Callable[..., dict[str, Any]]

ENCODE = Vocabulary(["a", "the", "left", "right", "dog"]).encode


def loader_of(root: Path, num_workers: int) -> DataLoader[dict[str, Any]]:
    augment = Augmentation(flip=0.5, color_jitter=0.4, crop=(0.3, 1.0))
    dataset = FolderDataset(root, "train", size=32, augment=augment, seed=5)
    sampler = ImageBatchSampler(dataset, 4, sentences_per_image=2, shuffle=True, seed=5)
    return build_loader(dataset, sampler, Collator(ENCODE), num_workers)


def assert_same(first: dict[str, Any], second: dict[str, Any]) -> None:
    assert first.keys() == second.keys()
    for key, value in first.items():
        if isinstance(value, torch.Tensor):
            assert torch.equal(value, second[key]), key
        else:
            assert value == second[key], key


def test_batches_do_not_depend_on_the_number_of_workers(make_dataset: Make, record: MakeRecord) -> None:
    records = [record(i, image=f"images/{i // 5}.png") for i in range(15)]
    root = make_dataset({"train": records}, {f"{i}.png": (40, 20) for i in range(3)})
    loaders = [loader_of(root, 0), loader_of(root, 2)]
    epochs: list[list[list[dict[str, Any]]]] = [[], []]
    # The workers stay alive from epoch to epoch, and must learn of the new one.
    for epoch in (0, 1, 0):
        for loader, found in zip(loaders, epochs, strict=True):
            set_epoch(loader, epoch)
            found.append(list(loader))
            assert len(loader) == len(found[-1]) == 4
    for alone, together in zip(*epochs, strict=True):
        for first, second in zip(alone, together, strict=True):
            assert_same(first, second)
    first, other, again = epochs[1]
    assert not torch.equal(first[0]["images"], other[0]["images"])
    assert_same(first[0], again[0])
    set_epoch(loaders[1], 1, start=3)
    (rest,) = list(loaders[1])
    assert_same(rest, other[3])


def test_an_error_in_a_worker_is_raised_here(make_dataset: Make, record: MakeRecord) -> None:
    root = make_dataset({"train": [record(0, image="images/gone.png")]})
    dataset = FolderDataset(root, "train", size=32)
    sampler = ImageBatchSampler(dataset, 1, shuffle=False)
    with pytest.raises(OSError, match=r"train\.jsonl:1: record 'r0': .*gone\.png: no such file"):
        list(build_loader(dataset, sampler, Collator(ENCODE), 1))


def test_the_global_random_state_is_left_alone(make_dataset: Make, record: MakeRecord) -> None:
    root = make_dataset({"train": [record(i) for i in range(5)]}, {"a.png": (40, 20)})
    before = torch.get_rng_state()
    list(loader_of(root, 0))
    assert torch.equal(torch.get_rng_state(), before)


def test_an_encoder_that_workers_cannot_receive_is_refused(make_dataset: Make, record: MakeRecord) -> None:
    root = make_dataset({"train": [record()]}, {"a.png": (40, 20)})
    dataset = FolderDataset(root, "train", size=32)
    sampler, collator = ImageBatchSampler(dataset, 1, shuffle=False), Collator(lambda text: [1])
    assert len(list(build_loader(dataset, sampler, collator, 0))) == 1
    with pytest.raises(TypeError, match=r"workers cannot receive .*lambda.*num_workers=0"):
        build_loader(dataset, sampler, collator, 1)
    with pytest.raises(ValueError, match="num_workers must be 0 or more, got -1"):
        build_loader(dataset, sampler, collator, -1)


def test_workers_leave_ctrl_c_to_the_main_process(make_dataset: Make, record: MakeRecord) -> None:
    records = [record(i, image=f"images/{i // 5}.png") for i in range(15)]
    root = make_dataset({"train": records}, {f"{i}.png": (40, 20) for i in range(3)})
    batches = iter(loader_of(root, 1))
    next(batches)
    for worker in multiprocessing.active_children():
        assert worker.pid is not None
        os.kill(worker.pid, signal.SIGINT)
    assert len(list(batches)) == 3
