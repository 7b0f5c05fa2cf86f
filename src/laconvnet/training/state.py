"""What a run needs to continue exactly where it was, and its way to disk and back."""

from __future__ import annotations

import pickle
import random
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch

from laconvnet.files import replace_file
from laconvnet.settings import flat


@dataclass
class TrainState:
    """A run between two steps: tensors and plain containers only, so that nothing is ever unpickled.

    Attributes:
        config: the settings as JSON values.
        step: optimiser steps made.
        epoch: the epoch the next batch belongs to.
        batch: batches of that epoch already used by each process.
        elapsed: seconds of training so far.
        best: best score so far, None before the first evaluation.
        evaluated: step of the last evaluation, None before the first.
        model: the raw weights and buffers.
        ema: the running average, None without one.
        optimizer: state of the optimiser; it belongs to the raw weights.
        scaler: state of the fp16 loss scale, None without one.
        rng: random number states, one per process.
        data: hashes of the records that are learned from, by file.
    """

    config: dict[str, Any]
    step: int
    epoch: int
    batch: int
    elapsed: float
    best: float | None
    evaluated: int | None
    model: dict[str, Any]
    ema: dict[str, Any] | None
    optimizer: dict[str, Any]
    scaler: dict[str, Any] | None
    rng: list[dict[str, Any]]
    data: dict[str, str]

    def save(self, path: Path) -> None:
        """Write the state so that the file is at any moment either the previous state or this one.

        Args:
            path: the file; its folder is made.

        Raises:
            OSError: when it cannot be written, for example on a full disk; the previous file stays.
        """
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        try:
            replace_file(path, lambda partial: torch.save(values, partial))
        except RuntimeError as error:  # what torch's writer makes of a full disk
            raise OSError(f"{path} could not be written (is the disk full?): {error}") from error

    @classmethod
    def load(cls, path: Path) -> TrainState:
        """Read a state.

        Args:
            path: the file that `save` wrote.

        Returns:
            The state, its tensors on the CPU.

        Raises:
            FileNotFoundError: when there is no such file.
            ValueError: when the file holds something else.
        """
        if not path.is_file():
            raise FileNotFoundError(f"no saved state to resume from: {path} does not exist")
        try:
            values = torch.load(path, map_location="cpu", weights_only=True)
        except (pickle.UnpicklingError, RuntimeError, EOFError) as error:
            raise ValueError(f"{path} is broken: {error}") from None
        names = [field.name for field in fields(cls)]
        if not isinstance(values, dict) or sorted(values) != sorted(names):
            raise ValueError(f"{path} is not a saved training state: expected the entries {', '.join(names)}")
        return cls(**values)


def random_state() -> dict[str, Any]:
    """The random number states of this process: Python, NumPy, PyTorch and its accelerators."""
    version, internal, gauss = random.getstate()
    name, keys, position, has_gauss, cached = np.random.get_state(legacy=True)
    return {
        "python": [version, list(internal), gauss],
        "numpy": [str(name), np.asarray(keys).tolist(), int(position), int(has_gauss), float(cached)],
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
    }


def restore_random_state(state: dict[str, Any]) -> None:
    """Put the random number states back.

    Args:
        state: what `random_state` returned, on a machine with as many accelerators.
    """
    version, internal, gauss = state["python"]
    random.setstate((version, tuple(internal), gauss))
    name, keys, position, has_gauss, cached = state["numpy"]
    np.random.set_state((name, np.array(keys, dtype=np.uint32), position, has_gauss, cached))
    torch.set_rng_state(state["torch"])
    if state["cuda"] and len(state["cuda"]) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all(state["cuda"])


MAY_CHANGE = frozenset(
    {
        *(
            "epochs",
            "max_steps",
            "max_minutes",
            "optimizer.lr",
            "schedule",
            "eval_every",
            "save_every",
            "log_every",
        ),
        *("device", "threads", "compile", "tensorboard", "output"),
        *("data.root", "data.val_split", "data.val_limit", "data.eval_batch_size", "data.num_workers"),
        *("data.scenes.cache", "data.scenes.draw"),
    }
)


def check_same_run(saved: dict[str, Any], now: dict[str, Any]) -> None:
    """Refuse to continue a run under settings that would make it another one.

    Args:
        saved: the settings the state was saved with.
        now: the settings to continue with.

    Raises:
        ValueError: when a setting outside of `MAY_CHANGE` differs; names it with both values.
    """
    before, after = flat(saved), flat(now)
    different = [
        f"{name} was {before.get(name)!r}, now {after.get(name)!r}"
        for name in sorted(before.keys() | after.keys())
        if before.get(name) != after.get(name) and not {name, name.partition(".")[0]} & MAY_CHANGE
    ]
    if different:
        raise ValueError("the saved run cannot continue with these settings: " + "; ".join(different))


def check_same_data(saved: dict[str, str], now: dict[str, str]) -> None:
    """Refuse to continue a run with other records.

    Args:
        saved: the hashes that the state was saved with, see `datasets.fingerprints`.
        now: the hashes of the records to continue with.

    Raises:
        ValueError: a file of records changed; names it.
    """
    if changed := [name for name in saved if saved[name] != now.get(name)]:
        raise ValueError(
            "the saved run cannot continue, because its training data changed since: source "
            f"{', '.join(changed)}; put the old file back, or start a new run with the weights of this one as `initial`"
        )
