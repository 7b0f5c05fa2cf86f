"""Referring expressions: they name what they say, without doubt, and near misses miss by one value."""

from __future__ import annotations

import dataclasses
import re
from collections import Counter
from functools import cache

import numpy as np
import pytest
from program_checks import guess, idle_relations, is_nested, names_something, one_value_changed, skeleton, values_named
from random_scenes import HARD_VALUES, hand_made_scene, random_scene

from laconvnet.scenes.expressions import KINDS, MIX, refer
from laconvnet.scenes.lexicon import THINGS, plural, words_for
from laconvnet.scenes.programs import count_hops, execute, parse_program, walk
from laconvnet.scenes.scene import SHAPES, Scene
from laconvnet.scenes.sentence import NoSentenceError, Sentence

Referred = tuple[Scene, Sentence]

NOUNS = [*THINGS, *(noun for shape in SHAPES for noun in words_for(shape))]


@cache
def referred(targets: str, count: int = 1000) -> list[Referred]:
    rng = np.random.default_rng(1)
    scenes = [random_scene(rng) for _ in range(count)]
    return [(scene, refer(scene, rng, targets=targets)) for scene in scenes]


def first_noun(text: str) -> str:
    words = re.findall(r"\w+", text)
    return next(word for word in words if word in NOUNS or word in map(plural, NOUNS))


def test_targets_are_what_the_program_gives() -> None:
    for scene, sentence in referred("any"):
        assert execute(sentence.program, scene) == sentence.targets
        assert sentence.answer is None
        assert sentence.hops == count_hops(sentence.program)
        assert parse_program(str(sentence.program)) == sentence.program


@pytest.mark.parametrize(("targets", "least", "most"), [("one", 1, 1), ("several", 2, 10), ("none", 0, 0)])
def test_as_many_targets_as_asked_for(targets: str, least: int, most: int) -> None:
    for _, sentence in referred(targets):
        assert sentence.targets is not None
        assert least <= len(sentence.targets) <= most


def test_any_mixes_them() -> None:
    seen = Counter(min(len(sentence.targets or ()), 2) for _, sentence in referred("any"))
    for number, name in enumerate(("none", "one", "several")):
        assert abs(seen[number] / len(referred("any")) - MIX[name]) < 0.05


@pytest.mark.parametrize("targets", ["one", "several", "none"])
def test_all_kinds_occur(targets: str) -> None:
    seen = Counter(sentence.group for _, sentence in referred(targets))
    assert set(seen) == set(KINDS)
    assert all(count / len(referred(targets)) > 0.08 for count in seen.values()), seen


def test_a_kind_is_what_its_programs_are_made_of() -> None:
    marks = {"relation": "relate", "ordinal": "filter_ordinal", "visibility": "filter_visible"}
    for _, sentence in referred("any"):
        used = {part.function for part in walk(sentence.program)}
        if sentence.group == "attribute":
            assert sentence.hops == 0 and "union" not in used
        elif sentence.group == "same":
            assert any(function.startswith("same_") for function in used)
        elif sentence.group == "logic":
            assert used & {"union", "intersect"}
        else:
            assert marks[sentence.group] in used


def test_an_expression_depends_on_its_arguments_alone() -> None:
    scenes = [random_scene(np.random.default_rng(seed)) for seed in range(12)]
    first = [refer(scene, np.random.default_rng(7)) for scene in scenes]
    again = [refer(scene, np.random.default_rng(7)) for scene in reversed(scenes)]
    assert first == again[::-1]


def test_the_number_of_the_noun_is_that_of_the_targets() -> None:
    for targets in ("one", "several"):
        for _, sentence in referred(targets):
            if "filter_ordinal" not in str(sentence.program):
                assert first_noun(sentence.text).endswith("s") == (targets == "several"), sentence.text


def test_none_is_said_in_the_plural_as_often_as_the_others() -> None:
    many = [first_noun(sentence.text).endswith("s") for _, sentence in referred("none")]
    assert sum(many) / len(many) == pytest.approx(MIX["several"] / (MIX["one"] + MIX["several"]), abs=0.05)


def test_a_near_miss_misses_by_one_value() -> None:
    for scene, sentence in referred("none"):
        assert any(names_something(other, scene) for other in one_value_changed(sentence.program)), sentence


def test_no_relation_is_idle() -> None:
    for targets in ("one", "several"):
        for scene, sentence in referred(targets):
            if sentence.group not in ("ordinal", "visibility"):
                assert not idle_relations(sentence.program, scene), sentence


def test_both_sides_of_or_say_something() -> None:
    for _, sentence in referred("any"):
        for part in walk(sentence.program):
            if part.function == "union":
                a, b = part.inputs
                assert not is_nested(a, b) and not is_nested(b, a), sentence


def test_orders_are_clear() -> None:
    seen = 0
    for targets in ("one", "several", "none"):
        for scene, sentence in referred(targets):
            for part in walk(sentence.program):
                if part.function == "filter_ordinal":
                    side, number = str(part.value).split()
                    among = execute(part.inputs[0], scene)
                    assert isinstance(among, tuple)
                    if side in ("left", "right"):
                        across = sorted(among, key=scene.column, reverse=side == "right")
                        assert execute(part, scene) == tuple(across[int(number) - 1 : int(number)])
                    for index in among:
                        assert len(set(scene.related(index, side)) & set(among)) + 1 in range(1, len(among) + 1)
                    places = [len(set(scene.related(index, side)) & set(among)) for index in among]
                    assert sorted(places) == list(range(len(among)))
                    seen += targets != "none"
                    assert targets == "none" or len(among) > 1
    assert seen > 200


def test_visibility_is_never_in_doubt() -> None:
    for targets in ("one", "several", "none"):
        for scene, sentence in referred(targets):
            for part in walk(sentence.program):
                if part.function == "filter_visible":
                    among = execute(part.inputs[0], scene)
                    assert isinstance(among, tuple)
                    assert not [index for index in among if 0.9 <= scene.visible[index] < 0.98]
                    if targets != "none":
                        assert execute(part, scene) != among


def test_wording_is_lower_case_without_a_point() -> None:
    for _, sentence in referred("any"):
        assert re.fullmatch(r"the [a-z ]+[a-z]", sentence.text)
        assert "  " not in sentence.text


@pytest.mark.parametrize("sides", [("one", "none"), ("several", "none")])
def test_the_words_alone_do_not_tell_a_miss(sides: tuple[str, str]) -> None:
    many = sides[0] == "several"
    sentences = [
        (targets, sentence)
        for pair in zip(referred(sides[0]), referred(sides[1]), strict=True)
        for targets, (_, sentence) in zip(sides, pair, strict=True)
        if first_noun(sentence.text).endswith("s") == many and sentence.group != "ordinal"
    ]
    most = max(Counter(targets for targets, _ in sentences).values()) / len(sentences)
    for key in (
        lambda item: skeleton(item[1].program),
        lambda item: (item[1].group, item[1].hops, len(values_named(item[1].program))),
        lambda item: tuple(item[1].text.split()[:2]),
    ):
        assert guess(sentences, key, label=lambda item: item[0], base=lambda item: "") < most + 0.08


def test_other_worlds_have_other_words() -> None:
    rng = np.random.default_rng(4)
    seen: Counter[str] = Counter()
    for _ in range(300):
        scene = random_scene(rng, values=HARD_VALUES)
        sentence = refer(scene, rng, values=HARD_VALUES)
        assert execute(sentence.program, scene) == sentence.targets
        seen.update(values_named(sentence.program))
    assert set(seen) == {value for values in HARD_VALUES.values() for value in values}


def test_kinds_can_be_chosen() -> None:
    rng = np.random.default_rng(5)
    visible = (0.5, 0.6, 0.7, 1.0, 1.0, 1.0, 1.0, 1.0)
    for kind in KINDS:
        scenes = [dataclasses.replace(random_scene(rng, 8), visible=visible) for _ in range(20)]
        assert {refer(scene, rng, kinds=(kind,)).group for scene in scenes} == {kind}


def test_without_visibilities_nothing_is_said_of_them() -> None:
    scene = dataclasses.replace(hand_made_scene(), visible=())
    rng = np.random.default_rng(6)
    assert "visibility" not in {refer(scene, rng).group for _ in range(100)}
    with pytest.raises(NoSentenceError, match="no expression of visibility for one found about 5 objects"):
        refer(scene, rng, kinds=("visibility",), targets="one")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"kinds": ("attribute", "smell")}, r"kinds must be some of attribute, .*; got \['attribute', 'smell'\]"),
        ({"kinds": ()}, r"kinds must be some of attribute, .*; got \[\]"),
        ({"targets": "two"}, "targets must be one of one, several, none, any; got 'two'"),
    ],
)
def test_unknown_arguments_are_named(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        refer(hand_made_scene(), np.random.default_rng(0), **arguments)  # type: ignore[arg-type]
