"""What is true in one scene, as sets of objects that are bits of an integer: object i is bit `1 << i`."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from functools import lru_cache
from typing import Final

from laconvnet.scenes.scene import ATTRIBUTES, Scene

VISIBILITIES: Final = ("partially", "fully")
"""How much of an object is seen: less than 0.9 of its outline, or at least 0.98; in between it is neither."""

_PARTIAL: Final = 0.9
_FULL: Final = 0.98


def members(bits: int) -> Iterator[int]:
    """Yields the objects of a set, ascending."""
    while bits:
        lowest = bits & -bits
        yield lowest.bit_length() - 1
        bits ^= lowest


class Facts:
    """The sets of objects that sentences about one scene speak of, each found when it is first asked for.

    Attributes:
        scene: the scene.
        everything: the set of all its objects.
        looks: of each object, its values in the order of `ATTRIBUTES`.
    """

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.everything = (1 << len(scene.objects)) - 1
        self.looks = [(item.size, item.color, item.material, item.shape) for item in scene.objects]
        self._having: dict[tuple[str, str], int] = {}
        for index, look in enumerate(self.looks):
            for told in zip(ATTRIBUTES, look, strict=True):
                self._having[told] = self._having.get(told, 0) | 1 << index
        self._related: dict[tuple[int, str], int] = {}
        self._alike: dict[int, list[int]] = {}

    def having(self, attribute: str, value: str) -> int:
        """The objects that have a value."""
        return self._having.get((attribute, value), 0)

    def same(self, index: int, attribute: str) -> int:
        """The other objects that have an object's value of an attribute."""
        value = self.looks[index][ATTRIBUTES.index(attribute)]
        return self.having(attribute, value) & ~(1 << index)

    def alike(self, index: int) -> list[int]:
        """The objects that share what is told of an object, itself among them, by the set of attributes told.

        Returns:
            16 sets of objects; attribute a of `ATTRIBUTES` is told in set s if bit a of s is 1.
        """
        found = self._alike.get(index)
        if found is None:
            found = [self.everything]
            for told in zip(ATTRIBUTES, self.looks[index], strict=True):
                having = self._having[told]
                found += [bits & having for bits in found]
            self._alike[index] = found
        return found

    def related(self, index: int, direction: str) -> int:
        """The objects that lie in a direction from an object, as `Scene.related` defines it."""
        key = (index, direction)
        found = self._related.get(key)
        if found is None:
            found = sum(1 << other for other in self.scene.related(index, direction))
            self._related[key] = found
        return found

    def ordered(self, bits: int, direction: str) -> list[int]:
        """The objects of a set, that which lies furthest in a direction first; equally far ones by index."""
        return sorted(members(bits), key=lambda index: self.scene.offset(index, 0, direction))

    def is_clear(self, bits: int, direction: str) -> bool:
        """Whether the order of a set's objects in a direction can be seen.

        Each must lie clearly beyond the next, and for left and right their order in the picture must be that in
        the world.
        """
        order = self.ordered(bits, direction)
        for first, then in itertools.pairwise(order):
            if not self.related(then, direction) >> first & 1:
                return False
            rightward = self.scene.column(first) - self.scene.column(then)
            if (direction == "left" and rightward >= 0) or (direction == "right" and rightward <= 0):
                return False
        return True

    def visible(self, visibility: str) -> int:
        """The objects of which as much is seen as one of `VISIBILITIES` says.

        Raises:
            ValueError: if the scene does not say how much is visible of each of its objects.
        """
        shares = self.scene.visible
        if len(shares) != len(self.scene.objects):
            raise ValueError(
                f"filter_visible needs Scene.visible with one share for each of {len(self.scene.objects)} objects, "
                f"got {len(shares)} shares"
            )
        if visibility == "partially":
            return sum(1 << index for index, share in enumerate(shares) if share < _PARTIAL)
        return sum(1 << index for index, share in enumerate(shares) if share >= _FULL)


@lru_cache(maxsize=8)
def facts_about(scene: Scene) -> Facts:
    """Returns the facts about a scene, those of the last few scenes from memory."""
    return Facts(scene)
