"""The sheet of what a network gets wrong."""

import pytest
from PIL import Image

from laconvnet.data import read_records
from laconvnet.report.failures import failure_sheet


def test_the_first_failures_of_every_kind_are_drawn(folder, network, monkeypatch):
    drawn = []

    def remember(picture, boxes, caption):
        drawn.append(caption)
        return Image.new("RGB", (384, 384))

    monkeypatch.setattr("laconvnet.report.failures.annotate", remember)
    sheet = failure_sheet(*network, folder / "rec", "test", count=5, columns=5)
    assert sheet.width > 5 * 360 and sheet.height < 2 * 384
    records = read_records(folder / "rec" / "test.jsonl")
    texts = {record.text: record.group for record in records}
    groups = [texts[text] for text in drawn]
    assert len(drawn) == 5
    kinds = list(dict.fromkeys(groups))
    assert groups[: len(kinds)] == kinds  # each kind once before any comes again


def test_a_sheet_is_a_picture_of_all_failures(folder, network):
    sheet = failure_sheet(*network, folder / "rec", "test", count=2, columns=2, limit=6)
    assert sheet.mode == "RGB" and sheet.width > 2 * 360


def test_where_nothing_fails_there_is_no_sheet(folder, network, monkeypatch):
    monkeypatch.setattr("laconvnet.scoring.Score.values", lambda score: {"accuracy@0.5": 1.0})
    assert failure_sheet(*network, folder / "rec", "test", limit=3) is None


def test_a_sheet_of_nothing_is_refused(folder, network):
    with pytest.raises(ValueError, match="at least 1 failure, got 0"):
        failure_sheet(*network, folder / "rec", "test", count=0)
