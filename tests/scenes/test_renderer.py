"""Pictures: what they depend on, and that they show what the scene says."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from laconvnet.scenes import WORLDS, Scene, SceneObject, World, render
from laconvnet.scenes.lighting import LAMPS

EYE = (7.48, -6.51, 5.34)
ITEM = SceneObject("cube", "large", "red", "rubber", 0.0, 0.0, 20.0)


def scene_with(*objects: SceneObject) -> Scene:
    return Scene(objects, EYE, LAMPS)


def picture(scene: Scene, size: int = 96) -> np.ndarray:
    return render([scene], size).images[0].numpy().astype(int)


def mean_color(scene: Scene, number: int = 0) -> np.ndarray:
    result = render([scene], 128)
    return result.images[0][result.instances[0] == number].double().mean(0).numpy()


def test_shapes_and_types() -> None:
    drawn = [WORLDS["hard"].scene(np.random.default_rng(seed)) for seed in range(3)]
    result = render(drawn, (96, 64))
    assert result.images.shape == (3, 64, 96, 3) and result.images.dtype == torch.uint8
    assert result.instances.shape == result.depth.shape == (3, 64, 96)
    assert torch.equal(result.depth.isinf(), result.instances == -1)
    for scene, instances, visible in zip(drawn, result.instances, result.visible, strict=True):
        count = len(scene.objects) + len(scene.clutter)
        assert len(visible) == count and instances.max() < count
        assert ((visible >= 0) & (visible <= 1)).all()


def test_a_picture_does_not_depend_on_its_batch() -> None:
    drawn = [World().scene(np.random.default_rng(seed)) for seed in range(5)]
    together = render(drawn, 224)  # more than are drawn at once
    for number, scene in enumerate(drawn):
        alone = render([scene], 224)
        assert torch.equal(alone.images[0], together.images[number])
        assert torch.equal(alone.instances[0], together.instances[number])
        assert torch.equal(alone.visible[0], together.visible[number])


@pytest.mark.parametrize(
    "change",
    [
        {"shape": "cylinder"},
        {"size": "small"},
        {"color": "blue"},
        {"material": "metal"},
        {"x": 0.3},
        {"y": -0.3},
        {"rotation": 50.0},
        {"texture": "striped"},
        {"texture": "checkered"},
    ],
    ids=str,
)
def test_pixels_change_with_every_attribute(change: dict[str, object]) -> None:
    neighbour = SceneObject("sphere", "small", "green", "metal", -1.5, 1.0, 0.0)
    changed = dataclasses.replace(ITEM, **change)  # type: ignore[arg-type]
    before, after = picture(scene_with(ITEM, neighbour)), picture(scene_with(changed, neighbour))
    assert (np.abs(before - after).max(-1) > 4).sum() > 20


def test_pixels_change_with_lamps_camera_and_clutter() -> None:
    scene = scene_with(ITEM)
    moved = (LAMPS[0], (LAMPS[1][0] + 1, *LAMPS[1][1:]), LAMPS[2])
    clutter = (SceneObject("cube", "tiny", "yellow", "rubber", 2.0, 0.0, 0.0),)
    for other in (
        dataclasses.replace(scene, lamps=moved),
        dataclasses.replace(scene, eye=(7.0, -6.51, 5.34)),
        dataclasses.replace(scene, clutter=clutter),
    ):
        assert (np.abs(picture(scene) - picture(other)).max(-1) > 4).sum() > 5


@pytest.mark.parametrize("material", ["rubber", "metal"])
def test_paint_gives_the_hue(material: str) -> None:
    for color, order in {"red": (0, 1), "green": (1, 0), "blue": (2, 0)}.items():
        mean = mean_color(scene_with(dataclasses.replace(ITEM, color=color, material=material)))
        assert mean[order[0]] > 1.4 * mean[order[1]], color


def test_light_is_that_of_clevrs_base_scene() -> None:
    """Grey levels that Blender's pictures of it show: the far ground, and paint on rubber."""
    assert picture(scene_with(ITEM))[0].mean() == pytest.approx(103, abs=3)
    expected = {"red": (124, 58, 56), "cyan": (56, 121, 120), "yellow": (132, 127, 61), "blue": (58, 76, 122)}
    for color, level in expected.items():
        sphere = dataclasses.replace(ITEM, shape="sphere", color=color)
        assert mean_color(scene_with(sphere)) == pytest.approx(np.array(level), abs=16), color


def test_bodies_throw_shadows_and_shade_the_ground_beside_them() -> None:
    empty = scene_with(dataclasses.replace(ITEM, x=-2.8, y=2.8, size="small"))
    full = dataclasses.replace(empty, objects=(*empty.objects, ITEM))
    darker = picture(empty, 128) - picture(full, 128)
    shows = (render([full], 128).instances >= 0).float()
    ground = torch.nn.functional.max_pool2d(shows, 3, 1, 1)[0].numpy() == 0  # and no part of an object
    assert (darker[ground].mean(-1) > 8).sum() > 100
    assert darker[ground].min() >= -1  # and lighten it nowhere


def test_metal_mirrors_its_neighbours_and_rubber_does_not() -> None:
    near = SceneObject("sphere", "large", "yellow", "rubber", 0.9, -1.4, 0.0)
    for material, changes in {"metal": True, "rubber": False}.items():
        item = dataclasses.replace(ITEM, material=material, color="gray")
        red = dataclasses.replace(near, color="red")
        first, second = (render([scene_with(item, other)], 128) for other in (near, red))
        inside = first.instances[0] == 0
        inside &= torch.nn.functional.avg_pool2d(inside[None].float(), 3, 1, 1)[0] == 1  # no edge to the sphere
        differs = (first.images[0].int() - second.images[0].int()).abs().amax(-1)[inside] > 3
        assert bool(differs.sum() > 20) == changes, material


def test_edges_are_smooth() -> None:
    """A white sphere on the dark ground has pixels of many levels on its edge."""
    scene = scene_with(dataclasses.replace(ITEM, shape="sphere", color="white"))
    result = render([scene], 128)
    inside = (result.instances[0] == 0).float()[None]
    edge = (torch.nn.functional.max_pool2d(inside, 3, 1, 1) - inside)[0] > 0
    levels = result.images[0].float().mean(-1)
    bare = render([scene_with(dataclasses.replace(ITEM, x=-2.8, y=2.8))], 128).images[0].float().mean(-1)
    assert ((levels - bare)[edge] > 15).sum() > 10


@pytest.mark.parametrize("size", [0, 63, 10_000, -5, 100.5, (224, 0), (64, 64, 64), True])
def test_impossible_sizes(size: object) -> None:
    with pytest.raises(ValueError, match="a picture needs whole sides from 64 to 2048 pixels, got"):
        render([scene_with(ITEM)], size)  # type: ignore[arg-type]


def test_nothing_to_draw() -> None:
    with pytest.raises(ValueError, match="at least one scene"):
        render([], 64)
    with pytest.raises(ValueError, match="scene 1 of 2 is empty"):
        render([scene_with(ITEM), scene_with()], 64)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_gpu_draws_the_same_pictures() -> None:
    drawn = [World().scene(np.random.default_rng(seed)) for seed in range(8)]
    here, there = render(drawn, 224), render(drawn, 224, device="cuda")
    assert (here.images.int() - there.images.cpu().int()).abs().float().mean() < 0.05
    assert (here.instances != there.instances.cpu()).float().mean() < 1e-4
