"""Wording: English, in agreement, the same for every scene, of a known list of words."""

from __future__ import annotations

import re

import numpy as np
import pytest
from random_scenes import HARD_VALUES, random_scene

from laconvnet.scenes.expressions import refer
from laconvnet.scenes.grammar import expression, question, words
from laconvnet.scenes.programs import ALL_VALUES, ProgramError, parse_program
from laconvnet.scenes.questions import ask
from laconvnet.scenes.sentence import VALUES, Values

BALL = "unique(filter_shape[sphere](filter_color[red](scene)))"
CUBE = "unique(filter_shape[cube](scene))"


def wordings(text: str, *, many: bool | None = None, draws: int = 400) -> set[str]:
    """All that is said for a program: questions, or expressions where `many` is given."""
    program = parse_program(text)
    rng = np.random.default_rng(0)
    if many is None:
        return {question(program, rng) for _ in range(draws)}
    return {expression(program, rng, many=many) for _ in range(draws)}


@pytest.mark.parametrize(
    ("text", "many", "expected"),
    [
        ("filter_shape[cube](scene)", False, {"the cube", "the block"}),
        ("filter_shape[sphere](scene)", True, {"the spheres", "the balls"}),
        ("filter_color[orange](scene)", False, {"the orange thing", "the orange object"}),
        (
            "filter_size[small](filter_material[rubber](filter_shape[cylinder](scene)))",
            False,
            {f"the {size} {material} cylinder" for size in ("small", "tiny") for material in ("rubber", "matte")},
        ),
        (
            f"filter_shape[cylinder](relate[behind]({CUBE}))",
            True,
            {
                f"the cylinders {link}behind the {cube}"
                for link in ("", "that are ", "which are ")
                for cube in ("cube", "block")
            },
        ),
        (
            "filter_ordinal[left 1](filter_shape[cylinder](scene))",
            False,
            {"the leftmost cylinder", "the first cylinder from the left", "the first cylinder counted from the left"},
        ),
        (
            "filter_ordinal[behind 3](filter_shape[cylinder](scene))",
            False,
            {"the third cylinder from the back", "the third cylinder counted from the back"},
        ),
        (
            "filter_visible[partially](filter_shape[cylinder](scene))",
            True,
            {"the partially visible cylinders", "the partly visible cylinders"},
        ),
        (
            "union(filter_shape[cylinder](scene), filter_color[orange](scene))",
            False,
            {
                f"the {thing} {link} is either a cylinder or an orange {other}"
                for thing in ("thing", "object")
                for link in ("that", "which")
                for other in ("thing", "object")
            },
        ),
    ],
)
def test_all_wordings_of_an_expression(text: str, many: bool, expected: set[str]) -> None:
    assert wordings(text, many=many) == expected


@pytest.mark.parametrize(
    ("text", "example"),
    [
        ("count(filter_color[red](scene))", "How many red things are there?"),
        ("count(filter_color[red](scene))", "What is the number of red objects?"),
        (f"count(relate[left]({CUBE}))", "How many things are to the left of the block?"),
        (f"count(filter_shape[cube](same_color({BALL})))", "How many cubes have the same color as the red ball?"),
        (f"count(same_material({BALL}))", "What number of other things are made of the same material as the red ball?"),
        (
            "count(union(filter_shape[cylinder](scene), filter_color[red](scene)))",
            "How many things are either cylinders or red things?",
        ),
        (
            f"count(intersect(relate[front]({BALL}), relate[behind]({CUBE})))",
            "How many objects are both in front of the red sphere and behind the cube?",
        ),
        ("exist(filter_color[orange](scene))", "Is there an orange object?"),
        ("exist(filter_color[orange](scene))", "Are there any orange things?"),
        (f"exist(same_size({CUBE}))", "Is there anything else that has the same size as the cube?"),
        (
            f"exist(filter_color[red](same_size({CUBE})))",
            "Do you see another red thing with the same size as the cube?",
        ),
        (f"exist(relate[right]({CUBE}))", "Is there anything on the right side of the cube?"),
        (
            "less_than(count(filter_color[red](scene)), count(filter_shape[cube](scene)))",
            "Are there fewer red things than blocks?",
        ),
        (
            "equal_integer(count(filter_color[red](scene)), count(filter_shape[cube](scene)))",
            "Are there exactly as many red things as cubes?",
        ),
        (f"query_size({BALL})", "What size is the red ball?"),
        (f"query_material({BALL})", "The red sphere is made of what material?"),
        (
            f"equal_material(query_material({BALL}), query_material({CUBE}))",
            "Is the red ball made of the same material as the cube?",
        ),
        (f"equal_size(query_size({BALL}), query_size({CUBE}))", "Do the red ball and the cube have the same size?"),
    ],
)
def test_questions_are_among_those_expected(text: str, example: str) -> None:
    assert example in wordings(text, draws=3000)


def test_other_excludes_only_what_would_be_named_too() -> None:
    # The red ball is no cube and no blue thing, so that nothing has to be excluded there.
    assert all(" other " in text for text in wordings(f"filter_shape[sphere](same_size({BALL}))", many=False))
    assert all(" other " in text for text in wordings(f"filter_size[large](same_color({BALL}))", many=True))
    assert not any("other" in text for text in wordings(f"filter_shape[cube](same_size({BALL}))", many=False))
    assert not any("other" in text for text in wordings(f"exist(filter_color[blue](same_size({BALL})))"))


def test_and_joins_two_phrases_only_where_the_first_is_plain() -> None:
    far = f"unique(filter_color[gray](relate[left]({CUBE})))"
    assert any(" and " in text for text in wordings(f"equal_size(query_size({CUBE}), query_size({far}))"))
    assert not any(" and " in text for text in wordings(f"equal_size(query_size({far}), query_size({CUBE}))"))


def test_an_order_among_related_objects_names_them_together() -> None:
    for text in wordings(f"filter_ordinal[left 2](filter_shape[cylinder](relate[behind]({CUBE})))", many=False):
        assert re.match("the second (counted )?from the left (of|among) the cylinders ", text)


@pytest.mark.parametrize("values", [VALUES, HARD_VALUES], ids=["clevr", "hard"])
def test_sentences_agree_and_keep_to_their_words(values: Values) -> None:
    rng = np.random.default_rng(1)
    known = set(words(values))
    for _ in range(500):
        scene = random_scene(rng, values=values)
        asked, referred = ask(scene, rng, values=values).text, refer(scene, rng, values=values).text
        assert re.fullmatch(r"[A-Z][a-z ,:]+\?", asked)
        for text in (asked.lower(), referred):
            assert set(re.findall(r"[a-z]+", text)) <= known
            assert "  " not in text and "the the" not in text
            assert not re.search(r"\ba [aeiou]|\ban [^aeiou]|\ban other\b", text), text
            assert not re.search(
                r"\b(any|many|either|number of|more|fewer) (\w+ )*?(thing|object|cube|ball) (is|has)\b", text
            )
            assert not re.search(r"s (that|which) (is|has)\b", text), text
            assert not re.search(r"(thing|object|cube|block|sphere|ball|cylinder) (that|which) (are|have)\b", text), (
                text
            )


def test_every_word_that_is_listed_is_used() -> None:
    rng = np.random.default_rng(2)
    said: set[str] = set()
    for _ in range(1500):
        scene = random_scene(rng)
        sentences = (ask(scene, rng), ask(scene, rng, families=("exist",)), refer(scene, rng))
        said.update(re.findall(r"[a-z]+", " ".join(sentence.text for sentence in sentences).lower()))
    rare = {"sixth", "seventh", "eighth", "ninth", "tenth"}
    assert set(words()) - said <= rare


def test_known_synonyms_are_there() -> None:
    assert set(words()) >= set(
        "thing object sphere ball cube block cylinder large big small tiny metal metallic shiny rubber matte "
        "left right behind front same other another anything else either both any many number".split()
    )
    everything = set(words(ALL_VALUES))
    assert everything >= {"slabs", "disk", "capsules", "orange", "pink", "white", "black"}
    assert "orange" not in words()


@pytest.mark.parametrize(
    "text",
    [
        "scene",
        BALL,
        "count(intersect(filter_color[red](scene), filter_shape[cube](scene)))",
        "count(filter_color[red](filter_color[blue](scene)))",
        "count(filter_color[red](filter_ordinal[left 1](scene)))",
    ],
)
def test_what_has_no_words_is_named(text: str) -> None:
    with pytest.raises(ProgramError):
        wordings(text)
