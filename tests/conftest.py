"""What every test starts from: one thread, known seeds, and real data only where someone put it."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch


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

    The folder is looked for in `$LACONVNET_DATA`.
    """

    def find(name: str) -> Path:
        root = os.environ.get("LACONVNET_DATA")
        if root is None or not (Path(root) / name).is_dir():
            pytest.skip(f"needs real data: set LACONVNET_DATA to a folder that holds {name!r}")
        return Path(root) / name

    return find
