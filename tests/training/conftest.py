"""The toy world and a `train` that runs on it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import toy_world

from laconvnet.training import trainer


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset folder: 12 sentences to learn from, 4 to evaluate on."""
    return toy_world.write_world(tmp_path_factory.mktemp("toy") / "data")


@pytest.fixture
def use_toy(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Make `train` build the toy network, with options of `toy_parts`."""

    def use(**options: Any) -> None:
        monkeypatch.setattr(trainer, "build_parts", partial(toy_world.toy_parts, **options))

    use()
    return use
