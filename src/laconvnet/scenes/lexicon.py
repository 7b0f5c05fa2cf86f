"""The words for what programs name."""

from __future__ import annotations

from typing import Final

WORDS: Final[dict[str, tuple[str, ...]]] = {
    "large": ("large", "big"),
    "small": ("small", "tiny"),
    "rubber": ("rubber", "matte"),
    "metal": ("metal", "metallic", "shiny"),
    "cube": ("cube", "block"),
    "sphere": ("sphere", "ball"),
    "cylinder": ("cylinder",),
    "slab": ("slab", "tile"),
    "disk": ("disk", "disc"),
    "capsule": ("capsule", "pill"),
    "partially": ("partially visible", "partly visible"),
    "fully": ("fully visible", "completely visible"),
}
"""The words for a value; those that are missing, the colors, are their own only word."""

THINGS: Final = ("thing", "object")
"""The words for an object whose shape is not told."""

PLACES: Final[dict[str, tuple[str, ...]]] = {
    "left": ("left of", "to the left of", "on the left side of"),
    "right": ("right of", "to the right of", "on the right side of"),
    "behind": ("behind",),
    "front": ("in front of",),
}
"""The words for lying in a direction from another object."""

ENDS: Final[dict[str, tuple[str, ...]]] = {
    "left": ("from the left", "counted from the left"),
    "right": ("from the right", "counted from the right"),
    "behind": ("from the back", "counted from the back"),
    "front": ("from the front", "counted from the front"),
}
"""The words for counting from a side."""

MOST: Final[dict[str, tuple[str, ...]]] = {
    "left": ("leftmost",),
    "right": ("rightmost",),
    "behind": ("rearmost",),
    "front": ("frontmost",),
}
"""The words for the first from a side."""

ORDINALS: Final = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")


def words_for(value: str) -> tuple[str, ...]:
    """Returns every wording of an attribute's value or of a visibility."""
    return WORDS.get(value, (value,))


def plural(noun: str) -> str:
    """Returns the plural of one of the nouns here, all of which are regular."""
    return noun + "s"


def with_article(phrase: str) -> str:
    """Returns a phrase behind "a" or "an"."""
    return ("an " if phrase[0] in "aeiou" else "a ") + phrase
