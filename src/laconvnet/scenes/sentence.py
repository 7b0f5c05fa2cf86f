"""A sentence about a scene, and the values and answers that the sentences of a world can name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from laconvnet.scenes.programs import ALL_VALUES, Program
from laconvnet.scenes.scene import ATTRIBUTES

Values: TypeAlias = Mapping[str, Sequence[str]]
"""Of each attribute, the values that objects of a world can have."""

VALUES: Final[dict[str, tuple[str, ...]]] = {
    "size": ALL_VALUES["size"],
    "color": ALL_VALUES["color"][:8],
    "material": ALL_VALUES["material"],
    "shape": ALL_VALUES["shape"][:3],
}
"""The values of CLEVR's world."""

MOST_COUNTED: Final = 10
"""The highest number that answers a question."""


class NoSentenceError(ValueError):
    """Nothing of the kind asked for can be said of a scene, or none was found in a bounded search."""


@dataclass(frozen=True, slots=True)
class Sentence:
    """A question or a referring expression, and what it means in its scene.

    Attributes:
        text: the question, or the expression in lower case without a final point.
        program: its meaning; that of a question gives the answer, that of an expression the set of its targets.
        group: the family of the question, or the kind of the expression.
        answer: the answer to the question, one of `answers(values)`; None for an expression.
        targets: the ascending indices of the objects that the expression names, or that the question counts, looks at
            or compares; `()` for none.
        hops: how many relations the program follows.
    """

    text: str
    program: Program
    group: str
    answer: str | None
    targets: tuple[int, ...]
    hops: int


def check_values(values: Values) -> None:
    """Checks that every attribute has values, each of them known.

    Raises:
        ValueError: names the attribute, the value received and those allowed.
    """
    if set(values) != set(ATTRIBUTES):
        raise ValueError(f"values must have exactly the keys {', '.join(ATTRIBUTES)}; got {sorted(values)}")
    for attribute, given in values.items():
        unknown = [value for value in given if value not in ALL_VALUES[attribute]]
        if unknown or not given or len(set(given)) != len(given):
            allowed = ", ".join(ALL_VALUES[attribute])
            raise ValueError(f"values[{attribute!r}] must be different ones of {allowed}; got {list(given)}")


def answers(values: Values = VALUES) -> tuple[str, ...]:
    """Returns every answer that a question about a world can have, each once, in a fixed order.

    Args:
        values: the values of the world's objects.

    Returns:
        `yes`, `no`, `0` to `10`, then colors, shapes, sizes and materials: 28 answers for CLEVR's values.

    Raises:
        ValueError: if an attribute is missing or a value unknown.
    """
    check_values(values)
    named = [value for attribute in ("color", "shape", "size", "material") for value in values[attribute]]
    return ("yes", "no", *map(str, range(MOST_COUNTED + 1)), *named)
