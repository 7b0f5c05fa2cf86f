"""Small datasets, written by the tests themselves."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from laconvnet.data import DatasetInfo, Record

MakeDataset = Callable[..., Path]


@dataclass(frozen=True)
class StandIn:
    """Learns from questions or from expressions, with whatever labels it is given: a task for the data, no more."""

    name: str
    labels: tuple[str, ...] = ()
    asks: bool = False
    scene_sorts: tuple[str, ...] = ()

    def serves(self, record: Record) -> bool:
        """As the tasks of the library tell questions from expressions."""
        return record.is_question if self.asks else record.is_expression


@pytest.fixture
def learner() -> Callable[..., StandIn]:
    """Make something that learns: `learner("vqa", labels=("masks",), asks=True)`."""
    return StandIn


@pytest.fixture
def make_dataset(tmp_path: Path) -> MakeDataset:
    """Write a dataset folder: `make_dataset({"train": [record, ...]}, images={"a.png": array or (w, h)})`."""

    def make(splits: dict[str, Iterable[Any]], images: dict[str, Any] | None = None) -> Path:
        root = tmp_path / "dataset"
        (root / "images").mkdir(parents=True)
        DatasetInfo("tiny", "made by a test", "CC0-1.0", ("rec",)).save(root)
        for split, records in splits.items():
            lines = [line if isinstance(line, str) else json.dumps(line) for line in records]
            (root / f"{split}.jsonl").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        for number, (name, content) in enumerate((images or {}).items()):
            if isinstance(content, tuple):
                width, height = content
                content = np.random.default_rng(number).integers(0, 256, (height, width, 3), dtype=np.uint8)
            Image.fromarray(content).save(root / "images" / name)
        return root

    return make


@pytest.fixture
def record() -> Callable[..., dict[str, Any]]:
    """Write one record, complete unless told otherwise; a value of `...` leaves the key out."""

    def make(number: int = 0, **changes: Any) -> dict[str, Any]:
        data: dict[str, Any] = {
            "id": f"r{number}",
            "image": "images/a.png",
            "width": 40,
            "height": 20,
            "text": "the left dog",
            "boxes": [[4, 2, 12, 10]],
        }
        data.update(changes)
        return {key: value for key, value in data.items() if value is not ...}

    return make
