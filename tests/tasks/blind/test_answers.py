"""The blind answers, on questions where the best blind answer is known."""

import math

import pytest

from laconvnet.data import Record
from laconvnet.tasks import build_task
from laconvnet.tasks.blind.answers import BlindAnswers

CONSTANT = "most frequent answer"
FIRST_WORDS = "most frequent answer per first two words"
WORDS = "words alone (linear)"


def record(number, text, answer, answers=None, group=None):
    return Record(f"r{number}", "x.jpg", 9, 9, text, answer=answer, answers=answers, group=group)


def score_blind(train, records):
    return build_task("vqa", {"answers": ["yes", "no"]}).blind(train, records)


def by_last_word(count=120):
    """The last word tells the answer, the first two do not."""
    words = {"metal": "yes", "rubber": "no"}
    return [
        record(n, f"is the thing {n % 7} made of {word}", words[word], group=word)
        for n, word in ((n, ("metal", "rubber")[n % 2]) for n in range(count))
    ]


def test_a_word_tells_the_answer():
    scores = score_blind(by_last_word(), by_last_word(80))
    assert set(scores) == {CONSTANT, FIRST_WORDS, WORDS}
    assert scores[CONSTANT]["accuracy"] == scores[FIRST_WORDS]["accuracy"] == 0.5
    assert scores[WORDS]["accuracy"] == 1.0 and scores[WORDS]["accuracy/metal"] == 1.0
    assert {scores[CONSTANT]["accuracy/metal"], scores[CONSTANT]["accuracy/rubber"]} == {0.0, 1.0}


def test_the_first_two_words_tell_the_answer():
    kinds = [("How many balls are there", "2"), ("What color is it", "red"), ("What color has it", "red")]
    train = [record(n, *kinds[n % 3]) for n in range(60)]
    scores = BlindAnswers.fit(train).score(
        [*train[:3], record(9, "how MANY cubes", "2"), record(9, "Why is it", "red")]
    )
    assert scores[CONSTANT]["accuracy"] == 3 / 5
    assert scores[FIRST_WORDS]["accuracy"] == 1.0, "unknown first words fall back to the most frequent answer"


def test_two_words_side_by_side_tell_what_one_does_not():
    kinds = [("red cube or blue ball", "a"), ("blue cube or red ball", "b")]  # the same words
    train = [record(n, *kinds[n % 2]) for n in range(120)]
    scores = BlindAnswers.fit(train).score(train)
    assert scores[CONSTANT]["accuracy"] == 0.5 and scores[WORDS]["accuracy"] == 1.0


def test_where_words_tell_nothing_the_most_frequent_answer_is_found():
    train = [record(n, "what is it", "yes" if n % 3 else "no") for n in range(90)]
    scores = BlindAnswers.fit(train).score(train)
    assert scores[WORDS]["accuracy"] == scores[CONSTANT]["accuracy"] == pytest.approx(2 / 3)


def test_soft_scores_count():
    questions = [record(0, "is it", "yes", {"yes": 0.9, "no": 0.3}), record(1, "is it", "no", {"no": 1.0})]
    scores = BlindAnswers.fit([record(n, "is it", "no") for n in range(20)]).score(questions)
    assert scores[CONSTANT]["accuracy"] == pytest.approx(0.65)


def test_records_without_an_answer_do_not_count():
    train, extra = by_last_word(), [record(999, "is the ball red", None)]
    assert BlindAnswers.fit([*extra, *train]).score([*train, *extra]) == BlindAnswers.fit(train).score(train)


def test_the_same_seed_gives_the_same_answers():
    noisy = [record(n, f"is {n % 5} {n % 3} it", "abc"[n * n % 3]) for n in range(150)]
    one, other = (BlindAnswers.fit(noisy, seed=1) for _ in range(2))
    assert one.score(noisy) == other.score(noisy)
    texts = [r.text for r in noisy]
    assert one.language_only(texts) == other.language_only(texts)


def test_questions_of_unknown_words_are_answered():
    blind = BlindAnswers.fit(by_last_word())
    assert blind.language_only(["zebra crossing", "?"])[0] in ("yes", "no")


def test_a_training_split_without_answers_is_refused():
    for train in ([record(0, "is it", None)], []):
        with pytest.raises(ValueError, match="need records with answer or answers in the training split"):
            score_blind(train, by_last_word(4))


def test_a_few_records_are_enough_for_the_words_to_learn_what_is_frequent() -> None:
    few = [Record(str(n), "x.jpg", 8, 8, "is it", answer="no" if n == 0 else "yes") for n in range(9)]
    assert BlindAnswers.fit(few).score(few)["words alone (linear)"]["accuracy"] == pytest.approx(8 / 9)


def test_answers_with_scores_alone_are_enough() -> None:
    scored = [Record(str(n), "x.jpg", 8, 8, "is it", answers={"yes": 1.0, "no": 0.3}) for n in range(12)]
    scores = score_blind(scored, scored)
    assert all(values["accuracy"] == 1 for values in scores.values())
    assert all(math.isnan(values["accuracy"]) for values in BlindAnswers.fit(scored).score([]).values())
