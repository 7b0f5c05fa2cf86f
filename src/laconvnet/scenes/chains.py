"""Finding things to say about a scene: chains of relations, and descriptions of what lies at their end."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias, TypeVar

import numpy as np

from laconvnet.scenes.chance import pick, shuffled, weighted
from laconvnet.scenes.facts import facts_about, members
from laconvnet.scenes.programs import SCENE, Program
from laconvnet.scenes.scene import ATTRIBUTES, DIRECTIONS, Scene
from laconvnet.scenes.sentence import VALUES, Values, check_values

GROUNDS: Final = ("scene", "one", "two", "three", "same", "both")
"""Where described objects are looked for: anywhere, at the end of one to three relations, among those with the same
value of an attribute, or where two relations hold."""

_HOPS: Final = {"scene": 0, "one": 1, "two": 2, "three": 3, "same": 1, "both": 2, "either": 0}
"""The relations that each follows; of "either A or B" those of A are drawn apart."""

_REDUNDANT: Final = 0.3  # share of descriptions that may tell more than is needed
_ABSENT: Final = 6  # descriptions of no object that are tried beside those of the objects of a scene
_FEW: Final = 6  # descriptions of each side that are combined in pairs
_EITHER_ON: Final = {"scene": 0.7, "one": 0.3}  # where the first of two alternatives is looked for

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Ground:
    """A set of objects that a description is applied to.

    Attributes:
        program: gives the set.
        members: the set.
        rivals: what the set becomes when one of its relations is dropped; a description must then name others,
            or the relation says nothing.
        barred: the attributes that a description must not tell, bit a for attribute a.
    """

    program: Program
    members: int
    rivals: tuple[int, ...] = ()
    barred: int = 0


@dataclass(frozen=True, slots=True)
class Described:
    """A description applied to a ground.

    Attributes:
        ground: the ground.
        told: the values told, from size to shape.
        members: the objects that it names.
    """

    ground: Ground
    told: tuple[tuple[str, str], ...]
    members: int

    @property
    def program(self) -> Program:
        """The program that gives the objects named."""
        program = self.ground.program
        for attribute, value in self.told:
            program = Program(f"filter_{attribute}", (program,), value)
        return program

    @property
    def one(self) -> Program:
        """The program that gives the only object named."""
        return Program("unique", (self.program,))

    @property
    def index(self) -> int:
        """The only object named."""
        return self.members.bit_length() - 1

    def is_within(self, other: Described) -> bool:
        """Whether whatever this describes, in any scene, is described by the other too."""
        wider = other.ground.program in (SCENE, self.ground.program)
        return wider and set(other.told) <= set(self.told)


@dataclass(frozen=True, slots=True)
class Either:
    """What one of two descriptions names."""

    first: Described
    second: Described

    @property
    def members(self) -> int:
        """The objects that are named."""
        return self.first.members | self.second.members

    @property
    def program(self) -> Program:
        """The program that gives the objects named."""
        return Program("union", (self.first.program, self.second.program))


Naming: TypeAlias = Described | Either


class Finder:
    """Draws chains and descriptions that hold in one scene.

    Args:
        scene: the scene.
        values: the values that objects of its world can have.
        rng: where the choices are drawn from.
        max_hops: most relations that one chain follows, None for as many as there are.

    Raises:
        ValueError: if an object has a value that its world has not.
    """

    def __init__(self, scene: Scene, values: Values, rng: np.random.Generator, *, max_hops: int | None = None) -> None:
        if values is not VALUES:
            check_values(values)
        self.facts = facts_about(scene)
        self.values = values
        self.rng = rng
        self.max_hops = max(_HOPS.values()) if max_hops is None else max_hops
        for index, look in enumerate(self.facts.looks):
            for attribute, value in zip(ATTRIBUTES, look, strict=True):
                if value not in values[attribute]:
                    raise ValueError(
                        f"object {index} has {attribute} {value!r}; values[{attribute!r}] is {list(values[attribute])}"
                    )
        # What all objects of a world share says nothing of one.
        self.telling = [place for place, name in enumerate(ATTRIBUTES) if len(values[name]) > 1]
        self.scene = Ground(SCENE, self.facts.everything)

    def kind(self, on: Mapping[str, float], *, unasked: int = 0) -> str:
        """Draws a kind of ground.

        Args:
            on: how often each of `GROUNDS` is drawn.
            unasked: attributes that objects must not be compared by, bit a for attribute a.

        Returns:
            One of `GROUNDS`, with the attribute that is compared in the place of "same": "same_size", ...
        """
        kind = weighted(self.rng, self._short(on))
        if kind == "same":
            names = [ATTRIBUTES[place] for place in self.telling if not unasked >> place & 1]
            return f"same_{pick(self.rng, names)}" if names else "one"
        return kind

    def _short(self, on: Mapping[str, float]) -> dict[str, float]:
        """Those of some grounds that follow few enough relations, with their weights."""
        return {kind: weight for kind, weight in on.items() if _HOPS[kind] <= self.max_hops}

    def ground(self, kind: str) -> Ground | None:
        """Draws a ground of a kind that `kind` returns, or None where the objects drawn do not allow it."""
        if kind == "scene":
            return self.scene
        if kind.startswith("same_"):
            return self._same(ATTRIBUTES.index(kind.removeprefix("same_")))
        if kind == "both":
            return self._both()
        ground: Ground | None = self.scene
        for _ in range(("one", "two", "three").index(kind) + 1):
            anchor = self.single(ground)
            if anchor is None:
                return None
            ground = self.beyond(anchor.index, anchor.one)
        return ground

    def beyond(self, index: int, program: Program, direction: str | None = None) -> Ground:
        """The objects that lie in a direction, a random one if None is given, from an object given by a program."""
        direction = direction or pick(self.rng, DIRECTIONS)
        found = self.facts.related(index, direction)
        return Ground(Program("relate", (program,), direction), found, (self.facts.everything & ~(1 << index),))

    def _same(self, place: int) -> Ground | None:
        anchor = self.single(self.scene, untold=1 << place)
        if anchor is None:
            return None
        found = self.facts.same(anchor.index, ATTRIBUTES[place])
        others = self.facts.everything & ~anchor.members
        return Ground(Program(f"same_{ATTRIBUTES[place]}", (anchor.one,)), found, (others,), 1 << place)

    def _both(self) -> Ground | None:
        first, second = self.single(self.scene), self.single(self.scene)
        if first is None or second is None or first.members == second.members:
            return None
        ways = shuffled(self.rng, DIRECTIONS)
        a = self.beyond(first.index, first.one, next(ways))
        b = self.beyond(second.index, second.one, next(ways))
        rivals = (a.members & ~second.members, b.members & ~first.members)
        return Ground(Program("intersect", (a.program, b.program)), a.members & b.members, rivals)

    def single(self, ground: Ground | None, *, among: int = -1, untold: int = 0) -> Described | None:
        """Draws a description that names one object of a ground, and would not without the ground's relations.

        Most descriptions tell no more than is needed.

        Args:
            ground: where to look; None gives None.
            among: the objects that may be named.
            untold: attributes not to tell, bit a for attribute a.
        """
        if ground is None:
            return None
        sets = self._sets(untold | ground.barred)
        for index in shuffled(self.rng, list(members(ground.members & among))):
            fitting = self._naming(index, sets, ground)
            if fitting:
                if self.rng.random() >= _REDUNDANT:
                    fitting = [told for told in fitting if not any(less & told == less != told for less in fitting)]
                return self.describe(index, pick(self.rng, fitting), ground)
        return None

    def singles(self, ground: Ground, *, untold: int = 0) -> Iterator[list[tuple[int, int]]]:
        """Yields the descriptions that name one object of a ground, those that tell equally much together.

        Mostly those that tell less come first.

        Args:
            ground: where to look.
            untold: attributes not to tell, bit a for attribute a.

        Yields:
            Objects, each with the attributes told of it, bit a for attribute a.
        """
        sets = self._sets(untold | ground.barred)
        lengths = list(range(len(ATTRIBUTES) + 1))
        if self.rng.random() < _REDUNDANT:
            lengths = list(shuffled(self.rng, lengths))
        singles = [(index, told) for index in members(ground.members) for told in self._naming(index, sets, ground)]
        for length in lengths:
            yield [single for single in singles if single[1].bit_count() == length]

    def namings(self, kind: str, told: tuple[int, ...]) -> Sequence[Naming]:
        """Draws a ground, and returns every description of some attributes that means something on it.

        Args:
            kind: what `kind` returns, or "either" for what one of two descriptions names.
            told: the attributes to tell in the description, or in the two, bit a for attribute a.

        Returns:
            Descriptions that differ in the values of the attributes only; none where the objects drawn allow none.
        """
        if kind != "either":
            ground = self.ground(kind)
            return self.all_described(ground, told[0]) if ground is not None else ()
        ground = self.ground(weighted(self.rng, self._short(_EITHER_ON)))
        if ground is None:
            return ()
        firsts, seconds = self.all_described(ground, told[0]), self.all_described(self.scene, told[1])
        return [
            Either(a, b)
            for a in self.some(firsts)
            for b in self.some(seconds)
            if not (a.is_within(b) or b.is_within(a))
            and (not a.members or not b.members or (a.members & ~b.members and b.members & ~a.members))
        ]

    def some(self, items: Sequence[T]) -> list[T]:
        """Draws a few of many."""
        return [item for item, _ in zip(shuffled(self.rng, items), range(_FEW), strict=False)]

    def all_described(self, ground: Ground, told: int) -> list[Described]:
        """Every description of a set of attributes that means something on a ground.

        It names other objects than without the ground's relations. Where there are no relations, some descriptions
        of no object are among them.
        """
        found: dict[int, Described] = {}
        for index in members(self.facts.everything):
            bits = self.facts.alike(index)[told]
            named = bits & ground.members
            if bits not in found and all(bits & rival != named for rival in ground.rivals):
                found[bits] = self.describe(index, told, ground)
        result = list(found.values())
        if not ground.rivals:
            result += self._absent(ground, told)
        return result

    def _absent(self, ground: Ground, told: int) -> Iterator[Described]:
        names = [name for place, name in enumerate(ATTRIBUTES) if told >> place & 1]
        for _ in range(_ABSENT if names else 0):
            values = tuple([(name, pick(self.rng, self.values[name])) for name in names])
            bits = ground.members
            for name, value in values:
                bits &= self.facts.having(name, value)
            if not bits:
                yield Described(ground, values, 0)

    def describe(self, index: int, told: int, ground: Ground) -> Described:
        """The description of an object by a set of attributes."""
        look = self.facts.looks[index]
        values = tuple([(ATTRIBUTES[place], look[place]) for place in range(4) if told >> place & 1])
        return Described(ground, values, self.facts.alike(index)[told] & ground.members)

    def told(self, kind: str, weights: Sequence[float]) -> int:
        """Draws which attributes a description tells.

        Args:
            kind: what `kind` returns; something is always told of what is looked for anywhere, and nothing that the
                objects are compared by.
            weights: how likely it is that 0, 1, ... of them are told.

        Returns:
            A set of attributes, bit a for attribute a.
        """
        least = int(kind == "scene")
        number = weighted(self.rng, {n: weights[n] for n in range(least, len(weights))})
        free = [place for place in self.telling if kind != f"same_{ATTRIBUTES[place]}"]
        return sum(1 << place for place, _ in zip(shuffled(self.rng, free), range(number), strict=False))

    def _naming(self, index: int, sets: Sequence[int], ground: Ground) -> list[int]:
        """The sets of attributes that, told of an object, name it alone, and would not without a relation."""
        one = 1 << index
        alike = self.facts.alike(index)
        fitting = [told for told in sets if alike[told] & ground.members == one]
        for rival in ground.rivals:
            fitting = [told for told in fitting if alike[told] & rival != one]
        return fitting

    def _sets(self, untold: int) -> list[int]:
        allowed = sum(1 << place for place in self.telling) & ~untold
        return [told for told in range(16) if not told & ~allowed]
