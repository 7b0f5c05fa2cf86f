"""The toy world of the training tests."""

from __future__ import annotations

from pathlib import Path

import pytest
import toy_world


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset folder: 12 sentences to learn from, 4 to evaluate on."""
    return toy_world.write_world(tmp_path_factory.mktemp("toy") / "data")
