"""Sentences: the closed list of answers, and what a world may name."""

from __future__ import annotations

import pytest
from random_scenes import HARD_VALUES

from laconvnet.scenes.sentence import VALUES, answers


def test_clevr_has_28_answers() -> None:
    given = answers()
    assert len(given) == len(set(given)) == 28
    assert given[:4] == ("yes", "no", "0", "1")
    assert {"10", "cyan", "cylinder", "small", "rubber"} < set(given)
    assert "orange" not in given


def test_another_world_has_other_answers() -> None:
    given = answers(HARD_VALUES)
    assert len(given) == 2 + 11 + 5 + 4 + 2 + 2
    assert {"orange", "capsule"} < set(given)
    assert "sphere" not in given


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"color": ("mauve",)}, r"values\['color'\] must be different ones of gray, .*; got \['mauve'\]"),
        ({"size": ()}, r"values\['size'\] must be different ones of large, small; got \[\]"),
        ({"shape": ("cube", "cube")}, r"values\['shape'\] must be different ones"),
        ({"weight": ("heavy",)}, r"exactly the keys size, color, material, shape; got .*'weight'"),
    ],
)
def test_unknown_values_are_named(change: dict[str, tuple[str, ...]], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        answers({**VALUES, **change})
