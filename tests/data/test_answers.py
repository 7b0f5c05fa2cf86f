"""Answers of people: their normal form and soft scores, by hand and by the definition."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from laconvnet.data import answer_list, normalize_answer, soft_scores
from laconvnet.data.answers import as_scores


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Yes", "yes"),
        (" on\ttop\nof  it ", "on top of it"),
        ("a Dog and the cat, an owl", "dog and cat owl"),
        ("the", ""),
        ("", ""),
        ("Two", "2"),
        ("none of ten", "0 of 10"),
        ("eleven", "eleven"),
        ("someone", "someone"),
        ("red,white", "red white"),
        ("red, white", "red white"),
        ("black/white", "black white"),
        ("t-shirt", "t shirt"),
        ("half-hidden - yes", "halfhidden yes"),  # the mark stands beside a space once: deleted everywhere
        ("half-hidden / yes", "half hidden yes"),
        ("100,978", "100978"),
        ("1,000-2,000 $", "10002000 $"),  # a comma between digits deletes all marks
        ("what?!", "what"),
        ('[{("=+\\_><@`;yes', "yes"),
        ("girl's", "girl's"),
        ("2:50 pm", "2:50 pm"),
        ("St. Louis", "st louis"),
        ("u.s.a.", "usa"),
        ("3.5", "3.5"),
        (".5 or 5.", ".5 or 5"),
        ("dont", "don't"),
        ("DONT", "don't"),
        ("don't", "don't"),
        ("couldntve", "couldntve"),
        ("couldnt've couldn'tve", "couldn't've couldn't've"),
        ("ow's'at 'ows'at 'ow'sat", "'ow's'at 'ow's'at 'ow's'at"),
        ("yall'd've y'alld've y'all'dve", "y'all'd've y'all'd've y'all'd've"),
        ("twas 5 oclock", "'twas 5 o'clock"),
        ("lets well its hell im", "lets well its hell im"),
    ],
)
def test_normal_form(text: str, expected: str) -> None:
    assert normalize_answer(text) == expected


@given(st.lists(st.sampled_from([*"ab1. ,-?'\n", "the ", "one", "dont", "yall"])).map("".join))
def test_normal_form_stays(text: str) -> None:
    assert normalize_answer(normalize_answer(text)) == normalize_answer(text)


def ten(**counts: int) -> list[str]:
    return [answer for answer, count in counts.items() for _ in range(count)]


def test_soft_scores_by_hand() -> None:
    answers = ten(red=4, blue=3, green=2, black=1)
    assert soft_scores(answers) == {"red": 1.0, "blue": 0.9, "green": 0.6, "black": 0.3}
    simple = soft_scores(answers, leave_one_out=False)
    assert simple == {"red": 1.0, "blue": 1.0, "green": 2 / 3, "black": 1 / 3}
    assert soft_scores(ten(yes=10)) == {"yes": 1.0}
    assert soft_scores(["Two", "2", "two.", "a two", "3", "3", "the", "4", "5", "6"]) == {
        "2": 1.0, "3": 0.6, "": 0.3, "4": 0.3, "5": 0.3, "6": 0.3,
    }  # fmt: skip


@given(st.lists(st.sampled_from(["red", "blue", "green"]), min_size=2, max_size=12))
def test_soft_scores_are_means_over_subsets(answers: list[str]) -> None:
    subsets = list(itertools.combinations(answers, len(answers) - 1))
    expected = {
        answer: sum(min(1, subset.count(answer) / 3) for subset in subsets) / len(subsets) for answer in set(answers)
    }
    assert soft_scores(answers) == pytest.approx(expected)


def test_soft_scores_need_people() -> None:
    for rule in (True, False):
        with pytest.raises(ValueError, match=r"two people or more, got \['yes'\]"):
            soft_scores(["yes"], leave_one_out=rule)
    with pytest.raises(ValueError, match="need a list with the answers of two people or more, got 'yes'"):
        soft_scores("yes")


def test_answers_are_listed_by_frequency_and_then_by_name() -> None:
    answers = ["no", "yes", "2", "yes", "no", "red", "2", "yes", "blue"]
    assert answer_list(answers) == ("yes", "2", "no", "blue", "red")
    assert answer_list(answers, min_count=2) == ("yes", "2", "no")
    assert answer_list(iter(answers), min_count=3) == ("yes",)
    assert answer_list(reversed(answers)) == answer_list(answers)


def test_answers_that_are_too_rare_leave_an_error() -> None:
    with pytest.raises(ValueError, match="no answer is right for 3 questions; the most frequent is right for 2"):
        answer_list(["no", "yes", "no"], min_count=3)
    with pytest.raises(ValueError, match="no answer is right for 1 questions; the most frequent is right for 0"):
        answer_list([])


def test_one_right_answer_has_all_of_the_score() -> None:
    assert as_scores("yes") == {"yes": 1.0}
    assert as_scores("") == {"": 1.0}
    assert as_scores(None) == {}
