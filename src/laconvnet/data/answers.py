"""Answers that people gave: the form in which they are compared, and how right each of several is."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

_MARKS = ';/[]"{}()=+\\_-><@`,?!'
_ARTICLES = {"a", "an", "the"}
_NUMBERS = {
    "none": "0", "zero": "0", "one": "1", "two": "2", "three": "3", "four": "4",
    "five": "5", "six": "6", "seven": "7", "eight": "8", "nine": "9", "ten": "10",
}  # fmt: skip
_CONTRACTIONS = """
    ain't aren't can't could've couldn't couldn't've didn't doesn't don't hadn't hadn't've hasn't haven't he'd he'd've
    he's how'd how'll how's isn't it'd it'd've it'll ma'am might've mightn't mightn't've must've mustn't needn't not've
    o'clock oughtn't 'ow's'at shan't she'd've should've shouldn't shouldn't've somebody'd somebody'd've somebody'll
    somebody's someone'd someone'd've someone'll someone's something'd something'd've something'll that's there'd
    there'd've there're there's they'd they'd've they'll they're they've 'twas wasn't we'd've we've weren't what'll
    what're what's what've when's where'd where's where've who'd who'd've who'll who's who've why'll why're why's won't
    would've wouldn't wouldn't've y'all y'all'd've y'all'll you'd you'd've you'll you're you've
""".split()
# Every contraction by its misspellings, in each of which one apostrophe is left out.
_RESTORED = {
    word[:place] + word[place + 1 :]: word
    for word in _CONTRACTIONS
    for place, letter in enumerate(word)
    if letter == "'"
}


def normalize_answer(text: str) -> str:
    """The form in which the VQA evaluation compares answers (visualqa.org/evaluation; the organisers' script).

    1. Each of the marks ``; / [ ] " { } ( ) = + \\ _ - > < @ ` , ? !`` becomes a space. It is deleted instead
       where the answer has that mark beside a space, and all are where it has a comma between two digits.
    2. Full stops are deleted unless a digit follows.
    3. Letters become small, the words none, zero, one, ..., ten become digits, and a, an, the are left out.
    4. Contractions with one apostrophe missing get it back: "dont" is "don't".

    Apostrophes and colons stay. The organisers' script changes "somebody'd" to "somebodyd", here it is the other way
    round; the same answers count as equal.

    Args:
        text: an answer.

    Returns:
        Words with one space between them; "" where nothing is left.
    """
    text = text.replace("\n", " ").replace("\t", " ").strip()
    digits = re.search(r"\d,\d", text) is not None
    deleted = "".join(mark for mark in _MARKS if digits or f"{mark} " in text or f" {mark}" in text)
    text = text.translate(str.maketrans(_MARKS, " " * len(_MARKS), deleted))
    text = re.sub(r"\.(?!\d)", "", text)
    words = [_NUMBERS.get(word, word) for word in text.lower().split()]
    return " ".join(_RESTORED.get(word, word) for word in words if word not in _ARTICLES)


def soft_scores(answers: Sequence[str], *, leave_one_out: bool = True) -> dict[str, float]:
    """How right each answer is, given what several people answered.

    An answer that three others give is right. By the VQA protocol, a person is compared with the others: the score is
    the mean over the n subsets that leave one person out of ``min(1, count in the subset / 3)``. For ten people it
    is 0.3, 0.6, 0.9 and 1 for an answer given once, twice, three times and more often. The simple rule,
    ``min(1, count / 3)`` over all people, gives 1/3, 2/3 and 1: the formula in the paper before that averaging
    (Antol et al., "VQA: Visual Question Answering", 2015).

    Args:
        answers: what each person answered, in any spelling; ten in VQAv2.
        leave_one_out: False takes the simple rule.

    Returns:
        The score in [0, 1] of each different answer, by its normalized form, the most frequent first.

    Raises:
        ValueError: there are fewer than two people, or a single string instead of a list.
    """
    if isinstance(answers, str) or len(answers) < 2:
        raise ValueError(f"soft scores need a list with the answers of two people or more, got {answers!r}")
    people = len(answers)
    counts = Counter(normalize_answer(answer) for answer in answers)
    if not leave_one_out:
        return {answer: min(3, count) / 3 for answer, count in counts.most_common()}
    # `count` of the subsets leave out somebody who gave the answer, the others somebody who did not.
    return {
        answer: (count * min(3, count - 1) + (people - count) * min(3, count)) / (3 * people)
        for answer, count in counts.most_common()
    }


def as_scores(answer: str | None, scores: Mapping[str, float] | None = None) -> Mapping[str, float]:
    """The scores of several answers, or of the only right one."""
    if scores is not None:
        return scores
    return {} if answer is None else {answer: 1.0}


def best_answer(answer: str | None, scores: Mapping[str, float] | None) -> str | None:
    """The one right answer, or the best of several with scores; None where there is neither."""
    if answer is None and scores:
        return max(scores, key=lambda each: scores[each])
    return answer


def answer_list(answers: Iterable[str], min_count: int = 1) -> tuple[str, ...]:
    """The answers that a network learns to give: those that are right often enough, the most frequent first.

    With a count of 9 over the training and validation questions of VQAv2, its most frequent answers in their normal
    form, that is the usual list of 3,129.

    Args:
        answers: the right answer of every question.
        min_count: questions that an answer must be right for.

    Returns:
        The answers, equally frequent ones in alphabetical order.

    Raises:
        ValueError: none is right so often.
    """
    counts = Counter(answers)
    kept = sorted((answer for answer in counts if counts[answer] >= min_count), key=lambda a: (-counts[a], a))
    if not kept:
        most = max(counts.values(), default=0)
        raise ValueError(f"no answer is right for {min_count} questions; the most frequent is right for {most}")
    return tuple(kept)
