"""The blind baselines, on records where the best blind box is known."""

import pytest

from laconvnet.data import Record
from laconvnet.tasks import build_task
from laconvnet.tasks.blind.boxes import BlindBoxes


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


def test_they_are_those_of_rec(records):
    assert build_task("rec").blind(records, records[:9]) == BlindBoxes.fit(records).score(records[:9])


def test_a_training_split_without_boxes_is_refused(records):
    question = Record("q", "x.jpg", 9, 9, "is it", answer="yes")
    nothing = Record("n", "x.jpg", 9, 9, "it", boxes=())
    for train in ([question, nothing], []):
        with pytest.raises(ValueError, match="need records with boxes in the training split"):
            build_task("rec").blind(train, records)


def test_several_boxes_are_one_and_sentences_without_one_do_not_count(records):
    """The union of the two is the picture."""
    two = Record("two", "x.jpg", 200, 100, "it", boxes=((0, 0, 100, 100), (100, 0, 200, 100)))
    none = Record("none", "x.jpg", 200, 100, "it", boxes=())
    scores = BlindBoxes.fit(records).score([two, none])
    assert scores["whole image"]["accuracy@0.75"] == 1.0
