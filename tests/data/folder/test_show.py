"""A sheet of a dataset's records."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from laconvnet.data import Record
from laconvnet.data.folder.show import draw_record, show
from laconvnet.processing.masks import encode_mask

Make = Callable[..., Path]
MakeRecord = Callable[..., dict[str, Any]]


def test_a_sheet_is_drawn_and_saved(make_dataset: Make, record: MakeRecord, tmp_path: Path) -> None:
    root = make_dataset({"val": [record(i, boxes=[[i, 0, i + 9, 9]]) for i in range(6)]}, {"a.png": (40, 20)})
    sheet = show(root, "val", tmp_path / "sheet.png", count=4, columns=2)
    with Image.open(tmp_path / "sheet.png") as saved:
        assert saved.size == sheet.size
        assert saved.convert("RGB").tobytes() == sheet.tobytes()
    assert show(root, "val", count=4, columns=2, seed=1).tobytes() == (
        show(root, "val", count=4, columns=2, seed=1).tobytes()
    )
    assert show(root, "val", count=4, seed=1).tobytes() != show(root, "val", count=4, seed=2).tobytes()
    assert show(root, "val", count=99, columns=3).width > sheet.width
    with pytest.raises(ValueError, match="count must be at least 1, got 0"):
        show(root, "val", count=0)


def test_a_stretched_copy_is_shown_in_its_true_shape(make_dataset: Make, record: MakeRecord) -> None:
    root = make_dataset({"val": [record()]}, {"a.png": (16, 16)})
    plain = Record("i", "images/a.png", 800, 400, "a dog")
    drawn = draw_record(root, plain)
    assert drawn.width == 800 and 400 < drawn.height < 520


def test_masks_and_answers_are_shown(make_dataset: Make, record: MakeRecord) -> None:
    root = make_dataset({"val": [record()]}, {"a.png": (40, 20)})
    mask = np.zeros((20, 40), bool)
    mask[5:15, 5:35] = True
    plain = Record("i", "images/a.png", 40, 20, "is it?")
    views = [
        draw_record(root, plain),
        draw_record(root, Record("i", "images/a.png", 40, 20, "is it?", masks=(encode_mask(mask),))),
        draw_record(root, Record("i", "images/a.png", 40, 20, "is it?", answers={"no": 0.3, "yes": 1.0})),
        draw_record(root, Record("i", "images/a.png", 40, 20, "is it?", answer="no")),
        draw_record(root, Record("i", "images/a.png", 40, 20, "is it?", boxes=())),
    ]
    assert len({view.tobytes() for view in views}) == 5
