"""English for programs: noun phrases for sets of objects, and the questions that are built of them.

Every choice of words is drawn without a look at the scene, so that no wording tells of the answer: "cubes" are asked
for whether there are none, one or many of them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from laconvnet.scenes.chance import pick
from laconvnet.scenes.facts import VISIBILITIES
from laconvnet.scenes.lexicon import ENDS, MOST, ORDINALS, PLACES, THINGS, plural, with_article, words_for
from laconvnet.scenes.programs import Program, ProgramError, count_hops
from laconvnet.scenes.scene import ATTRIBUTES
from laconvnet.scenes.sentence import VALUES, Values, check_values

# In the patterns below {a}, {b} are noun phrases with "the", {A}, {B} plurals without an article, {one} and {any} an
# indefinite singular and plural, {name} an attribute, {like} how a thing is compared with the next one.

_COUNTS: Final = (
    "how many {A} are there",
    "what number of {A} are there",
    "what is the number of {A}",
    "how many {A} do you see",
    "how many {A} are visible",
)
_COUNTS_THAT: Final = (
    "how many {A} {that}",
    "what number of {A} {that}",
    "how many {A} are there that {that}",
    "what is the number of {A} that {that}",
)
_EXISTS: Final = (
    "is there {one}",
    "do you see {one}",
    "can you find {one}",
    "are there {any}",
    "do you see {any}",
    "can you find {any}",
)
_COMPARED: Final[dict[str, tuple[str, ...]]] = {
    "equal_integer": (
        "is the number of {A} equal to the number of {B}",
        "is the number of {A} the same as the number of {B}",
        "are there exactly as many {A} as {B}",
        "are there equally many {A} and {B}",
    ),
    "less_than": (
        "are there fewer {A} than {B}",
        "is the number of {A} less than the number of {B}",
        "is the number of {A} smaller than the number of {B}",
        "do you see fewer {A} than {B}",
    ),
    "greater_than": (
        "are there more {A} than {B}",
        "is the number of {A} greater than the number of {B}",
        "is the number of {A} larger than the number of {B}",
        "do you see more {A} than {B}",
    ),
}
_QUERIES: Final = (
    "what {name} is {a}",
    "what is the {name} of {a}",
    "which {name} does {a} have",
    "{a} has what {name}",
    "tell the {name} of {a}: what is it",
    "looking at {a}, what is its {name}",
)
_QUERIES_OF: Final[dict[str, tuple[str, ...]]] = {
    "size": ("how big is {a}", "how large is {a}", "{a} is what size"),
    "color": ("{a} is what color", "which color is {a}"),
    "material": ("what is {a} made of", "what material is {a} made of", "{a} is made of what material"),
    "shape": ("{a} is what shape", "which shape is {a}"),
}
_EQUALS: Final = (
    "does {a} have the same {name} as {b}",
    "is {a} {like} {b}",
    "is the {name} of {a} the same as the {name} of {b}",
    "do {a} and {b} have the same {name}",
    "are {a} and {b} of the same {name}",
    "{a} and {b}: do they have the same {name}",
)

_LINKS: Final = (
    "the a an another other any anything else that which is are has have with either or both and same as made of among"
)


def words(values: Values = VALUES) -> tuple[str, ...]:
    """Returns every word that a question or expression about a world can use, sorted, in lower case.

    Args:
        values: the values of the world's objects.
    """
    check_values(values)
    named = [*VISIBILITIES, *(value for attribute in ATTRIBUTES for value in values[attribute])]
    nouns = [*THINGS, *(noun for shape in values["shape"] for noun in words_for(shape))]
    texts = [
        *(word for value in named for word in words_for(value)),
        *nouns,
        *map(plural, nouns),
        *ATTRIBUTES,
        *ORDINALS,
        *(
            text
            for choice in (PLACES, ENDS, MOST, _COMPARED, _QUERIES_OF)
            for texts in choice.values()
            for text in texts
        ),
        *(*_COUNTS, *_COUNTS_THAT, *_EXISTS, *_QUERIES, *_EQUALS, _LINKS),
    ]
    return tuple(sorted(set(re.findall(r"[a-z]+", re.sub(r"{\w+}", " ", " ".join(texts))))))


def question(program: Program, rng: np.random.Generator) -> str:
    """Puts a question into words.

    Args:
        program: what is asked; gives an integer, a boolean or a value.
        rng: where the wording is drawn from.

    Returns:
        The question, from its capital letter to its question mark.

    Raises:
        ProgramError: if there are no words for the program.
    """
    function = program.function
    if function == "count":
        text = _count(program.inputs[0], rng)
    elif function == "exist":
        text = _exist(program.inputs[0], rng)
    elif function in _COMPARED:
        first, second = (_phrase(_only_input(part, "count"), rng, many=True) for part in program.inputs)
        text = pick(rng, _clear(_COMPARED[function], program)).format(A=first, B=second)
    elif function.startswith("query_"):
        name = function.removeprefix("query_")
        pattern = pick(rng, _QUERIES + _QUERIES_OF[name])
        text = pattern.format(name=name, a=_the(program, rng))
    elif function.startswith("equal_"):
        name = function.removeprefix("equal_")
        a, b = (_the(part, rng) for part in program.inputs)
        text = pick(rng, _clear(_EQUALS, program)).format(name=name, a=a, b=b, like=_likeness(name, rng))
    else:
        raise ProgramError(f"no question asks for {program.type}: {program}")
    return text[0].upper() + text[1:] + "?"


def expression(program: Program, rng: np.random.Generator, *, many: bool = False) -> str:
    """Puts a set of objects into words: "the red cubes left of the ball".

    Args:
        program: gives the objects.
        rng: where the wording is drawn from.
        many: whether the words are in the plural.

    Returns:
        The expression in lower case, without a final point.

    Raises:
        ProgramError: if there are no words for the program.
    """
    return "the " + _phrase(program, rng, many=many)


def _clear(patterns: Sequence[str], program: Program) -> Sequence[str]:
    """Leaves out "{a} and {b}" where it could be read as part of {a}: "what is left of the cube and the ball"."""
    if count_hops(program.inputs[0]) == 0:
        return patterns
    return [pattern for pattern in patterns if " and " not in pattern]


def _count(objects: Program, rng: np.random.Generator) -> str:
    noun = _take_apart(objects)
    if noun.ground is None or noun.place is not None:
        return pick(rng, _COUNTS).format(A=_phrase(objects, rng, many=True))
    verb, rest = _predicate(noun.ground, rng, many=True)
    head = _head(noun, rng, many=True)
    return pick(rng, _COUNTS_THAT).format(A=head, that=f"{_verb(verb, True)} {rest}")


def _exist(objects: Program, rng: np.random.Generator) -> str:
    pattern = pick(rng, _EXISTS)
    if "{any}" in pattern:
        return pattern.format(any="any " + _phrase(objects, rng, many=True))
    noun = _take_apart(objects)
    if noun.is_bare and noun.ground is not None and rng.random() < 0.6:
        things = "anything else" if _excludes(noun) else "anything"
        return pattern.format(one=things + _clause(noun, rng, many=False))
    return pattern.format(one=_indefinite(objects, rng, many=False))


@dataclass(slots=True)
class _Noun:
    """What a program of objects says, taken apart."""

    values: dict[str, str] = field(default_factory=dict)
    visibility: str | None = None
    place: str | None = None
    ground: Program | None = None

    @property
    def is_bare(self) -> bool:
        return not self.values and self.visibility is None and self.place is None


def _take_apart(program: Program) -> _Noun:
    noun = _Noun()
    if program.function == "filter_ordinal":
        noun.place = program.value
        (program,) = program.inputs
    while program.function.startswith("filter_"):
        assert program.value is not None
        name = program.function.removeprefix("filter_")
        if name == "ordinal" or name in noun.values or (name == "visible" and noun.visibility is not None):
            raise ProgramError(f"no noun phrase has {name} where it stands in {program}")
        if name == "visible":
            noun.visibility = program.value
        else:
            noun.values[name] = program.value
        (program,) = program.inputs
    noun.ground = None if program.function == "scene" else program
    return noun


def _only_input(program: Program, function: str) -> Program:
    if program.function != function:
        raise ProgramError(f"there are words for {function} here only, got {program}")
    return program.inputs[0]


def _the(program: Program, rng: np.random.Generator) -> str:
    """The phrase for what `function(unique(objects))` speaks of."""
    return expression(_only_input(program.inputs[0], "unique"), rng)


def _phrase(program: Program, rng: np.random.Generator, *, many: bool) -> str:
    """A noun with all that belongs to it, without an article."""
    noun = _take_apart(program)
    if noun.place is None:
        return _head(noun, rng, many=many) + _clause(noun, rng, many=many)
    direction, number = noun.place.split()
    if noun.ground is not None or many:
        # "the second cube from the left that is behind the ball" could be counted among all cubes.
        among = pick(rng, ("of the", "among the")) + " " + _head(noun, rng, many=True) + _clause(noun, rng, many=True)
        return f"{ORDINALS[int(number) - 1]} {pick(rng, ENDS[direction])} {among}"
    if number == "1" and rng.random() < 0.7:
        return f"{pick(rng, MOST[direction])} {_head(noun, rng, many=False)}"
    return f"{ORDINALS[int(number) - 1]} {_head(noun, rng, many=False)} {pick(rng, ENDS[direction])}"


def _head(noun: _Noun, rng: np.random.Generator, *, many: bool) -> str:
    """The noun and what stands before it: "other large red metal cube"."""
    words = ["other"] if _excludes(noun) else []
    if noun.visibility is not None:
        words.append(pick(rng, words_for(noun.visibility)))
    words += [pick(rng, words_for(noun.values[name])) for name in ("size", "color", "material") if name in noun.values]
    shape = noun.values.get("shape")
    last = pick(rng, THINGS if shape is None else words_for(shape))
    return " ".join([*words, plural(last) if many else last])


def _excludes(noun: _Noun) -> bool:
    """Whether the noun would name the object it is compared with too, if "other" did not exclude it."""
    if noun.ground is None or not noun.ground.function.startswith("same_"):
        return False
    compared = _take_apart(_only_input(noun.ground.inputs[0], "unique")).values
    return all(compared.get(name, value) == value for name, value in noun.values.items())


def _clause(noun: _Noun, rng: np.random.Generator, *, many: bool) -> str:
    """What stands behind the noun: " that is left of the ball", or nothing."""
    if noun.ground is None:
        return ""
    verb, rest = _predicate(noun.ground, rng, many=many)
    if verb == "have":
        return f" {pick(rng, ('with', f'that {_verb(verb, many)}'))} {rest}"
    short = noun.ground.function in ("relate", "same_material") and not rest.startswith("the ")
    links = ("", f"that {_verb(verb, many)} ", f"which {_verb(verb, many)} ")
    return f" {pick(rng, links if short else links[1:])}{rest}"


def _verb(verb: str, many: bool) -> str:
    return {"be": ("is", "are"), "have": ("has", "have")}[verb][many]


def _predicate(ground: Program, rng: np.random.Generator, *, many: bool) -> tuple[str, str]:
    """What is said of a ground's objects: the verb, "be" or "have", and what follows it."""
    function = ground.function
    if function == "relate":
        assert ground.value is not None
        return "be", f"{pick(rng, PLACES[ground.value])} {_the(ground, rng)}"
    if function in ("intersect", "union"):
        if function == "union":
            first, second = (_indefinite(part, rng, many=many) for part in ground.inputs)
            return "be", f"either {first} or {second}"
        if any(part.function != "relate" for part in ground.inputs):
            raise ProgramError(f"there are words for an intersection of relations only, got {ground}")
        first, second = (_predicate(part, rng, many=many)[1] for part in ground.inputs)
        return "be", f"both {first} and {second}"
    if function.startswith("same_"):
        name = function.removeprefix("same_")
        verb, like = pick(rng, (("have", f"the same {name} as"), ("be", _likeness(name, rng))))
        return verb, f"{like} {_the(ground, rng)}"
    raise ProgramError(f"there are no words for {ground}")


def _indefinite(program: Program, rng: np.random.Generator, *, many: bool) -> str:
    """A noun phrase that any such object fits: "a red cube", "red cubes"."""
    phrase = _phrase(program, rng, many=many)
    if many:
        return phrase
    return "an" + phrase if phrase.startswith("other ") else with_article(phrase)


def _likeness(name: str, rng: np.random.Generator) -> str:
    """How a thing is compared with another: "the same size as", where a form of "be" stands before it."""
    made = ("made of the same material as",) if name == "material" else (f"the same {name} as",)
    return pick(rng, (*made, f"of the same {name} as"))
