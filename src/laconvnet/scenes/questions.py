"""Questions about a scene, of CLEVR's five families, each with its exact answer.

A question's structure, how many relations it follows and which attributes it tells, is drawn before the answer that is
wished for, and a yes-no question is asked only where another value in the same words has the other answer. So neither
the form nor the length of a question tells its answer.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeAlias

import numpy as np

from laconvnet.scenes.chains import GROUNDS, Finder, Ground, Naming
from laconvnet.scenes.chance import pick, shuffled, weighted
from laconvnet.scenes.grammar import question
from laconvnet.scenes.programs import Program, count_hops, find_targets
from laconvnet.scenes.scene import ATTRIBUTES, Scene
from laconvnet.scenes.sentence import VALUES, NoSentenceError, Sentence, Values

SHARES: Final[dict[str, float]] = {
    "count": 0.24,
    "exist": 0.13,
    "compare_integer": 0.09,
    "query_attribute": 0.36,
    "compare_attribute": 0.18,
}
"""The families of questions, and their shares in CLEVR."""

FAMILIES: Final = tuple(SHARES)

_COUNTS: Final = (0.28, 0.28, 0.22, 0.12, 0.07, 0.03, 0.015, 0.01, 0.005, 0.003, 0.002)
"""How often 0, 1, ... is wished for among the answers that one chain allows; the higher ones it allows less often, so
that they are given about as often as in CLEVR."""

# How often each ground is drawn, in the order of GROUNDS, and last, where it is possible, "either A or B".
_COUNTED_ON: Final = dict(zip((*GROUNDS, "either"), (0.18, 0.19, 0.15, 0.11, 0.15, 0.11, 0.11), strict=True))
_ASKED_ON: Final = dict(zip(GROUNDS, (0.18, 0.20, 0.17, 0.13, 0.17, 0.15), strict=True))
_COMPARED_ON: Final = dict(zip(GROUNDS, (0.50, 0.25, 0.10, 0.03, 0.07, 0.05), strict=True))

# How often a description tells none, one, two, ... attributes.
_TOLD: Final = (0.2, 0.35, 0.3, 0.12, 0.03)
_TOLD_OF_UNION: Final = (0.0, 0.3, 0.5, 0.2)

_STRUCTURES: Final = 60  # structures of a family that are tried before another family is
_DRAWS: Final = 10  # chains that are drawn to fill a structure

_YES_NO: Final = ("no", "yes")
_COMPARISONS: Final = (("equal_integer", operator.eq), ("less_than", operator.lt), ("greater_than", operator.gt))

_Found: TypeAlias = tuple[Program, str] | None


def ask(
    scene: Scene,
    rng: np.random.Generator,
    *,
    families: Sequence[str] = FAMILIES,
    values: Values = VALUES,
    max_hops: int | None = None,
) -> Sentence:
    """Draws a question, a pure function of the scene, the state of `rng`, the families and the values.

    Args:
        scene: what is asked about.
        rng: where all choices are drawn from.
        families: some of `FAMILIES`; they are drawn in CLEVR's shares.
        values: the values that objects of the world can have, of each attribute.
        max_hops: most relations that a description of the question follows; None for CLEVR's three.

    Returns:
        The question; its group is its family.

    Raises:
        ValueError: if a family is unknown, none is given, or the scene's objects have other values.
        NoSentenceError: if no question of these families is found. In a scene of three or more objects there is
            always one of all the families together, while a few objects that look alike may have none of one family.
    """
    unknown = [family for family in families if family not in SHARES]
    if unknown or not families:
        raise ValueError(f"families must be some of {', '.join(FAMILIES)}; got {list(families)}")
    finder = Finder(scene, values, rng, max_hops=max_hops)
    shares = {family: SHARES[family] for family in families}
    while shares:
        family = weighted(rng, shares)
        found = next(filter(None, (_FIND[family](finder) for _ in range(_STRUCTURES))), None)
        if found is None and family == "count":
            found = _count(finder, {"scene": 1.0})
        if found is not None:
            program, answer = found
            targets = find_targets(program, finder.facts)
            return Sentence(question(program, rng), program, family, answer, targets, count_hops(program))
        del shares[family]
    raise NoSentenceError(f"no question of {', '.join(families)} found about {len(scene.objects)} objects")


def _form(finder: Finder, on: Mapping[str, float]) -> tuple[str, tuple[int, ...]]:
    """Draws a kind of ground, or "either", and the attributes told of the objects looked for on it.

    Of one chain, the objects found differ in the values told. Where nothing is told, several chains of the kind are
    drawn, and the objects differ in these.
    """
    kind = finder.kind(on)
    if kind == "either":
        return kind, (finder.told("scene", _TOLD_OF_UNION), finder.told("scene", _TOLD_OF_UNION))
    return kind, (finder.told(kind, _TOLD),)


def _count(finder: Finder, on: Mapping[str, float] = _COUNTED_ON) -> _Found:
    kind, told = _form(finder, on)
    pool: list[Naming] = []
    for draw in range(1, _DRAWS + 1):
        pool = [*(pool if not any(told) else ()), *finder.namings(kind, told)]
        counts = sorted({naming.members.bit_count() for naming in pool} & {*range(len(_COUNTS))})
        if len(counts) > 1 and (any(told) or draw == _DRAWS):
            wish = weighted(finder.rng, {count: _COUNTS[count] for count in counts})
            fitting = [naming for naming in pool if naming.members.bit_count() == wish]
            return Program("count", (pick(finder.rng, fitting).program,)), str(wish)
    return None


def _exist(finder: Finder) -> _Found:
    kind, told = _form(finder, _COUNTED_ON)
    wish = finder.rng.random() < 0.5
    pool: list[Naming] = []
    for _ in range(_DRAWS):
        pool = [*(pool if not any(told) else ()), *finder.namings(kind, told)]
        fitting = [naming for naming in pool if (naming.members != 0) == wish]
        if fitting and len(fitting) < len(pool):
            return Program("exist", (pick(finder.rng, fitting).program,)), _YES_NO[wish]
    return None


def _compare_integer(finder: Finder) -> _Found:
    rng = finder.rng
    name, holds = pick(rng, _COMPARISONS)
    kinds = [finder.kind(_COMPARED_ON) for _ in range(2)]
    told = [finder.told(kind, _TOLD) for kind in kinds]
    wish = rng.random() < 0.5
    for _ in range(_DRAWS):
        grounds = [finder.ground(kind) for kind in kinds]
        firsts, seconds = (
            finder.some(finder.all_described(ground, bits)) if ground is not None else ()
            for ground, bits in zip(grounds, told, strict=True)
        )
        # "Are there more red things than red cubes?" needs no picture.
        pairs = [(a, b) for a in firsts for b in seconds if not a.is_within(b) and not b.is_within(a)]
        truths = [holds(a.members.bit_count(), b.members.bit_count()) for a, b in pairs]
        if True in truths and False in truths:
            a, b = pick(rng, [pair for pair, truth in zip(pairs, truths, strict=True) if truth == wish])
            counts = (Program("count", (a.program,)), Program("count", (b.program,)))
            return Program(name, counts), _YES_NO[wish]
    return None


def _query_attribute(finder: Finder) -> _Found:
    if not finder.telling:
        return None
    place = pick(finder.rng, finder.telling)
    attribute = ATTRIBUTES[place]
    kind = finder.kind(_ASKED_ON, unasked=1 << place)
    limit = 1 if kind == "scene" else _DRAWS
    drawn: list[Ground | None] = []
    for wish in shuffled(finder.rng, finder.values[attribute]):
        having = finder.facts.having(attribute, wish)
        for number in range(limit):
            if number == len(drawn):
                drawn.append(finder.ground(kind))
            named = finder.single(drawn[number], among=having, untold=1 << place)
            if named is not None:
                return Program(f"query_{attribute}", (named.one,)), wish
    return None


def _compare_attribute(finder: Finder) -> _Found:
    rng = finder.rng
    if not finder.telling:
        return None
    place = pick(rng, finder.telling)
    kinds = [finder.kind(_COMPARED_ON, unasked=1 << place) for _ in range(2)]
    wish = rng.random() < 0.5
    for _ in range(_DRAWS):
        first_ground, ground = (finder.ground(kind) for kind in kinds)
        first = finder.single(first_ground, untold=1 << place)
        if first is None or ground is None:
            continue
        alike = finder.facts.same(first.index, ATTRIBUTES[place])
        for singles in finder.singles(ground, untold=1 << place):
            others = [single for single in singles if single[0] != first.index]
            fitting = [single for single in others if alike >> single[0] & 1 == wish]
            if fitting and len(fitting) < len(others):
                second = finder.describe(*pick(rng, fitting), ground)
                pair = [Program(f"query_{ATTRIBUTES[place]}", (side.one,)) for side in (first, second)]
                return Program(f"equal_{ATTRIBUTES[place]}", tuple(pair)), _YES_NO[wish]
    return None


_FIND: Final[dict[str, Callable[[Finder], _Found]]] = {
    "count": _count,
    "exist": _exist,
    "compare_integer": _compare_integer,
    "query_attribute": _query_attribute,
    "compare_attribute": _compare_attribute,
}
