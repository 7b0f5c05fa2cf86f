"""What tasks say of a sentence, as one answer and as plain values."""

import json

import numpy as np

from laconvnet.processing import decode_mask
from laconvnet.tasks import Answer, combine

MASK = np.zeros((4, 6), dtype=bool)
MASK[1:3, 2:5] = True
ONE, TWO = (1.0, 2.0, 3.0, 4.0), (0.0, 0.0, 9.0, 9.0)


def test_an_answer_says_nothing_by_itself():
    silent = Answer()
    assert silent.box is silent.score is silent.answer is silent.mask is silent.no_target is None
    assert silent.to_json() == {}


def test_the_best_of_each_comes_first():
    answer = Answer((ONE, TWO), (0.9, 0.2), answers=(("yes", 0.7), ("no", 0.3)))
    assert answer.box == ONE and answer.score == 0.9 and answer.answer == "yes"
    assert answer.ranked == ((ONE, 0.9), (TWO, 0.2)) and Answer().ranked == ()


def test_one_box_is_told_as_one():
    told = Answer((ONE,), (0.123456,)).to_json()
    assert told == {"box": [1, 2, 3, 4], "score": 0.1235}


def test_several_boxes_are_told_beside_the_best():
    told = Answer(((0.123, 0.456, 7.891, 9.999), ONE), (0.5, 0.25)).to_json()
    best = [0.12, 0.46, 7.89, 10.0]
    assert told == {"box": best, "score": 0.5, "boxes": [best, [1, 2, 3, 4]], "scores": [0.5, 0.25]}


def test_everything_else_is_told_in_plain_values():
    answer = Answer(mask=MASK, no_target=False, answers=(("yes", 0.66666), ("no", 0.33333)))
    told = json.loads(json.dumps(answer.to_json()))
    np.testing.assert_array_equal(decode_mask(told.pop("mask")), MASK)
    assert told == {"mask_pixels": 6, "no_target": False, "answer": "yes", "answers": {"yes": 0.6667, "no": 0.3333}}


def test_a_mask_may_be_told_by_its_size_alone():
    assert Answer(mask=MASK).to_json(masks=False) == {"mask_pixels": 6}
    assert Answer(mask=MASK & False, no_target=True).to_json(masks=False) == {"mask_pixels": 0, "no_target": True}


def test_the_first_that_says_a_thing_counts():
    other = ~MASK
    said = combine(
        [
            Answer(answers=(("yes", 1.0),)),
            Answer((ONE,), (0.3,)),
            Answer((TWO, ONE), (0.9, 0.8), mask=MASK),
            Answer(mask=other, answers=(("no", 1.0),)),
        ]
    )
    assert said.boxes == (ONE,) and said.scores == (0.3,)
    assert said.mask is MASK and said.answer == "yes" and said.no_target is None


def test_nothing_meant_leaves_neither_box_nor_mask():
    mask = MASK.copy()
    for order in (1, -1):
        parts = [Answer((ONE,), (0.9,)), Answer(mask=mask, no_target=True, answers=(("no", 1.0),))]
        said = combine(parts[::order])
        assert said.boxes == said.scores == () and said.no_target is True and said.answer == "no"
        assert said.mask.shape == MASK.shape and not said.mask.any()
    np.testing.assert_array_equal(mask, MASK)


def test_one_of_several_decisions_is_enough():
    yes, no = Answer((ONE,), (0.9,), no_target=True), Answer(no_target=False)
    assert combine([yes, no]).no_target is combine([no, yes]).no_target is True
    assert combine([no, no]).no_target is False
    assert combine([no, Answer((ONE,), (0.9,))]).box == ONE


def test_nobody_says_nothing():
    assert combine([]).to_json() == {}
    assert combine(iter([Answer(), Answer((ONE,), (0.5,))])).box == ONE
