"""The blind baselines, on records where the best blind box is known."""

import pytest

from laconvnet.data import Record
from laconvnet.tasks.blind import BlindBoxes


def record(index, text, box):
    return Record(id=str(index), image="x.jpg", width=200, height=100, text=text, boxes=(box,), group="g")


@pytest.fixture
def records():
    """Dogs stand left, cats right; everything else fills the picture."""
    kinds = [("a dog", (0, 0, 80, 80)), ("the cat", (120, 0, 200, 80)), ("two things", (0, 0, 200, 100))]
    return [record(i, *kinds[min(i % 4, 2)]) for i in range(120)]


def test_each_baseline_finds_what_it_can(records):
    scores = BlindBoxes.fit(records).score(records)
    assert scores["whole image"]["accuracy@0.5"] == 0.5
    assert scores["best constant box"]["accuracy@0.5"] == 0.5
    assert scores["best constant box per last word"]["accuracy@0.5"] == 1.0
    assert scores["whole image"]["accuracy@0.5/g"] == 0.5


def test_rare_words_fall_back_to_the_constant_box(records):
    baselines = BlindBoxes.fit([*records, record(999, "a zebra", (90, 40, 110, 60))])
    assert "zebra" not in baselines.by_last_word
    scores = baselines.score([record(0, "a zebra", (0, 0, 200, 100))])
    assert scores["best constant box per last word"]["accuracy@0.5"] == 1.0
