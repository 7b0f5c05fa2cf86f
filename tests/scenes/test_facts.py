"""Facts: bit sets agree with the scene, and doubtful orders are told from clear ones."""

from __future__ import annotations

import dataclasses

import numpy as np
from random_scenes import hand_made_scene, random_scene

from laconvnet.scenes.facts import Facts, members
from laconvnet.scenes.scene import ATTRIBUTES, DIRECTIONS, Scene


def moved(index: int, **changes: float) -> Scene:
    scene = hand_made_scene()
    objects = list(scene.objects)
    objects[index] = dataclasses.replace(objects[index], **changes)
    return dataclasses.replace(scene, objects=tuple(objects))


def test_members_are_the_set_bits() -> None:
    assert list(members(0)) == []
    assert list(members(0b10110)) == [1, 2, 4]


def test_sets_agree_with_the_scene() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        scene = random_scene(rng)
        facts = Facts(scene)
        for index, item in enumerate(scene.objects):
            for direction in DIRECTIONS:
                assert tuple(members(facts.related(index, direction))) == scene.related(index, direction)
            for told in range(16):
                names = [name for place, name in enumerate(ATTRIBUTES) if told >> place & 1]
                alike = [
                    other
                    for other, thing in enumerate(scene.objects)
                    if all(getattr(thing, name) == getattr(item, name) for name in names)
                ]
                assert list(members(facts.alike(index)[told])) == alike


def test_order_starts_at_the_side_that_is_named() -> None:
    facts = Facts(hand_made_scene())
    assert facts.ordered(0b11111, "left") == [0, 1, 2, 3, 4]
    assert facts.ordered(0b11111, "right") == [4, 3, 2, 1, 0]
    assert facts.ordered(0b11111, "behind") == [3, 1, 0, 2, 4]
    assert facts.ordered(0b10110, "front") == [4, 2, 1]


def test_an_order_is_clear_only_with_room_between() -> None:
    assert all(Facts(hand_made_scene()).is_clear(0b11111, direction) for direction in DIRECTIONS)
    close = Facts(moved(1, x=-1.9))  # 0.1 from object 0
    assert not close.is_clear(0b11, "left")
    assert close.is_clear(0b11, "behind")
    assert close.is_clear(0b10110, "right")


def test_an_order_is_clear_only_where_the_picture_shows_it() -> None:
    # Far behind and a little further right, an object appears further left than one near the camera.
    scene = moved(2, x=2.3, y=9.0)
    assert scene.related(4, "right") == (2,)
    assert scene.column(2) < scene.column(4)
    assert not Facts(scene).is_clear(0b10100, "left")
    assert not Facts(scene).is_clear(0b10100, "right")
    assert Facts(scene).is_clear(0b10100, "behind")
