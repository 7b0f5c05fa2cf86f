"""Referring expressions about a scene, in the manner of CLEVR-Ref+: for one object, for several, and for none.

An expression for none is a near miss: one that names something, with a single value or direction changed.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Final, TypeAlias

import numpy as np

from laconvnet.scenes.chains import Finder
from laconvnet.scenes.chance import pick, shuffled, weighted
from laconvnet.scenes.facts import VISIBILITIES, Facts, members
from laconvnet.scenes.grammar import expression
from laconvnet.scenes.programs import FURTHEST, SCENE, NotUniqueError, Program, count_hops, evaluate, walk
from laconvnet.scenes.scene import DIRECTIONS, Scene
from laconvnet.scenes.sentence import VALUES, NoSentenceError, Sentence, Values

KINDS: Final = ("attribute", "relation", "same", "ordinal", "visibility", "logic")
"""What an expression tells its targets by."""

MIX: Final[dict[str, float]] = {"one": 0.6, "several": 0.2, "none": 0.2}
"""How many objects an expression names, and how often that is wished for where any number will do."""

_PLURAL: Final = MIX["several"] / (MIX["one"] + MIX["several"])  # of expressions for none, as of the others

# How often a description for several objects tells none, one, two, ... attributes.
_TOLD: Final = (0.2, 0.4, 0.3, 0.1)
_TOLD_OF_ORDERED: Final = (0.25, 0.45, 0.25, 0.05)
_TOLD_OF_UNION: Final = (0.0, 0.3, 0.5, 0.2)

_HOPS: Final = {"one": 0.45, "two": 0.35, "three": 0.2}
_AROUND: Final = {"scene": 0.7, "one": 0.3}  # where ordered or partly hidden objects are looked for
_DRAWS: Final = 30  # attempts at one kind
_MISSES: Final = 12  # changes that are tried to make an expression miss

_Find: TypeAlias = Callable[[Finder, bool], Program | None]


def refer(
    scene: Scene,
    rng: np.random.Generator,
    *,
    kinds: Sequence[str] = KINDS,
    targets: str = "any",
    values: Values = VALUES,
) -> Sentence:
    """Draws a referring expression, a pure function of the scene, the state of `rng` and the other arguments.

    Args:
        scene: what the expression is about; kind "visibility" needs `Scene.visible`.
        rng: where all choices are drawn from.
        kinds: some of `KINDS`, each drawn as often, as far as the scene allows it.
        targets: how many objects are named: `"one"`, `"several"` (at least two), `"none"`, or `"any"` of these in
            the proportions of `MIX`. One is named in the singular, several in the plural, none in either.
        values: the values that objects of the world can have, of each attribute.

    Returns:
        The expression; its group is its kind.

    Raises:
        ValueError: if a kind or `targets` is unknown, no kind is given, or the scene's objects have other values.
        NoSentenceError: if no such expression is found.
    """
    unknown = [kind for kind in kinds if kind not in KINDS]
    if unknown or not kinds:
        raise ValueError(f"kinds must be some of {', '.join(KINDS)}; got {list(kinds)}")
    if targets != "any" and targets not in MIX:
        raise ValueError(f"targets must be one of {', '.join(MIX)}, any; got {targets!r}")
    finder = Finder(scene, values, rng)
    wishes = dict(MIX) if targets == "any" else {targets: 1.0}
    while wishes:
        wish = weighted(rng, wishes)
        many = rng.random() < _PLURAL if wish == "none" else wish == "several"
        numbers = [many, not many] if wish == "none" else [many]
        for many, kind in itertools.product(numbers, list(shuffled(rng, kinds))):
            for _ in range(_DRAWS):
                program = _find(finder, kind, many=many, missing=wish == "none")
                if program is not None:
                    named = tuple(members(_set(program, finder.facts)))
                    text = expression(program, rng, many=many)
                    return Sentence(text, program, kind, None, named, count_hops(program))
        del wishes[wish]
    raise NoSentenceError(f"no expression of {', '.join(kinds)} for {targets} found about {len(scene.objects)} objects")


def _find(finder: Finder, kind: str, *, many: bool, missing: bool) -> Program | None:
    """A program of a kind that names one object or several, or that misses them by one value."""
    program = _FIND[kind](finder, many)
    if program is None or not _is_clear(program, finder.facts):
        return None
    return _near_miss(finder, program) if missing else program


def _set(program: Program, facts: Facts) -> int:
    """The objects that a program of objects gives."""
    found = evaluate(program, facts)
    assert isinstance(found, int)
    return found


def _on(finder: Finder, kind: str, many: bool) -> Program | None:
    """One object of a ground, or several that are told alike."""
    if not many:
        named = finder.single(finder.ground(kind))
        return named.program if named is not None else None
    namings = finder.namings(kind, (finder.told(kind, _TOLD),))
    several = [naming for naming in namings if naming.members.bit_count() > 1]
    return pick(finder.rng, several).program if several else None


def _attribute(finder: Finder, many: bool) -> Program | None:
    return _on(finder, "scene", many)


def _relation(finder: Finder, many: bool) -> Program | None:
    return _on(finder, weighted(finder.rng, _HOPS), many)


def _same(finder: Finder, many: bool) -> Program | None:
    return _on(finder, finder.kind({"same": 1.0}), many)


def _logic(finder: Finder, many: bool) -> Program | None:
    if finder.rng.random() < 0.5:
        return _on(finder, "both", many)
    told = (finder.told("scene", _TOLD_OF_UNION), finder.told("scene", _TOLD_OF_UNION))
    fitting = [naming for naming in finder.namings("either", told) if _fits(naming.members, many)]
    return pick(finder.rng, fitting).program if fitting else None


def _ordinal(finder: Finder, many: bool) -> Program | None:
    if not many:
        return _counted_off(finder, weighted(finder.rng, _AROUND))
    # One place in an order is one object's, so that several are told by their relation to it.
    anchor = _counted_off(finder, "scene")
    if anchor is None:
        return None
    ground = finder.beyond(_set(anchor, finder.facts).bit_length() - 1, Program("unique", (anchor,)))
    several = [named for named in finder.all_described(ground, finder.told("one", _TOLD)) if _fits(named.members, many)]
    return pick(finder.rng, several).program if several else None


def _counted_off(finder: Finder, kind: str) -> Program | None:
    """The n-th of at least two objects from a side."""
    ground = finder.ground(kind)
    if ground is None:
        return None
    # Attributes may be told of all objects or none here: the order alone tells them apart.
    told = finder.told("one", _TOLD_OF_ORDERED)
    several = [named for named in finder.all_described(ground, told) if named.members.bit_count() > 1]
    if not several:
        return None
    named = pick(finder.rng, several)
    number = 1 + int(finder.rng.random() * min(named.members.bit_count(), FURTHEST))
    return Program("filter_ordinal", (named.program,), f"{pick(finder.rng, DIRECTIONS)} {number}")


def _visibility(finder: Finder, many: bool) -> Program | None:
    if len(finder.facts.scene.visible) != len(finder.facts.scene.objects):
        return None
    ground = finder.ground(weighted(finder.rng, _AROUND))
    if ground is None:
        return None
    told = finder.told("one", _TOLD_OF_ORDERED)
    visibility = pick(finder.rng, VISIBILITIES)
    shown = finder.facts.visible(visibility)
    fitting = [
        named
        for named in finder.all_described(ground, told)
        if named.members & ~shown and _fits(named.members & shown, many)
    ]
    return Program("filter_visible", (pick(finder.rng, fitting).program,), visibility) if fitting else None


def _fits(named: int, many: bool) -> bool:
    return named.bit_count() > 1 if many else named.bit_count() == 1


_FIND: Final[dict[str, _Find]] = {
    "attribute": _attribute,
    "relation": _relation,
    "same": _same,
    "ordinal": _ordinal,
    "visibility": _visibility,
    "logic": _logic,
}


def _is_clear(program: Program, facts: Facts) -> bool:
    """Whether nobody who sees the picture can doubt the orders and the visibilities that a program speaks of."""
    for part in walk(program):
        if part.function in ("filter_ordinal", "filter_visible"):
            assert part.value is not None
            among = _set(part.inputs[0], facts)
            if part.function == "filter_ordinal":
                if not facts.is_clear(among, part.value.split()[0]):
                    return False
            elif among & ~facts.visible("partially") & ~facts.visible("fully"):
                return False
    return True


def _near_miss(finder: Finder, program: Program) -> Program | None:
    """Changes one value or direction such that the program names nothing, and all that it builds on is still there."""
    places = list(_places(program, ()))
    for _ in range(_MISSES if places else 0):
        path, part = pick(finder.rng, places)
        missing = _changed(program, path, pick(finder.rng, _others(part, finder.values)))
        try:
            if evaluate(missing, finder.facts) == 0 and _is_clear(missing, finder.facts) and _is_sound(missing):
                return missing
        except NotUniqueError:
            continue
    return None


def _places(program: Program, path: tuple[int, ...]) -> Iterator[tuple[tuple[int, ...], Program]]:
    """Yields the parts of a program that have a value to change, each with the inputs that lead to it."""
    if program.value is not None and program.function != "filter_ordinal":
        yield path, program
    for number, part in enumerate(program.inputs):
        yield from _places(part, (*path, number))


def _others(part: Program, values: Values) -> list[str]:
    if part.function == "relate":
        allowed: Sequence[str] = DIRECTIONS
    elif part.function == "filter_visible":
        allowed = VISIBILITIES
    else:
        allowed = values[part.function.removeprefix("filter_")]
    return [value for value in allowed if value != part.value]


def _changed(program: Program, path: tuple[int, ...], value: str) -> Program:
    if not path:
        return Program(program.function, program.inputs, value)
    inputs = list(program.inputs)
    inputs[path[0]] = _changed(inputs[path[0]], path[1:], value)
    return Program(program.function, tuple(inputs), program.value)


def _is_sound(program: Program) -> bool:
    """Whether the two sides of an "and" or "or" still say different things."""
    for part in walk(program):
        if part.function == "intersect" and part.inputs[0].inputs == part.inputs[1].inputs:
            return False
        if part.function == "union":
            (ground, told), (other_ground, other_told) = map(_told, part.inputs)
            if told <= other_told and ground in (SCENE, other_ground):
                return False
            if other_told <= told and other_ground in (SCENE, ground):
                return False
    return True


def _told(program: Program) -> tuple[Program, set[str | None]]:
    """The ground of a description, and the values it tells."""
    told = set()
    while program.function.startswith("filter_"):
        told.add(program.value)
        (program,) = program.inputs
    return program, told
