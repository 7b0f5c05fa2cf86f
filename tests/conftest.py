"""What every test starts from: one thread, known seeds, and real data only where someone put it."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """Keep the small tensors of the tests on one thread, where they are fastest and bit-reproducible."""
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def seed() -> int:
    """Seed Python, NumPy and PyTorch, so that a test gives the same result alone and among others."""
    value = 20260
    random.seed(value)
    np.random.seed(value)
    torch.manual_seed(value)
    return value


@pytest.fixture(scope="session")
def real_data() -> Callable[[str], Path]:
    """Find a folder of real data, or skip the test: `folder = real_data("flickr30k_entities")`.

    The folder is looked for in `$LACONVNET_DATA`, or else in `shared/data` in or beside the repository.
    """

    def find(name: str) -> Path:
        named = os.environ.get("LACONVNET_DATA")
        beside = [base / "shared" / "data" for base in (REPOSITORY, REPOSITORY.parent)]
        for root in [Path(named)] if named else beside:
            if (root / name).is_dir():
                return root / name
        pytest.skip(f"needs real data: no folder {name!r}; set LACONVNET_DATA to the folder that holds it")

    return find
