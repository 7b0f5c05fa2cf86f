"""What the tests of questions and expressions ask of a program, each answered by running changed programs."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from typing import TypeVar

from laconvnet.scenes.programs import ALL_VALUES, NotUniqueError, Program, execute, parse_program, walk
from laconvnet.scenes.scene import ATTRIBUTES, DIRECTIONS, Scene
from laconvnet.scenes.sentence import VALUES, Values

T = TypeVar("T")


def told(program: Program) -> tuple[Program, dict[str, str]]:
    """The set a description is applied to, and what it tells; `unique` and `count` around it are left out."""
    while program.function in ("unique", "count", "exist") or program.function.startswith("query_"):
        (program,) = program.inputs
    values = {}
    while program.function.startswith("filter_"):
        name = program.function.removeprefix("filter_")
        assert name not in values, program
        values[name] = str(program.value)
        (program,) = program.inputs
    return program, values


def idle_relations(program: Program, scene: Scene) -> list[str]:
    """The relations of a program without which the same objects would be named."""
    idle = []
    for part in descriptions(program):
        ground, _ = told(part)
        if ground.function == "relate" or ground.function.startswith("same_"):
            weaker = [Program("scene")]
        elif ground.function == "intersect":
            weaker = list(ground.inputs)
        else:
            continue
        text = str(part)
        for less in weaker:
            if execute(parse_program(text.replace(str(ground), str(less))), scene) == execute(part, scene):
                idle.append(str(ground))
    return idle


def descriptions(program: Program) -> Iterator[Program]:
    """Yields every set of objects in a program that a noun phrase stands for."""
    if program.type == "objects" and program.function not in ("union", "intersect"):
        yield program
        ground, _ = told(program)
        for part in ground.inputs:
            yield from descriptions(part)
            if ground.function == "intersect":
                assert part.function == "relate"
    elif program.function == "intersect":
        yield program
        for part in program.inputs:
            yield from descriptions(part.inputs[0])
    else:
        for part in program.inputs:
            yield from descriptions(part)


def is_nested(a: Program, b: Program) -> bool:
    """Whether all that `a` describes is described by `b` in whatever scene."""
    (ground_a, values_a), (ground_b, values_b) = told(a), told(b)
    return ground_b in (ground_a, Program("scene")) and values_b.items() <= values_a.items()


def one_value_changed(program: Program, values: Values = VALUES) -> Iterator[Program]:
    """Yields every program that differs in one bracket's value, by changing the text."""
    text = str(program)
    for match in re.finditer(r"(\w+)\[([\w ]+)\]", text):
        name, value = match[1].removeprefix("filter_"), match[2]
        allowed: Sequence[str]
        if name in ATTRIBUTES:
            allowed = values[name]
        else:
            allowed = {"relate": DIRECTIONS, "visible": ("partially", "fully"), "ordinal": ()}[name]
        for other in allowed:
            if other != value:
                yield parse_program(text[: match.start(2)] + other + text[match.end(2) :])


def names_something(program: Program, scene: Scene) -> bool:
    try:
        return execute(program, scene) != ()
    except NotUniqueError:
        return False


def skeleton(program: Program) -> str:
    """The functions of a program without their values."""
    return re.sub(r"\[[^\]]*\]", "", str(program))


def values_named(program: Program) -> list[str]:
    """The attributes' values that a program names."""
    known = {value for values in ALL_VALUES.values() for value in values}
    return [part.value for part in walk(program) if part.value in known]


def guess(
    items: Iterable[T], key: Callable[[T], Hashable], label: Callable[[T], str], base: Callable[[T], str]
) -> float:
    """The accuracy on every other item of answering what was most frequent among the rest with the same key.

    Keys seen less than five times fall back to `base`, what asks the same.
    """
    items = list(items)
    learnt: dict[Hashable, Counter[str]] = defaultdict(Counter)
    for item in items[::2]:
        learnt[key(item)][label(item)] += 1
        learnt["base", base(item)][label(item)] += 1
    right = 0
    for item in items[1::2]:
        seen = learnt[key(item)]
        if sum(seen.values()) < 5:
            seen = learnt["base", base(item)]
        right += seen.most_common(1)[0][0] == label(item)
    return right / len(items[1::2])
