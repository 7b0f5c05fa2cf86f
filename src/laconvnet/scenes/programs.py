"""A small typed language that speaks of a scene: what a question asks and an expression means, as a tree.

Its functions are CLEVR's, and for referring expressions two more in the manner of CLEVR-Ref+:

    scene                                                   → objects, all of them
    filter_size, filter_color, ...[value](objects)          → objects
    filter_visible[partially | fully](objects)              → objects
    filter_ordinal[direction n](objects)                    → objects, the n-th from that side or none
    unique(objects)                                         → object; an error unless there is exactly one
    relate[direction](object)                               → objects
    same_size, same_color, ...(object)                      → objects, without that one
    intersect, union(objects, objects)                      → objects
    count(objects)                                          → integer
    exist(objects)                                          → boolean
    query_size, query_color, ...(object)                    → size, color, ...
    equal_size, equal_color, ...(size, size), ...           → boolean
    equal_integer, less_than, greater_than(integer, integer) → boolean
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias

from laconvnet.scenes.facts import VISIBILITIES, Facts, facts_about, members
from laconvnet.scenes.scene import ATTRIBUTES, COLORS, DIRECTIONS, MATERIALS, SHAPES, Scene

Value: TypeAlias = tuple[int, ...] | int | bool | str
"""What a program gives: ascending indices of objects, one index, a number, a truth, or an attribute's value."""

ALL_VALUES: Final[dict[str, tuple[str, ...]]] = {
    "size": ("large", "small"),
    "color": tuple(COLORS),
    "material": MATERIALS,
    "shape": SHAPES,
}
"""Every value that a sentence can name, in any world."""

FURTHEST: Final = 10
"""The highest number an ordinal counts to."""


class ProgramError(ValueError):
    """A program is not one of the language: an unknown function or value, wrong types, or text that is no program."""


class NotUniqueError(ValueError):
    """`unique` was given no object, or several.

    Attributes:
        found: how many objects it was given.
    """

    def __init__(self, program: Program, found: int) -> None:
        super().__init__(f"{program} needs exactly one object, and this scene has {found}")
        self.found = found


@dataclass(frozen=True, slots=True)
class Program:
    """A function of the language applied to programs; its text form is `str(program)`.

    Attributes:
        function: the function's name.
        inputs: the programs that give its inputs.
        value: what stands in its brackets; None where it takes no value.

    Raises:
        ProgramError: if there is no such function, or it does not take these inputs or this value.
    """

    function: str
    inputs: tuple[Program, ...] = ()
    value: str | None = None

    def __post_init__(self) -> None:
        rule = _RULES.get(self.function)
        if rule is None:
            raise ProgramError(f"unknown function {self.function!r}; allowed are {', '.join(_RULES)}")
        types = tuple([part.type for part in self.inputs])
        if types != rule.takes:
            raise ProgramError(
                f"{self.function} takes {_listed(rule.takes)}, got {_listed(types)}"
                + "".join(f"\n  {part.type}: {part}" for part in self.inputs)
            )
        if rule.values is None:
            if self.value is not None:
                raise ProgramError(f"{self.function} takes no value in brackets, got {self.value!r}")
        elif self.value not in rule.values:
            allowed = ", ".join(rule.values) if len(rule.values) < 20 else f"{rule.values[0]} ... {rule.values[-1]}"
            raise ProgramError(f"{self.function} takes one of {allowed} in brackets, got {self.value!r}")

    @property
    def type(self) -> str:
        """What the program gives: objects, object, integer, boolean, size, color, material or shape."""
        return _RULES[self.function].gives

    def __str__(self) -> str:
        value = "" if self.value is None else f"[{self.value}]"
        inputs = f"({', '.join(map(str, self.inputs))})" if self.inputs else ""
        return self.function + value + inputs


def _listed(types: tuple[str, ...]) -> str:
    return f"({', '.join(types)})"


@dataclass(frozen=True, slots=True)
class _Rule:
    """The types a function takes and gives, the values allowed in its brackets, and what it does."""

    takes: tuple[str, ...]
    gives: str
    values: tuple[str, ...] | None
    run: Callable[..., int | str]


def _unique(program: Program, facts: Facts, objects: int) -> int:
    if objects.bit_count() != 1:
        raise NotUniqueError(program, objects.bit_count())
    return objects


def _ordinal(program: Program, facts: Facts, objects: int) -> int:
    assert program.value is not None
    direction, number = program.value.split()
    place = int(number) - 1
    order = facts.ordered(objects, direction)
    return 1 << order[place] if place < len(order) else 0


def _relate(program: Program, facts: Facts, one: int) -> int:
    assert program.value is not None
    return facts.related(one.bit_length() - 1, program.value)


def _visible(program: Program, facts: Facts, objects: int) -> int:
    assert program.value is not None
    return objects & facts.visible(program.value)


def _attribute_rules(name: str, place: int) -> dict[str, _Rule]:
    def keep(program: Program, facts: Facts, objects: int) -> int:
        assert program.value is not None
        return objects & facts.having(name, program.value)

    def query(program: Program, facts: Facts, one: int) -> str:
        return facts.looks[one.bit_length() - 1][place]

    def same(program: Program, facts: Facts, one: int) -> int:
        return facts.same(one.bit_length() - 1, name)

    return {
        f"filter_{name}": _Rule(("objects",), "objects", ALL_VALUES[name], keep),
        f"same_{name}": _Rule(("object",), "objects", None, same),
        f"query_{name}": _Rule(("object",), name, None, query),
        f"equal_{name}": _Rule((name, name), "boolean", None, lambda program, facts, a, b: a == b),
    }


_TWO_SETS: Final = ("objects", "objects")
_TWO_NUMBERS: Final = ("integer", "integer")
_PLACES: Final = tuple(f"{direction} {number}" for direction in DIRECTIONS for number in range(1, FURTHEST + 1))

_RULES: Final[dict[str, _Rule]] = {
    "scene": _Rule((), "objects", None, lambda program, facts: facts.everything),
    "unique": _Rule(("objects",), "object", None, _unique),
    "relate": _Rule(("object",), "objects", DIRECTIONS, _relate),
    "intersect": _Rule(_TWO_SETS, "objects", None, lambda program, facts, a, b: a & b),
    "union": _Rule(_TWO_SETS, "objects", None, lambda program, facts, a, b: a | b),
    "filter_visible": _Rule(("objects",), "objects", VISIBILITIES, _visible),
    "filter_ordinal": _Rule(("objects",), "objects", _PLACES, _ordinal),
    "count": _Rule(("objects",), "integer", None, lambda program, facts, objects: objects.bit_count()),
    "exist": _Rule(("objects",), "boolean", None, lambda program, facts, objects: objects != 0),
    "equal_integer": _Rule(_TWO_NUMBERS, "boolean", None, lambda program, facts, a, b: a == b),
    "less_than": _Rule(_TWO_NUMBERS, "boolean", None, lambda program, facts, a, b: a < b),
    "greater_than": _Rule(_TWO_NUMBERS, "boolean", None, lambda program, facts, a, b: a > b),
}
for _place, _name in enumerate(ATTRIBUTES):
    _RULES.update(_attribute_rules(_name, _place))

SCENE: Final = Program("scene")
"""The program that gives all objects."""


def walk(program: Program) -> Iterator[Program]:
    """Yields a program and all its parts, from the outside in."""
    yield program
    for part in program.inputs:
        yield from walk(part)


def count_hops(program: Program) -> int:
    """Returns how many relations a program follows: its `relate` and `same_...` functions."""
    return sum(part.function == "relate" or part.function.startswith("same_") for part in walk(program))


def subjects(program: Program) -> Iterator[Program]:
    """Yields the parts of a program whose objects it names, or counts, looks at or compares; the outermost ones."""
    if program.type in ("objects", "object"):
        yield program
        return
    for part in program.inputs:
        yield from subjects(part)


def evaluate(program: Program, facts: Facts) -> int | str:
    """Returns what a program gives, where a set of objects is bits of an integer.

    Raises:
        NotUniqueError: if a `unique` in it is not given exactly one object.
    """
    return _RULES[program.function].run(program, facts, *[evaluate(part, facts) for part in program.inputs])


def find_targets(program: Program, facts: Facts) -> tuple[int, ...]:
    """Returns the ascending indices of the objects that a program names, or counts, looks at or compares.

    Raises:
        NotUniqueError: if a `unique` in it is not given exactly one object.
    """
    found = 0
    for part in subjects(program):
        objects = evaluate(part, facts)
        assert isinstance(objects, int)
        found |= objects
    return tuple(members(found))


def execute(program: Program, scene: Scene) -> Value:
    """Returns what a program gives in a scene.

    Raises:
        NotUniqueError: if a `unique` in it is not given exactly one object.
        ValueError: if it filters by visibility, and the scene does not say what is visible.
    """
    result = evaluate(program, facts_about(scene))
    if isinstance(result, str):
        return result
    if program.type == "objects":
        return tuple(members(result))
    if program.type == "boolean":
        return bool(result)
    return result.bit_length() - 1 if program.type == "object" else result


def answer(program: Program, scene: Scene) -> str:
    """Returns the answer to the question that a program asks: `yes` or `no`, digits, or an attribute's value.

    Raises:
        ProgramError: if the program gives objects, which no word answers.
        NotUniqueError: if a `unique` in it is not given exactly one object.
    """
    if program.type in ("objects", "object"):
        raise ProgramError(f"{program} gives {program.type}; an answer is an integer, a boolean or a value")
    result = execute(program, scene)
    if isinstance(result, bool):
        return "yes" if result else "no"
    return str(result)


_TOKEN: Final = re.compile(r"\s*(?:(?P<name>\w+)|\[(?P<value>[^\[\]]*)\]|(?P<sign>[(),]))")


def parse_program(text: str) -> Program:
    """Returns the program whose text form is given; spaces between its parts do not matter.

    Raises:
        ProgramError: if the text is not a program; names the place in it.
    """
    program, end = _parse(text, 0)
    if text[end:].strip():
        raise ProgramError(f"a program ends at character {end} of {text!r}, got {text[end:]!r} after it")
    return program


def _parse(text: str, start: int) -> tuple[Program, int]:
    match = _TOKEN.match(text, start)
    if match is None or match["name"] is None:
        raise ProgramError(f"a function's name is needed at character {start} of {text!r}")
    name, end = match["name"], match.end()
    value, inputs = None, []
    match = _TOKEN.match(text, end)
    if match is not None and match["value"] is not None:
        value, end = match["value"], match.end()
        match = _TOKEN.match(text, end)
    if match is not None and match["sign"] == "(":
        while match is not None and match["sign"] in ("(", ","):
            part, end = _parse(text, match.end())
            inputs.append(part)
            match = _TOKEN.match(text, end)
        if match is None or match["sign"] != ")":
            raise ProgramError(f"a comma or closing bracket is needed at character {end} of {text!r}")
        end = match.end()
    return Program(name, tuple(inputs), value), end
