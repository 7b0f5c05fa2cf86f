"""Which scenes a world draws."""

from __future__ import annotations

import itertools
import math
from collections import Counter

import numpy as np
import pytest
import torch

from laconvnet.scenes import WORLDS, Scene, SceneObject, World, render
from laconvnet.scenes.lighting import LAMPS
from laconvnet.scenes.scene import DIRECTIONS, SIZES
from laconvnet.scenes.world import EYE


def scenes(world: World, count: int, first: int = 0) -> list[Scene]:
    return [world.scene(np.random.default_rng([7, number])) for number in range(first, first + count)]


def test_the_default_world_is_clevrs() -> None:
    drawn = scenes(World(), 120)
    items = [item for scene in drawn for item in scene.objects]
    assert {len(scene.objects) for scene in drawn} == set(range(3, 11))
    assert {item.shape for item in items} == {"cube", "sphere", "cylinder"}
    assert {item.color for item in items} == {"gray", "red", "blue", "green", "brown", "purple", "cyan", "yellow"}
    assert {(item.size, item.material) for item in items} == set(
        itertools.product(("large", "small"), ("rubber", "metal"))
    )
    assert all(item.texture == "plain" for item in items) and not any(scene.clutter for scene in drawn)
    assert all(abs(item.x) <= 3 and abs(item.y) <= 3 for item in items)
    colors = Counter(item.color for item in items)
    assert max(colors.values()) < 1.8 * min(colors.values())


def test_objects_keep_their_distances_and_every_relation_is_clear() -> None:
    for scene in scenes(World(), 30):
        for a, b in itertools.combinations(range(len(scene.objects)), 2):
            one, other = scene.objects[a], scene.objects[b]
            reach = SIZES[one.size] + SIZES[other.size]
            assert math.hypot(one.x - other.x, one.y - other.y) >= reach + 0.25
            for direction in DIRECTIONS:
                assert abs(scene.offset(a, b, direction)) >= 0.4
                assert (b in scene.related(a, direction)) != (a in scene.related(b, direction))


def test_cameras_and_lamps_are_jittered_as_in_clevr() -> None:
    drawn = scenes(World(), 60)
    eyes = np.array([scene.eye for scene in drawn]) - np.array(EYE)
    lamps = np.array([scene.lamps for scene in drawn]) - np.array(LAMPS)
    assert 0.4 < np.abs(eyes).max() <= 0.5 and 0.8 < np.abs(lamps).max() <= 1.0


def test_visibility_is_a_share_and_nothing_is_hidden() -> None:
    drawn = scenes(World(objects=(8, 10)), 25)
    shares = [share for scene in drawn for share in scene.visible]
    assert all(0 < share <= 1 for share in shares)
    assert sum(share == 1 for share in shares) > 0.3 * len(shares) and sum(share < 0.9 for share in shares) > 10
    assert all(len(scene.visible) == len(scene.objects) for scene in drawn)


@pytest.mark.parametrize("world", WORLDS)
def test_visibility_is_what_a_picture_shows_and_every_object_is_whole(world: str) -> None:
    """Rays are saved where boxes are apart; a picture of the widest aspect, drawn in full, shows the same shares."""
    drawn = scenes(WORLDS[world], 12)
    width = 240
    for scene, visible in zip(drawn, render(drawn, (width, round(width / WORLDS[world].aspect))).visible, strict=True):
        assert visible[: len(scene.objects)].tolist() == pytest.approx(list(scene.visible), abs=0.06)
    for scene in drawn:  # above and below there is nothing of the objects
        tall = render([scene], width).instances[0]
        band = round(width * (1 - 1 / WORLDS[world].aspect) / 2)
        outside = torch.cat([tall[:band], tall[width - band :]])
        assert not ((outside >= 0) & (outside < len(scene.objects))).any()


def test_a_scene_depends_on_the_generator_alone() -> None:
    first, second = (World().scene(np.random.default_rng(5)) for _ in range(2))
    assert first == second
    assert first != World().scene(np.random.default_rng(6))


@pytest.mark.parametrize("condition", ["A", "B"])
def test_cogent_conditions(condition: str) -> None:
    cool, warm = {"red", "green", "purple", "cyan"}, {"gray", "blue", "brown", "yellow"}
    seen: dict[str, set[str]] = {"cube": set(), "sphere": set(), "cylinder": set()}
    for scene in scenes(World(condition=condition), 60):
        for item in scene.objects:
            seen[item.shape].add(item.color)
    assert seen["cube"] == (warm if condition == "A" else cool)
    assert seen["cylinder"] == (cool if condition == "A" else warm)
    assert seen["sphere"] == cool | warm


def test_the_hard_world_adds_shapes_colours_patterns_and_clutter() -> None:
    drawn = scenes(WORLDS["hard"], 40)
    items = [item for scene in drawn for item in scene.objects]
    assert {"slab", "disk", "capsule"} <= {item.shape for item in items}
    assert {"orange", "pink", "white", "black"} <= {item.color for item in items}
    assert {item.texture for item in items} == {"plain", "striped", "checkered"}
    assert max(len(scene.clutter) for scene in drawn) > 4
    assert all(isinstance(item, SceneObject) and item.size == "tiny" for scene in drawn for item in scene.clutter)


def test_an_impossible_world_says_what_to_relax() -> None:
    world = World(objects=(20, 20), sizes=("large",))
    with pytest.raises(ValueError, match=r"no room for 20 to 20 objects of sizes \('large',\) .* use fewer or smaller"):
        world.scene(np.random.default_rng(0))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"shapes": ("cube", "cone")}, r"shapes must be different ones of cube, .*; got \('cube', 'cone'\)"),
        ({"colors": ()}, r"colors must be different ones of gray, .*; got \(\)"),
        ({"materials": ("metal", "metal")}, "materials must be different ones of rubber, metal"),
        ({"objects": (5, 3)}, r"1 <= fewest <= most <= 100, got \(5, 3\)"),
        ({"objects": (3, 1_000_000)}, r"most <= 100, got \(3, 1000000\)"),
        ({"clutter": -1}, r"clutter must lie in \[0, 100\], got -1"),
        ({"min_visible": 0.0}, r"min_visible must lie in \[0.0005, 0.1\], got 0.0"),
        ({"margin": math.nan}, r"margin must lie in \[0.0, 2.0\], got nan"),
        ({"condition": "C"}, r"condition must be one of \('all', 'A', 'B'\), got 'C'"),
        ({"condition": "A", "shapes": ("cube",), "colors": ("red",)}, "condition 'A' leaves no colour"),
    ],
)
def test_bad_settings(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        World(**settings)  # type: ignore[arg-type]
