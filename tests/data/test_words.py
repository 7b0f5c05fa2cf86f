"""Left and right in words."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from laconvnet.data import swap_left_right


@pytest.mark.parametrize(
    ("text", "mirrored"),
    [
        ("the left dog", "the right dog"),
        ("Left dog, RIGHT cat", "Right dog, LEFT cat"),
        ("leftmost and right-most", "rightmost and left-most"),
        ("left-hand side, lefthand, right handed", "right-hand side, righthand, left handed"),
        ("bottomleft, upper right, far-right", "bottomright, upper left, far-left"),
        ("her right's colour", "her left's colour"),
        ("lefty", "righty"),
        ("bright upright leftover copyright rights outright cleft", None),
        ("a dog", None),
        ("", None),
    ],
)
def test_swap(text: str, mirrored: str | None) -> None:
    assert swap_left_right(text) == (text if mirrored is None else mirrored)


@settings(deadline=None)
@given(
    st.lists(
        st.sampled_from(["left", "Right", "LEFT", "rightmost", "bright", "a", "-", ",", " ", "top", "é"]),
        max_size=9,
    ).map("".join)
)
def test_twice_is_nothing(text: str) -> None:
    assert swap_left_right(swap_left_right(text)) == text
