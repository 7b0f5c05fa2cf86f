"""The sheet of what a network gets wrong."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from laconvnet.data import Record, read_records
from laconvnet.evaluation import ErrorSheet, learned_task, score, split_to_score
from laconvnet.evaluation.errors import draw_error
from laconvnet.processing import encode_mask
from laconvnet.tasks import Answer


def error_sheet(outcome, task, root, *, count=12, columns=4):
    """The sheet of a whole split at once."""
    sheet = ErrorSheet(task, root, count=count)
    sheet.add(outcome)
    return sheet.draw(columns)


@pytest.fixture(scope="module")
def judged(folder, checkpoint):
    """The records of scenes with what a network says of each, and its task."""
    task = learned_task(checkpoint, "rec")
    return score(checkpoint, split_to_score(checkpoint, folder / "rec", "test", task), task), task


def test_the_first_errors_of_every_group_are_drawn(folder, judged, monkeypatch):
    drawn = []

    def remember(picture, boxes, caption, **rest):
        drawn.append(caption)
        return Image.new("RGB", (384, 384))

    monkeypatch.setattr("laconvnet.evaluation.errors.annotate", remember)
    sheet = error_sheet(*judged, folder / "rec", count=5, columns=5)
    assert sheet.width > 5 * 360 and sheet.height < 2 * 384
    records = read_records(folder / "rec" / "test.jsonl")
    texts = {record.text: record.group for record in records}
    groups = [texts[text] for text in drawn]
    assert len(drawn) == 5
    kinds = list(dict.fromkeys(groups))
    assert groups[: len(kinds)] == kinds  # each kind once before any comes again


def test_only_what_is_wrong_is_drawn(folder, judged, monkeypatch):
    outcome, task = judged
    drawn = []
    monkeypatch.setattr(
        "laconvnet.evaluation.errors.draw_error",
        lambda root, record, answer: drawn.append(record) or Image.new("RGB", (9, 9)),
    )
    values = [float("nan"), 0.49, 0.5, 1.0, 0.0, *[1.0] * (len(outcome.records) - 5)]
    monkeypatch.setattr("laconvnet.evaluation.Score.value_of_each", lambda outcome, name: values)
    error_sheet(outcome, task, folder / "rec")
    assert {record.id for record in drawn} == {outcome.records[number].id for number in (1, 4)}


def test_a_sheet_is_a_picture_of_all_errors(folder, judged):
    outcome, task = judged
    sheet = error_sheet(outcome.of(range(6)), task, folder / "rec", count=2, columns=2)
    assert sheet.mode == "RGB" and sheet.width > 2 * 360


def test_where_nothing_is_wrong_there_is_no_sheet(folder, judged, monkeypatch):
    outcome, task = judged
    monkeypatch.setattr("laconvnet.evaluation.Score.value_of_each", lambda outcome, name: [1.0] * len(outcome.records))
    assert error_sheet(outcome, task, folder / "rec") is None


def test_a_sheet_of_nothing_is_refused(folder, judged):
    with pytest.raises(ValueError, match="at least 1 error, got 0"):
        error_sheet(*judged, folder / "rec", count=0)


@pytest.fixture
def root(tmp_path):
    """A grey picture of 96 x 48 pixels."""
    Image.new("RGB", (96, 48), (128, 128, 128)).save(tmp_path / "a.png")
    return tmp_path


RECORD = Record("r", "a.png", 96, 48, "the left thing", boxes=((12, 12, 36, 36),))


def captions(monkeypatch):
    seen = []
    monkeypatch.setattr(
        "laconvnet.evaluation.errors.annotate",
        lambda picture, boxes, caption, **rest: seen.append((caption, rest)) or Image.new("RGB", (384, 192)),
    )
    return seen


def test_the_answer_is_coloured_and_the_truth_thin_and_black(root):
    """At four times the size: the true box is 48 to 144, the one that is said 240 to 336."""
    pixels = np.asarray(draw_error(root, RECORD, Answer(((60, 12, 84, 36),), (0.9,))))
    black, grey = (pixels < 40).all(2), (pixels == 128).all(2)
    assert black[48:144, 48].all() and black[48:144, 143].all() and black[48, 48:144].all() and black[143, 48:144].all()
    assert grey[52:140, 50:142].all()  # one pixel thin, and nothing inside
    coloured = pixels.max(2).astype(int) - pixels.min(2) > 100
    rows, columns = np.nonzero(coloured[:192])
    assert 240 <= columns.min() < 244 and 332 < columns.max() < 336 and 48 <= rows.min() < 52


def test_a_mask_without_a_box_is_coloured_and_the_true_one_has_its_box(root):
    said, true = np.zeros((48, 96), bool), np.zeros((48, 96), bool)
    said[12:36, 60:84], true[12:36, 12:36] = True, True
    record = replace(RECORD, boxes=None, masks=(encode_mask(true),))
    pixels = np.asarray(draw_error(root, record, Answer(mask=said, no_target=False)))
    coloured = pixels.max(2).astype(int) - pixels.min(2) > 50
    assert coloured[60:130, 250:330].all() and not coloured[:192, :230].any()
    assert (pixels[48:144, 48] < 40).all() and (pixels[100, 60:140] == 128).all()
    none = np.asarray(draw_error(root, record, Answer(mask=said, no_target=True)))
    assert not (none[:192].max(2).astype(int) - none[:192].min(2) > 50).any()


def test_words_say_what_was_answered_and_in_brackets_what_is_right(root, monkeypatch):
    seen = captions(monkeypatch)
    asks = replace(RECORD, text="is it red?", boxes=None, answer="yes")
    soft = replace(asks, answer=None, answers={"red": 0.3, "blue": 1.0})
    nowhere = replace(RECORD, boxes=(), masks=())
    for record, answer in (
        (asks, Answer(answers=(("no", 0.8), ("yes", 0.2)))),
        (soft, Answer(answers=(("red", 0.8),))),
        (nowhere, Answer(no_target=True)),
        (nowhere, Answer(((0, 0, 9, 9),), (0.5,), no_target=False)),
        (RECORD, Answer(no_target=True)),
        (RECORD, Answer(((0, 0, 9, 9),), (0.5,))),
    ):
        draw_error(root, record, answer)
    assert [caption for caption, _ in seen] == [
        "is it red?\nno\n(yes)",
        "is it red?\nred\n(blue)",
        "the left thing\nnothing is meant\n(nothing is meant)",
        "the left thing\n(nothing is meant)",
        "the left thing\nnothing is meant",
        "the left thing",
    ]
