"""Random choices: even where they should be, by weight where they should be."""

from __future__ import annotations

from collections import Counter

import numpy as np

from laconvnet.scenes.chance import pick, shuffled, weighted


def test_shares_are_those_asked_for() -> None:
    rng = np.random.default_rng(0)
    picked = Counter(pick(rng, "abcd") for _ in range(8000))
    assert set(picked) == set("abcd")
    assert all(abs(count / 8000 - 0.25) < 0.02 for count in picked.values())
    drawn = Counter(weighted(rng, {"a": 1, "b": 3, "c": 4}) for _ in range(8000))
    assert all(abs(drawn[item] / 8000 - share) < 0.02 for item, share in {"a": 1 / 8, "b": 3 / 8, "c": 1 / 2}.items())


def test_shuffling_gives_every_order_alike() -> None:
    rng = np.random.default_rng(0)
    orders = Counter("".join(shuffled(rng, "abc")) for _ in range(6000))
    assert len(orders) == 6
    assert all(abs(count / 6000 - 1 / 6) < 0.02 for count in orders.values())
    items = ["a", "b"]
    assert sorted(shuffled(rng, items)) == items == ["a", "b"]
