"""Pictures of scenes, and exactly what every pixel of them shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

from laconvnet.scenes.geometry import (
    Bodies,
    Cameras,
    Surface,
    cast,
    cast_centers,
    corners,
    nearest,
    outline_boxes,
    pick,
    pixel_boxes,
    pixels_of,
    spread,
)
from laconvnet.scenes.lighting import (
    LAMP_RADIUS,
    blocked,
    constant,
    ground_radiance,
    rubber_radiance,
    shaded,
    sky_radiance,
)
from laconvnet.scenes.scene import COLORS, Scene, SceneObject

SMALLEST, LARGEST = 64, 2048
"""Sides of a picture in pixels; in smaller ones the smallest objects would be lost."""

# Four places in a pixel, each alone in its row and column.
_PLACES: Final = ((0.375, 0.125), (0.875, 0.375), (0.125, 0.625), (0.625, 0.875))
_PIXELS_TOGETHER: Final = (1 << 23, 1 << 17)  # of scenes drawn at once on an accelerator, and in a CPU's caches
_LONGEST_SHADOW: Final = 6.0  # world units; beyond, a lamp is too far to matter
_ROUGHNESS: Final = 0.6  # per world unit
_CONTACT: Final = 2.5  # half widths around a body in which it darkens the ground
_TEXTURES: Final = {"plain": 0, "striped": 1, "checkered": 2}


@dataclass(frozen=True, slots=True)
class Rendering:
    """A batch of pictures.

    Attributes:
        images: (B, H, W, 3) uint8, sRGB.
        instances: (B, H, W) int64, which object the middle of each pixel shows: its number in the scene, clutter
            counted behind the objects, or -1 for the ground.
        depth: (B, H, W) float32, distance from the camera to what the middle of the pixel shows, world units;
            infinite for the ground.
        visible: of every scene, the share of each object's outline within the picture that the picture shows,
            float32 (objects and clutter,) in [0, 1].
    """

    images: Tensor
    instances: Tensor
    depth: Tensor
    visible: tuple[Tensor, ...]


def render(scenes: Sequence[Scene], size: int | tuple[int, int], *, device: torch.device | str = "cpu") -> Rendering:
    """Draws scenes with perspective, soft shadows, mirroring metal and smooth edges.

    Every pixel that shows an object or touches one is the mean of four rays; the ground is smooth and needs one.
    A picture does not depend on the others of its batch.

    Args:
        scenes: Scenes to draw, at least one.
        size: Side of a square picture, or (width, height), in pixels from 64 to 2048.
        device: Where to compute; the result stays there.

    Returns:
        Pictures, instance maps, depths and visible shares.

    Raises:
        ValueError: No scene, or a size outside its range.
    """
    width, height = picture_size(size)
    if not scenes:
        raise ValueError("render needs at least one scene, got none")
    device = torch.device(device)
    together = max(1, _PIXELS_TOGETHER[device.type == "cpu"] // (width * height))
    parts = [
        _draw(scenes[first : first + together], width, height, device) for first in range(0, len(scenes), together)
    ]
    return Rendering(
        torch.cat([part.images for part in parts]),
        torch.cat([part.instances for part in parts]),
        torch.cat([part.depth for part in parts]),
        tuple(visible for part in parts for visible in part.visible),
    )


def _draw(scenes: Sequence[Scene], width: int, height: int, device: torch.device) -> Rendering:
    dtype = torch.float32
    stage = _Stage(
        bodies=Bodies.of(scenes, device=device, dtype=dtype),
        cameras=Cameras.of(scenes, width, height, device=device, dtype=dtype),
        lamps=torch.tensor([scene.lamps for scene in scenes], dtype=dtype, device=device).permute(1, 2, 0).contiguous(),
        paint=_paint(scenes, device, dtype),
        is_metal=torch.tensor([body.material == "metal" for body in _all(scenes)], device=device),
        texture=torch.tensor([_TEXTURES[body.texture] for body in _all(scenes)], device=device),
    )
    surface = cast_centers(stage.bodies, stage.cameras)
    image = _ground_layer(stage)
    pixels = _touched(surface, len(scenes), width, height)
    image[:, pixels] = _object_layer(stage, pixels, pick(image, pixels))
    count = torch.bincount(stage.bodies.scene, minlength=len(scenes)).tolist()
    first = torch.tensor([0, *count[:-1]], device=device).cumsum(0)
    number = surface.body - first.repeat_interleave(width * height)
    visible = surface.shown / surface.outline.clamp(min=1)
    return Rendering(
        _to_srgb(image).T.reshape(len(scenes), height, width, 3),
        torch.where(surface.body < 0, -1, number).reshape(len(scenes), height, width),
        surface.depth.reshape(len(scenes), height, width),
        torch.split(visible, count),
    )


def picture_size(size: int | tuple[int, int]) -> tuple[int, int]:
    """Checks the size of a picture and returns (width, height) in pixels.

    Raises:
        ValueError: A side is no whole number from 64 to 2048.
    """
    sides = size if isinstance(size, tuple) else (size, size)
    if len(sides) != 2 or not all(type(side) is int and SMALLEST <= side <= LARGEST for side in sides):
        raise ValueError(f"a picture needs whole sides from {SMALLEST} to {LARGEST} pixels, got {size!r}")
    return sides


@dataclass(frozen=True, slots=True)
class _Stage:
    """All scenes of a batch as tensors; lamps are (3, 3, B), lamp by axis, paint is (3, K) linear."""

    bodies: Bodies
    cameras: Cameras
    lamps: Tensor
    paint: Tensor
    is_metal: Tensor
    texture: Tensor


@dataclass(frozen=True, slots=True)
class _Points:
    """Places on bodies, sorted by body: (M,) body, (3, M) position, outward normal and direction of the ray."""

    body: Tensor
    position: Tensor
    normal: Tensor
    view: Tensor

    def at(self, index: Tensor) -> _Points:
        """The points of an ascending index."""
        return _Points(*(pick(getattr(self, name), index) for name in self.__slots__))

    def of_bodies(self, bodies: Tensor, total: int) -> tuple[Tensor, Tensor]:
        """For bodies (P,) with repeats out of `total`: number in (P,) and point, for each point of each body."""
        count = torch.bincount(self.body, minlength=total)
        row, rank = spread(count[bodies])
        return row, pick(count.cumsum(0) - count, pick(bodies, row)) + rank


def _ground_layer(stage: _Stage) -> Tensor:
    """Radiance (3, B·H·W) of the ground at the middle of every pixel, as if the bodies were only their shadows."""
    cameras, bodies = stage.cameras, stage.bodies
    points = _ground_points(cameras)  # (3, B, H·W)
    flat = points.reshape(3, -1)
    seen = torch.ones(3, flat.shape[1], dtype=flat.dtype, device=flat.device)
    for number in range(3):
        lamp = pick(stage.lamps[number], bodies.scene)
        body, pixel = _pixels_near(_shadow_outline(bodies, lamp), stage)
        hidden = blocked(bodies, body, pick(flat, pixel), pick(lamp, body))
        seen[number].scatter_reduce_(0, pixel, 1 - hidden, "amin")
    sky = torch.ones_like(flat[0])
    body, pixel = _pixels_near(_contact_outline(bodies), stage)
    up = constant((0.0, 0.0, 1.0), flat)
    sky.scatter_reduce_(0, pixel, 1 - shaded(bodies.at(body), pick(flat, pixel), up), "amin")
    scenes_first = points.shape[1:]
    radiance = ground_radiance(
        points, stage.lamps[..., None], seen.reshape(3, *scenes_first), sky.reshape(scenes_first)
    )
    return radiance.reshape(3, -1)


def _ground_points(cameras: Cameras) -> Tensor:
    """Where on the ground the middle of every pixel lies, (3, B, H·W); it reaches the horizon and goes on behind."""
    u, v = (
        (torch.arange(side).to(cameras.eye) + 0.5 - side / 2) / cameras.focal[:, None]
        for side in (cameras.width, cameras.height)
    )
    forward, right, up, eye = (axis[:, :, None] for axis in (cameras.forward, cameras.right, cameras.up, cameras.eye))
    across, down = u.repeat(1, cameras.height), v.repeat_interleave(cameras.width, dim=1)
    direction = forward + across * right - down * up
    points: Tensor = eye - eye[2] / direction[2].clamp(max=-1e-3) * direction
    return points


def _pixels_near(outline: Tensor, stage: _Stage) -> tuple[Tensor, Tensor]:
    """Bodies and pixels of the boxes around points (3, K, P) on the ground, one outline a body."""
    cameras, scene = stage.cameras, stage.bodies.scene
    column, row, depth = cameras.project(scene, outline)
    # What lies behind the camera would appear mirrored: such an outline takes the whole picture.
    column = torch.where(depth > 0.5, column, torch.where(column > cameras.width / 2, -1e6, 1e6))
    row = torch.where(depth > 0.5, row, 1e6)
    body, column, row = pixels_of(pixel_boxes(column, row, cameras))
    return body, (pick(scene, body) * cameras.height + row) * cameras.width + column


def _shadow_outline(bodies: Bodies, lamp: Tensor) -> Tensor:
    """Points (3, K, 32) on the ground around the shadow that each body throws from a lamp (3, K)."""
    corner_x, corner_y, corner_z = corners(bodies)[..., None]
    shift = LAMP_RADIUS * torch.tensor([[-1, 1, -1, 1], [-1, -1, 1, 1]]).to(lamp)
    stretch = corner_z / (lamp[2, :, None, None] - corner_z)
    run_x, run_y = (
        stretch * (corner - lamp[axis, :, None, None] - shift[axis]) for axis, corner in enumerate((corner_x, corner_y))
    )
    shorten = (_LONGEST_SHADOW / torch.hypot(run_x, run_y).clamp(min=1e-6)).clamp(max=1)
    points = torch.stack([corner_x + shorten * run_x, corner_y + shorten * run_y, torch.zeros_like(run_x)])
    return points.flatten(2)


def _contact_outline(bodies: Bodies) -> Tensor:
    """Corners (3, K, 4) of the square of ground that each body darkens."""
    reach = _CONTACT * bodies.extent().amax(0)[:, None]
    x = bodies.center[0, :, None] + reach * torch.tensor([-1, -1, 1, 1]).to(reach)
    y = bodies.center[1, :, None] + reach * torch.tensor([-1, 1, -1, 1]).to(reach)
    return torch.stack([x, y, torch.zeros_like(x)])


def _touched(surface: Surface, scenes: int, width: int, height: int) -> Tensor:
    """The pixels, ascending, that show a body or have a neighbour that does."""
    shows = (surface.body >= 0).reshape(scenes, 1, height, width)
    grown = torch.nn.functional.max_pool2d(shows.float(), 3, stride=1, padding=1)
    return grown.flatten().nonzero()[:, 0]


def _object_layer(stage: _Stage, pixels: Tensor, ground: Tensor) -> Tensor:
    """Radiance (3, T) of pixels (T,) that may show bodies, given the ground's there."""
    points, place = _sample(stage, pixels)
    seen, sky = _light_reaching(stage, points)
    lamps = pick(stage.lamps, pick(stage.bodies.scene, points.body))
    paint = _patterned(stage, points)
    radiance = rubber_radiance(points.position, points.normal, points.view, paint, lamps, seen, sky)
    shiny = stage.is_metal[points.body].nonzero()[:, 0]
    mirrored = _mirrored(stage, points, shiny)
    radiance[:, shiny] = paint[:, shiny] * (0.2 * radiance[:, shiny] + 0.84 * mirrored * sky[shiny].sqrt())
    samples = ground.repeat_interleave(len(_PLACES), dim=1)
    samples[:, place] = radiance
    return samples.reshape(3, len(pixels), len(_PLACES)).mean(2)


def _sample(stage: _Stage, pixels: Tensor) -> tuple[_Points, Tensor]:
    """Casts the rays of pixels (T,) and returns the bodies' points that they meet, and each one's ray in 0..4T-1."""
    bodies, cameras = stage.bodies, stage.cameras
    rank = torch.full((cameras.eye.shape[1] * cameras.height * cameras.width,), -1, device=pixels.device)
    rank[pixels] = torch.arange(len(pixels), device=pixels.device)
    body, column, row = pixels_of(outline_boxes(bodies, cameras))
    rank = pick(rank, (pick(bodies.scene, body) * cameras.height + row) * cameras.width + column)
    wanted = (rank >= 0).nonzero()[:, 0]
    body, column, row, rank = (
        pick(values, wanted).repeat_interleave(len(_PLACES)) for values in (body, column, row, rank)
    )
    offset = torch.tensor(_PLACES).to(cameras.eye).T.repeat(1, len(wanted))
    picked = bodies.at(body)
    view = cameras.rays(picked.scene, column + offset[0], row + offset[1])
    way, normal = cast(picked, pick(cameras.eye, picked.scene), view)
    place = rank * len(_PLACES) + torch.arange(len(_PLACES), device=rank.device).repeat(len(wanted))
    surface = nearest(place, body, way, len(pixels) * len(_PLACES), len(bodies.scene))
    first = (way.isfinite() & (pick(surface.body, place) == body)).nonzero()[:, 0]  # sorted by body, as the rays are
    view = pick(view, first)
    position = pick(cameras.eye, pick(picked.scene, first)) + pick(way, first) * view
    return _Points(pick(body, first), position, pick(normal, first), view), pick(place, first)


def _light_reaching(stage: _Stage, points: _Points) -> tuple[Tensor, Tensor]:
    """The shares of the lamps (3, M) and of the sky (M,) that other bodies leave to points."""
    bodies = stage.bodies
    total, where = len(bodies.scene), points.position
    seen = torch.ones(3, where.shape[1], dtype=where.dtype, device=where.device)
    for number in range(3):
        lamp = pick(stage.lamps[number], bodies.scene)
        facing = (points.normal * (pick(lamp, points.body) - where)).sum(0) > 0
        lit = facing.nonzero()[:, 0]
        owner, other = _in_the_way(bodies, lamp)
        pair, rank = points.at(lit).of_bodies(owner, total)
        point, hider = pick(lit, rank), pick(other, pair)
        hidden = blocked(bodies, hider, pick(where, point), pick(lamp, hider))
        seen[number].scatter_reduce_(0, point, 1 - hidden, "amin")
    sky = torch.ones_like(where[0])
    owner, other = _in_the_way(bodies, bodies.center, _CONTACT)
    pair, point = points.of_bodies(owner, total)
    hidden = shaded(bodies.at(pick(other, pair)), pick(where, point), pick(points.normal, point))
    sky.scatter_reduce_(0, point, 1 - hidden, "amin")
    return seen, sky


def _in_the_way(bodies: Bodies, goal: Tensor, spare: float = 0.0) -> tuple[Tensor, Tensor]:
    """Pairs of bodies of one scene of which the second may stand between the first and its goal (3, K).

    Each body is taken as the ball around it, and a lamp as a ball of its radius; `spare` half widths are added.
    """
    same = bodies.scene[:, None] == bodies.scene
    same.fill_diagonal_(False)
    first, second = same.nonzero().T
    start = bodies.center[:, first]
    way, toward = goal[:, first] - start, bodies.center[:, second] - start
    along = ((toward * way).sum(0) / way.square().sum(0).clamp(min=1e-6)).clamp(0, 1)
    gap = (toward - along * way).square().sum(0).sqrt()
    ball = bodies.extent().square().sum(0).sqrt()
    near = gap < ball[first] + ball[second] + (spare * bodies.extent().amax(0)[second] if spare else LAMP_RADIUS)
    return first[near], second[near]


def _mirrored(stage: _Stage, points: _Points, shiny: Tensor) -> Tensor:
    """Radiance (3, S) that points on metal, given by their numbers (S,), mirror."""
    bodies = stage.bodies
    metal = points.at(shiny)
    direction = metal.view - 2 * (metal.view * metal.normal).sum(0) * metal.normal
    scene = bodies.scene[metal.body]
    lamps = pick(stage.lamps, scene)
    radiance = _surroundings(stage, metal, direction, lamps)

    same = bodies.scene[:, None] == bodies.scene
    same.fill_diagonal_(False)
    mirror, other = same.nonzero().T
    pair, point = metal.of_bodies(mirror, len(bodies.scene))
    body = pick(other, pair)
    toward = pick(bodies.center, body) - pick(metal.position, point)
    along = (toward * pick(direction, point)).sum(0)
    ball = pick(bodies.extent().square().sum(0), body)
    close = ((along > 0) & (toward.square().sum(0) - along.square() < ball)).nonzero()[:, 0]
    body, point = pick(body, close), pick(point, close)
    way, normal = cast(bodies.at(body), pick(metal.position, point), pick(direction, point))
    surface = nearest(point, body, way, len(shiny), len(bodies.scene))
    first = (way.isfinite() & (pick(surface.body, point) == body)).nonzero()[:, 0]
    body, point = pick(body, first), pick(point, first)
    leaving = pick(direction, point)
    seen = torch.ones(3, len(first), dtype=radiance.dtype, device=radiance.device)
    way = pick(way, first)
    image = rubber_radiance(
        pick(metal.position, point) + way * leaving,
        pick(normal, first),
        leaving,
        pick(stage.paint, body),
        pick(lamps, point),
        seen,
        seen[0],
    )
    clear = 1 / (1 + _ROUGHNESS * way)  # the roughness of the metal blurs what is far
    radiance[:, point] = clear * image + (1 - clear) * pick(radiance, point)
    return radiance


def _surroundings(stage: _Stage, metal: _Points, direction: Tensor, lamps: Tensor) -> Tensor:
    """Radiance (3, S) of ground or sky in the directions in which points on metal look."""
    down = direction[2].clamp(max=-0.03)
    ground = metal.position - metal.position[2] / down * direction
    seen = torch.ones_like(ground)
    up = constant((0.0, 0.0, 1.0), ground)
    sky = 1 - shaded(stage.bodies.at(metal.body), ground, up)
    below = ground_radiance(ground, lamps, seen * sky, sky)
    above = sky_radiance(metal.position, direction, lamps)
    mix = (0.5 - direction[2] / 0.16).clamp(0, 1)  # it blurs the horizon too
    return mix * below + (1 - mix) * above


def _patterned(stage: _Stage, points: _Points) -> Tensor:
    """Paint (3, M) at points: plain, or with bands or squares of a lighter tone."""
    paint, texture = pick(stage.paint, points.body), pick(stage.texture, points.body)
    if not stage.texture.any():
        return paint
    bodies = stage.bodies.at(points.body)
    scaled = 2.5 * bodies.local(points.position - bodies.center) / bodies.extent().amax(0)
    cells = (scaled + 0.25).floor()  # shifted, so that no flat side lies on the border of two cells
    light = torch.where(texture == 1, cells[2], cells.sum(0)).remainder(2) * (texture > 0)
    return paint + 0.45 * light * (1 - paint)


def _all(scenes: Sequence[Scene]) -> list[SceneObject]:
    return [body for scene in scenes for body in (*scene.objects, *scene.clutter)]


def _paint(scenes: Sequence[Scene], device: torch.device, dtype: torch.dtype) -> Tensor:
    """Linear colours (3, K) of all bodies."""
    return torch.tensor([COLORS[body.color] for body in _all(scenes)], dtype=dtype, device=device).T / 255


def _to_srgb(radiance: Tensor) -> Tensor:
    """8-bit display values of linear ones, by the sRGB curve of IEC 61966-2-1."""
    curve = torch.where(
        radiance <= 0.0031308, 12.92 * radiance, 1.055 * radiance.clamp(min=0.0031308).pow(1 / 2.4) - 0.055
    )
    return (255 * curve).round().clamp(0, 255).to(torch.uint8)
