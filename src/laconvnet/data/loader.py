"""Batches made in worker processes."""

from __future__ import annotations

import multiprocessing
import pickle
import signal
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing.context import BaseContext
from typing import Any, Protocol, TypeVar

import torch
from torch.utils.data import DataLoader, Dataset

from laconvnet.data.batch import Batch
from laconvnet.data.sampler import ImageBatchSampler

T = TypeVar("T")
R = TypeVar("R")

_SECONDS_PER_BATCH = 300


class Loader(Protocol):
    """Batches of an epoch, and what chooses them: a loader of `build_loader`, or a `SceneLoader`."""

    dataset: Any
    batch_sampler: Any

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[Batch]: ...


def build_loader(
    dataset: Dataset[Any],
    sampler: ImageBatchSampler,
    collator: Callable[[Any], T],
    num_workers: int = 0,
    *,
    pin_memory: bool = False,
) -> DataLoader[T]:
    """Builds a loader whose batches do not depend on the number of workers.

    Workers start from a clean process, never by copying this one with its threads and locks, so they cannot
    inherit a held lock; a script that uses them needs the usual `if __name__ == "__main__":`. They live as
    long as the loader, use one thread each, and an error in one is raised here. The loader leaves the global
    random state of torch alone.

    Args:
        dataset: what to load, with `set_epoch`; gives a list of examples for a list of indices.
        sampler: which records to batch.
        collator: how to batch them.
        num_workers: worker processes; 0 loads in this process.
        pin_memory: whether batches are put into page-locked memory, for faster copies to a GPU.

    Raises:
        ValueError: num_workers is negative.
        TypeError: there are workers and the collator, or the function in it, cannot be sent to them.
    """
    if num_workers < 0:
        raise ValueError(f"num_workers must be 0 or more, got {num_workers}")
    if num_workers:
        try:
            pickle.dumps(collator)
        except (pickle.PicklingError, AttributeError, TypeError) as error:
            raise TypeError(
                f"workers cannot receive {collator!r}: {error}; use a method, a function of a module "
                "or a functools.partial of them, or num_workers=0"
            ) from error
    return DataLoader(
        dataset,
        batch_sampler=sampler,
        collate_fn=collator,
        num_workers=num_workers,
        multiprocessing_context=worker_context() if num_workers else None,
        persistent_workers=num_workers > 0,
        worker_init_fn=start_worker if num_workers else None,
        timeout=_SECONDS_PER_BATCH if num_workers else 0,
        pin_memory=pin_memory,
        generator=torch.Generator(),
    )


def set_epoch(loader: Loader, epoch: int, start: int = 0) -> None:
    """Tells sampler and dataset of a loader of `build_loader` which epoch comes next.

    Args:
        loader: the loader, not being iterated.
        epoch: number of the epoch, from 0; order and augmentation are functions of it.
        start: batches to skip without decoding them.
    """
    loader.batch_sampler.set_epoch(epoch, start)
    loader.dataset.set_epoch(epoch)


def worker_context() -> BaseContext:
    """Chooses how workers start: from a small server that has the imports ready, or else from nothing."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["laconvnet.data.loader"])
    return context


@contextmanager
def worker_map(
    function: Callable[[T], R], items: Sequence[T], workers: int, *, chunksize: int = 1
) -> Iterator[Iterable[R]]:
    """The results of a function for some items, in order, made in worker processes.

    Args:
        function: picklable if there are workers.
        items: what it is given, one after the other.
        workers: how many processes; 0 makes the results in this one.
        chunksize: items that a process is sent at a time.
    """
    if workers == 0:
        yield map(function, items)
        return
    pool = ProcessPoolExecutor(workers, mp_context=worker_context(), initializer=start_worker, initargs=(0,))
    try:
        yield pool.map(function, items, chunksize=chunksize)
    finally:
        pool.shutdown(cancel_futures=True)


def start_worker(worker: int) -> None:
    """Prepares a worker process, whatever its number: one thread, and deaf to Ctrl-C."""
    # Ctrl-C reaches every process of a terminal; the main one decides what to do, and may still want batches.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(1)
