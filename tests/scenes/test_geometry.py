"""Rays against bodies, judged by other formulas in float64."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from laconvnet.data import draw_scenes
from laconvnet.processing.masks import decode_mask
from laconvnet.scenes import Scene, SceneObject, SceneSource, World, parse_program, render
from laconvnet.scenes.geometry import Bodies, Cameras, cast, cast_centers, outline_boxes
from laconvnet.scenes.lighting import LAMPS
from laconvnet.scenes.scene import SHAPES, SIZES
from laconvnet.scenes.world import WORLDS

CPU = torch.device("cpu")
SIDE = 64


def bodies_of(*scenes: Scene, dtype: torch.dtype = torch.float64) -> Bodies:
    return Bodies.of(scenes, device=CPU, dtype=dtype)


def scene_with(*objects: SceneObject) -> Scene:
    return Scene(objects, (7.48, -6.51, 5.34), LAMPS)


def gap(item: SceneObject, points: np.ndarray) -> np.ndarray:
    """Distance of points (..., 3) from an object, negative inside, from its measures in half widths."""
    size, angle = SIZES[item.size], np.radians(item.rotation)
    if item.shape == "capsule":
        round_, half, tall = 0.55 * size, 0.0, 0.45 * size
        height = size
    else:
        flat = {"slab": 0.4, "disk": 0.35}.get(item.shape, 1.0)
        round_ = size if item.shape == "sphere" else size * flat * (0.11 if item.shape in ("cube", "slab") else 0.07)
        half, tall, height = size - round_, size * flat - round_, size * flat
    x, y, z = np.moveaxis(points - np.array([item.x, item.y, height]), -1, 0)
    along = np.cos(angle) * x + np.sin(angle) * y
    across = np.cos(angle) * y - np.sin(angle) * x
    over = np.abs(z) - tall
    if item.shape in ("cube", "slab"):
        sides = np.stack([np.abs(along) - half, np.abs(across) - half, over])
    else:
        sides = np.stack([np.hypot(along, across) - half, over])
    return np.linalg.norm(np.maximum(sides, 0), axis=0) + np.minimum(sides.max(0), 0) - round_


def nearest_gap(item: SceneObject, eye: np.ndarray, rays: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The least gap along rays (M, 3), by ternary search, and the way to the first touch, by bisection."""
    low, high = np.zeros(len(rays)), np.full(len(rays), 30.0)
    for _ in range(80):
        a, b = low + (high - low) / 3, high - (high - low) / 3
        left = gap(item, eye + a[:, None] * rays) < gap(item, eye + b[:, None] * rays)
        low, high = np.where(left, low, a), np.where(left, b, high)
    least, near, far = gap(item, eye + low[:, None] * rays), np.zeros(len(rays)), low
    for _ in range(60):
        middle = (near + far) / 2
        inside = gap(item, eye + middle[:, None] * rays) < 0
        near, far = np.where(inside, near, middle), np.where(inside, middle, far)
    return least, far


def pixel_rays(scene: Scene) -> np.ndarray:
    """Unit directions (SIDE², 3) through the middles of all pixels, from the camera's data sheet: 35 mm over 32 mm."""
    eye = np.array(scene.eye)
    forward = -eye / np.linalg.norm(eye)
    right = np.cross(forward, [0, 0, 1])
    right /= np.linalg.norm(right)
    up = np.cross(right, forward)
    film = 32 * ((np.arange(SIDE) + 0.5) / SIDE - 0.5)
    v, u = np.meshgrid(film, film, indexing="ij")
    rays = 35 * forward + u.reshape(-1, 1) * right - v.reshape(-1, 1) * up
    return rays / np.linalg.norm(rays, axis=1, keepdims=True)


@pytest.mark.parametrize("world", ["clevr", "hard"])
@pytest.mark.parametrize("seed", range(4))
def test_every_pixel_shows_the_nearest_object(world: str, seed: int) -> None:
    scene = WORLDS[world].scene(np.random.default_rng(seed))
    eye, rays, items = np.array(scene.eye), pixel_rays(scene), (*scene.objects, *scene.clutter)
    searched = [nearest_gap(item, eye, rays) for item in items]
    ways = np.stack([np.where(least < 0, way, np.inf) for least, way in searched])
    shown = np.where(np.isinf(ways.min(0)), -1, ways.argmin(0))
    grazed = np.stack([np.abs(least) < 2e-4 for least, _ in searched]).any(0)

    cameras = Cameras.of([scene], SIDE, SIDE, device=CPU, dtype=torch.float32)
    surface = cast_centers(bodies_of(scene, dtype=torch.float32), cameras)
    assert np.array_equal(surface.body.numpy()[~grazed], shown[~grazed])
    assert grazed.mean() < 0.003
    seen = (shown >= 0) & ~grazed
    assert np.abs(surface.depth.numpy()[seen] - ways.min(0)[seen]).max() < 5e-3
    alone = (~np.isinf(ways)).sum(1)
    assert np.abs(surface.outline.numpy() - alone).max() <= grazed.sum()
    assert surface.shown.tolist() == [(surface.body == i).sum() for i in range(len(items))]


@pytest.mark.slow
def test_instance_maps_boxes_and_masks_of_a_batch() -> None:
    """10,000 random pixels of 100 drawn scenes, and every object's box and mask."""
    numbers = range(100)
    source = SceneSource(seed=8, sentences={"gres": 1})
    samples = [source.sample("val", number) for number in numbers]
    rendering = render([sample.scene for sample in samples], SIDE)
    rng, checked, wrong = np.random.default_rng(0), 0, 0
    for sample, instances, drawn in zip(
        samples, rendering.instances.numpy(), draw_scenes(samples, "val", numbers, SIDE), strict=True
    ):
        scene, eye = sample.scene, np.array(sample.scene.eye)
        rows, columns = np.nonzero(instances >= 0)
        inside = rng.choice(rows * SIDE + columns, 60)
        pixels = np.concatenate([inside, rng.choice(SIDE * SIDE, 40)])
        searched = [nearest_gap(item, eye, pixel_rays(scene)[pixels]) for item in scene.objects]
        ways = np.stack([np.where(least < 0, way, np.inf) for least, way in searched])
        expected = np.where(np.isinf(ways.min(0)), -1, ways.argmin(0))
        clear = np.stack([np.abs(least) >= 2e-4 for least, _ in searched]).all(0)
        wrong += int((instances.reshape(-1)[pixels] != expected)[clear].sum())
        checked += len(pixels)

        assert np.array_equal(drawn.instances, instances)
        everything = dataclasses.replace(
            sample.sentences[0], targets=tuple(range(len(scene.objects))), program=parse_program("scene")
        )
        record = dataclasses.replace(drawn, sentences=(everything,)).record(0, with_masks=True)
        assert record.boxes is not None and record.masks is not None
        for number, (box, mask) in enumerate(zip(record.boxes, record.masks, strict=True)):
            ys, xs = np.nonzero(instances == number)
            assert box == (xs.min(), ys.min(), xs.max() + 1, ys.max() + 1)
            assert np.array_equal(decode_mask(mask), instances == number)
    assert checked == 10_000 and wrong == 0


@pytest.mark.parametrize("shape", SHAPES)
def test_normals_are_the_gradient_of_the_distance(shape: str) -> None:
    item = SceneObject(shape, "large", "red", "rubber", 0.4, -0.3, 33.0)
    rng = np.random.default_rng(0)
    start = torch.from_numpy(rng.normal(size=(3, 400)) * 2 + np.array([[0.4], [-0.3], [5.0]]))
    goal = torch.from_numpy(rng.uniform(-0.5, 0.5, size=(3, 400)) + np.array([[0.4], [-0.3], [0.4]]))
    direction = (goal - start) / (goal - start).norm(dim=0)
    way, normal = cast(bodies_of(scene_with(item)).at(torch.zeros(400, dtype=torch.int64)), start, direction)
    hit = way.isfinite()
    assert hit.sum() > 100
    touch = (start + way * direction)[:, hit].T.numpy()
    assert np.abs(gap(item, touch)).max() < 2e-4
    step = 1e-5
    slope = np.stack([gap(item, touch + step * axis) - gap(item, touch - step * axis) for axis in np.eye(3)], 1)
    assert np.abs(slope / (2 * step) - normal[:, hit].T.numpy()).max() < 1e-2


def test_a_sphere_is_hit_where_the_quadratic_formula_says() -> None:
    item = SceneObject("sphere", "small", "red", "rubber", 0.0, 0.0, 0.0)
    eye = torch.tensor([[3.0], [0.0], [0.35]], dtype=torch.float64)
    offset = torch.linspace(-0.5, 0.5, 101, dtype=torch.float64)
    direction = torch.stack([torch.full_like(offset, -3.0), offset, torch.zeros_like(offset)])
    direction = direction / direction.norm(dim=0)
    way, _ = cast(bodies_of(scene_with(item)).at(torch.zeros(101, dtype=torch.int64)), eye.expand(3, 101), direction)
    along = 3 * -direction[0]
    inner = 0.35**2 - (9 - along**2)
    expected = torch.where(inner >= 0, along - inner.clamp(min=0).sqrt(), torch.inf)
    clear = inner.abs() > 1e-4
    assert torch.allclose(way[clear], expected[clear], atol=1e-6)


def test_outline_boxes_hold_every_pixel_of_a_body() -> None:
    scene = World(objects=(10, 10)).scene(np.random.default_rng(3))
    cameras = Cameras.of([scene], 200, 120, device=CPU, dtype=torch.float64)
    boxes = outline_boxes(bodies_of(scene), cameras)
    for number in range(len(scene.objects)):
        alone = dataclasses.replace(scene, objects=(scene.objects[number],))
        body = cast_centers(bodies_of(alone), cameras).body.reshape(120, 200)
        rows, columns = (body == 0).nonzero().T
        x0, y0, x1, y1 = boxes[number].tolist()
        assert x0 <= columns.min() <= columns.max() < x1 and y0 <= rows.min() <= rows.max() < y1


def test_the_camera_looks_at_the_origin() -> None:
    scene = World().scene(np.random.default_rng(0))
    cameras = Cameras.of([scene], 320, 240, device=CPU, dtype=torch.float64)
    column, row, depth = cameras.project(torch.zeros(1, dtype=torch.int64), torch.zeros(3, 1, 1, dtype=torch.float64))
    assert column.item() == pytest.approx(160) and row.item() == pytest.approx(120)
    assert depth.item() == pytest.approx(np.linalg.norm(scene.eye))
