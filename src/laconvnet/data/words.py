"""Words that change when a picture is mirrored."""

from __future__ import annotations

import re

# Compounds are listed, so that words which merely contain "left" or "right" (bright, upright, leftover,
# copyright) stay as they are. A hyphen ends a word: "left-hand" and "right-most" need no entry.
_SIDE = re.compile(
    r"\b(?P<before>(?:top|bottom|upper|lower|far|front|back|mid|middle|center|centre)?)"
    r"(?P<side>left|right)"
    r"(?P<after>(?:most|hand|handed|hander|side|ward|wards|y)?)\b",
    re.IGNORECASE,
)


def swap_left_right(text: str) -> str:
    """Exchanges left and right in a sentence, keeping the case: "Left dog" becomes "Right dog".

    Applied twice it gives the sentence back. The words are exchanged wherever they stand alone or in a
    compound of place, also where they mean no direction ("all right", "right now", "what is left of it").
    """
    return _SIDE.sub(_swap, text)


def _swap(match: re.Match[str]) -> str:
    side = match["side"]
    other = "right" if side.lower() == "left" else "left"
    if side.isupper():
        other = other.upper()
    elif side[0].isupper():
        other = other.capitalize()
    return match["before"] + other + match["after"]
