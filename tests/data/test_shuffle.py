"""The control experiment: every sentence goes to another picture."""

from __future__ import annotations

from collections import Counter, defaultdict

import pytest

from laconvnet.data import Record, shuffled_sentences


def make_records(sentences_per_image: list[int]) -> list[Record]:
    return [
        Record.from_json(
            {
                "id": f"{image}-{number}",
                "image": f"{image}.jpg",
                "width": 10,
                "height": 10,
                "text": f"text {image} {number}",
                "boxes": [[0, 0, image % 9 + 1, 1]],
                "group": f"group {image}",
            },
            where="here",
        )
        for image, count in enumerate(sentences_per_image)
        for number in range(count)
    ]


@pytest.mark.parametrize("sizes", [[1, 1], [3, 3, 3], [5, 1, 2, 4, 1], [2] * 9])
@pytest.mark.parametrize("seed", range(5))
def test_every_sentence_goes_to_another_image(sizes: list[int], seed: int) -> None:
    records = make_records(sizes)
    shuffled = shuffled_sentences(records, seed)
    assert [(r.id, r.image, r.boxes) for r in shuffled] == [(r.id, r.image, r.boxes) for r in records]
    assert Counter(r.text for r in shuffled) == Counter(r.text for r in records)
    own = defaultdict(set)
    for record in records:
        own[record.image].add(record.text)
    assert not [r.id for r in shuffled if r.text in own[r.image]]
    assert all(r.group == f"group {r.text.split()[1]}" for r in shuffled)


def test_the_permutation_is_that_of_the_seed() -> None:
    records = make_records([2] * 20)
    assert shuffled_sentences(records, 1) == shuffled_sentences(records, 1)
    assert shuffled_sentences(records, 1) != shuffled_sentences(records, 2)


def test_there_may_be_nothing_to_shuffle() -> None:
    assert shuffled_sentences([], 0) == []
    alone = make_records([3])
    assert Counter(r.text for r in shuffled_sentences(alone, 0)) == Counter(r.text for r in alone)
