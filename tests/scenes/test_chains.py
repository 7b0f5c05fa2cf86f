"""Chains: grounds and descriptions are what they say, on a scene small enough to see."""

from __future__ import annotations

import numpy as np
import pytest
from random_scenes import hand_made_scene, random_scene

from laconvnet.scenes.chains import GROUNDS, Either, Finder
from laconvnet.scenes.programs import count_hops, evaluate
from laconvnet.scenes.scene import ATTRIBUTES
from laconvnet.scenes.sentence import VALUES

SIZE, COLOR, MATERIAL, SHAPE = (1 << place for place in range(4))


def finder(seed: int = 0) -> Finder:
    return Finder(hand_made_scene(), VALUES, np.random.default_rng(seed))


def random_finders(count: int) -> list[Finder]:
    rng = np.random.default_rng(0)
    return [Finder(random_scene(rng), VALUES, rng) for _ in range(count)]


@pytest.mark.parametrize(("kind", "hops"), list(zip(GROUNDS, (0, 1, 2, 3, 1, 2), strict=True)))
def test_a_ground_has_the_members_of_its_program(kind: str, hops: int) -> None:
    drawn = 0
    for one in random_finders(60):
        ground = one.ground(one.kind({kind: 1.0}))
        if ground is not None:
            drawn += 1
            assert evaluate(ground.program, one.facts) == ground.members
            assert count_hops(ground.program) == hops
            assert not any(ground.members & ~rival for rival in ground.rivals)
    assert drawn > 15


def test_things_are_compared_by_what_may_be_asked_for() -> None:
    one = finder()
    assert {one.kind({"same": 1.0}, unasked=SIZE | COLOR) for _ in range(50)} == {"same_material", "same_shape"}
    assert one.kind({"same": 1.0}, unasked=SIZE | COLOR | MATERIAL | SHAPE) == "one"


def test_one_thing_is_described_by_what_it_alone_has() -> None:
    one = finder()
    seen = set()
    for _ in range(300):
        single = one.single(one.scene)
        assert single is not None and evaluate(single.program, one.facts) == single.members == 1 << single.index
        seen.add((single.index, *(value for _, value in single.told)))
    # The minimal descriptions of each object, by hand, and one that tells more than is needed.
    assert seen >= {(0, "large", "metal"), (0, "red", "metal"), (0, "red", "cube"), (3, "green"), (3, "cylinder")}
    assert (3, "large", "green") in seen
    assert not any(0 == index and told == ("red",) for index, *told in seen)


def test_what_is_not_to_be_told_is_not() -> None:
    one = finder()
    for _ in range(100):
        single = one.single(one.scene, untold=COLOR | SHAPE)
        assert single is not None and {name for name, _ in single.told} <= {"size", "material"}
    assert one.single(one.scene, untold=COLOR | SHAPE, among=0b00010) is None  # 1 and 4 look alike but for the color


def test_all_described_of_one_attribute() -> None:
    one = finder()
    by_color = {dict(item.told)["color"]: item.members for item in one.all_described(one.scene, COLOR)}
    absent = {color: by_color.pop(color) for color in list(by_color) if not by_color[color]}
    assert by_color == {"red": 0b00011, "blue": 0b10100, "green": 0b01000}
    assert absent and not set(absent) & {"red", "blue", "green"}


def test_a_relation_that_changes_nothing_is_left_out() -> None:
    one = finder()
    green = one.single(one.scene, among=0b01000)
    assert green is not None
    left = one.beyond(3, green.one, "left")
    assert left.members == 0b00111
    # All red things lie left of the green one, so that "red things left of it" says no more than "red things".
    assert [dict(item.told) for item in one.all_described(left, COLOR)] == [{"color": "blue"}]


def test_single_descriptions_of_equal_length_come_together() -> None:
    one = finder()
    for group in one.singles(one.scene):
        assert len({told.bit_count() for _, told in group}) <= 1
        for index, told in group:
            assert one.facts.alike(index)[told] == 1 << index


def test_described_in_another_description() -> None:
    one = finder()
    red = one.describe(0, COLOR, one.scene)
    red_cube = one.describe(0, COLOR | SHAPE, one.scene)
    beyond = one.describe(0, COLOR | SHAPE, one.beyond(3, one.describe(3, COLOR, one.scene).one, "left"))
    assert red_cube.is_within(red) and not red.is_within(red_cube)
    assert beyond.is_within(red) and beyond.is_within(red_cube) and not red.is_within(beyond)


def test_either_side_adds_something() -> None:
    drawn = 0
    for one in random_finders(60):
        for naming in one.namings("either", (COLOR | SIZE, SHAPE)):
            assert isinstance(naming, Either)
            assert evaluate(naming.program, one.facts) == naming.members
            a, b = naming.first.members, naming.second.members
            assert not (a and b) or (a & ~b and b & ~a)
            drawn += 1
    assert drawn > 100


def test_as_much_is_told_as_asked_for() -> None:
    one = finder()
    for number in range(1, len(ATTRIBUTES) + 1):
        weights = [0.0] * number + [1.0]
        assert {one.told("one", weights).bit_count() for _ in range(20)} == {number}
    assert not any(one.told("same_color", (0.0, 0.0, 1.0)) & COLOR for _ in range(20))
    assert {one.told("scene", (1.0, 1e-9)).bit_count() for _ in range(20)} == {1}
    assert MATERIAL in {one.told("one", (0.0, 1.0)) for _ in range(50)}
