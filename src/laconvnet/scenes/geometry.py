"""Rays against objects: which pixel shows what, how far away, and how much of it is hidden.

A body is all points within `radius` of a core, and the core is a box or an upright cylinder (a sphere's is a point).
So one distance function serves every shape, and since a body is convex its distance is a convex function along a ray:
Newton's method started at the eye approaches the first root from in front, never passes it, and soon stands on it.

Legend: B scenes, K bodies, M rays; vectors stand in the first dimension, as (3, M).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

from laconvnet.scenes.scene import SIZES, Scene, SceneObject

FOCAL: Final = 35 / 32
"""Focal length of the camera in longer sides of the picture: CLEVR's 35 mm before a sensor of 32 mm."""

_FIRST_STEPS, _LAST_STEPS = 3, 6  # of Newton: for all rays, then for those that graze a body
_TOUCHES: Final = 1e-4  # world units, about a two-hundredth of a pixel at 224 pixels
_CONVERGED: Final = 1e-5
_EDGE: Final = {"cube": 0.11, "slab": 0.11, "cylinder": 0.07, "disk": 0.07}  # rounding, in half widths
_FLAT: Final = {"slab": 0.4, "disk": 0.35}  # height of flat shapes, in half widths
_SLENDER: Final = 0.55  # half width of a capsule, in those of a sphere
_ROUND: Final = ("sphere", "cylinder", "disk", "capsule")


def select(values: Tensor, index: Tensor) -> Tensor:
    """`values[..., index]`, six times faster on a CPU."""
    return values.index_select(-1, index)


@dataclass(frozen=True, slots=True)
class Bodies:
    """The objects of all scenes of a batch, one after the other, objects before clutter in each scene.

    Attributes:
        scene: (K,) int64, which scene a body belongs to.
        center: (3, K) world position.
        turn: (2, K) cosine and sine of the rotation.
        core: (3, K) half extents of the core.
        radius: (K,) rounding around the core.
        is_round: (K,) bool, whether the core is a cylinder.
    """

    scene: Tensor
    center: Tensor
    turn: Tensor
    core: Tensor
    radius: Tensor
    is_round: Tensor

    @classmethod
    def of(cls, scenes: Sequence[Scene], *, device: torch.device, dtype: torch.dtype) -> Bodies:
        """Packs the objects of scenes."""
        rows, places = [], []
        for number, scene in enumerate(scenes):
            for body in (*scene.objects, *scene.clutter):
                core, radius, height = _core(body)
                angle = math.radians(body.rotation)
                center = (body.x, body.y, height)
                rows.append((*center, math.cos(angle), math.sin(angle), *core, radius))
                places.append((number, body.shape in _ROUND))
        table = torch.tensor(rows, dtype=dtype, device=device).T.contiguous()
        scene_index, is_round = torch.tensor(places, dtype=torch.int64, device=device).T
        return cls(scene_index, table[:3], table[3:5], table[5:8], table[8], is_round.bool())

    def at(self, index: Tensor) -> Bodies:
        """The bodies of an index, with repeats; (K,) becomes the index's length."""
        return Bodies(*(select(getattr(self, name), index) for name in self.__slots__))

    def extent(self) -> Tensor:
        """(3, K) half extents of the bounding box in the body's own axes."""
        return self.core + self.radius

    def local(self, vectors: Tensor) -> Tensor:
        """Turns world vectors (3, K), one a body, into the body's axes."""
        cos, sin = self.turn
        x, y, z = vectors
        return torch.stack([cos * x + sin * y, cos * y - sin * x, z])

    def world(self, vectors: Tensor) -> Tensor:
        """Turns vectors (3, K, ...) in a body's axes into the world's."""
        cos, sin = self.turn.reshape(2, -1, *(1,) * (vectors.dim() - 2))
        x, y, z = vectors
        return torch.stack([cos * x - sin * y, cos * y + sin * x, z])

    def distance(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """Signed distance of local points (3, K) from the surface, and their vector (3, K) from the core.

        The vector points along the outward normal; it vanishes within the core, where the distance is negative.
        """
        x, y, z = points
        core_x, core_y, core_z = self.core
        across = torch.hypot(x, y)
        shrink = (core_x / across.clamp(min=1e-12)).clamp(max=1)
        near_x = torch.where(self.is_round, x * shrink, x.clamp(-core_x, core_x))
        near_y = torch.where(self.is_round, y * shrink, y.clamp(-core_y, core_y))
        away = points - torch.stack([near_x, near_y, z.clamp(-core_z, core_z)])
        sides = torch.where(self.is_round, across - core_x, torch.maximum(x.abs() - core_x, y.abs() - core_y))
        inside = torch.maximum(sides, z.abs() - core_z).clamp(max=0)
        return away.square().sum(0).sqrt() + inside - self.radius, away


def _core(body: SceneObject) -> tuple[tuple[float, float, float], float, float]:
    """Half extents of an object's core, the rounding around it, and the height of its centre over the ground."""
    size = SIZES[body.size]
    if body.shape == "sphere":
        return (0.0, 0.0, 0.0), size, size
    if body.shape == "capsule":
        radius = _SLENDER * size
        return (0.0, 0.0, size - radius), radius, size
    radius = _EDGE[body.shape] * size * _FLAT.get(body.shape, 1.0)
    height = size * _FLAT.get(body.shape, 1.0)
    return (size - radius, size - radius, height - radius), radius, height


@dataclass(frozen=True, slots=True)
class Cameras:
    """The cameras of a batch of scenes.

    Attributes:
        eye: (3, B) position.
        forward, right, up: (3, B) unit vectors.
        focal: (B,) focal length, pixels.
        width, height: of the picture, pixels.
    """

    eye: Tensor
    forward: Tensor
    right: Tensor
    up: Tensor
    focal: Tensor
    width: int
    height: int

    @classmethod
    def of(
        cls, scenes: Sequence[Scene], width: int, height: int, *, device: torch.device, dtype: torch.dtype
    ) -> Cameras:
        """The cameras of scenes, for pictures of width x height pixels."""
        eye = torch.tensor([scene.eye for scene in scenes], dtype=dtype, device=device).T.contiguous()
        forward = -eye / eye.square().sum(0).sqrt()
        right = torch.stack([forward[1], -forward[0], torch.zeros_like(forward[0])])
        right = right / right.square().sum(0).sqrt()
        up = torch.linalg.cross(right, forward, dim=0)
        zoom = torch.tensor([scene.zoom for scene in scenes], dtype=dtype, device=device)
        return cls(eye, forward, right, up, zoom * FOCAL * max(width, height), width, height)

    @property
    def scenes(self) -> int:
        """B, the number of pictures."""
        return self.eye.shape[1]

    @property
    def pixels(self) -> int:
        """Pixels of all pictures."""
        return self.scenes * self.height * self.width

    def pixel(self, scene: Tensor, column: Tensor, row: Tensor) -> Tensor:
        """The numbers (M,) of pixels, counted through all pictures."""
        return (scene * self.height + row) * self.width + column

    def rays(self, scene: Tensor, x: Tensor, y: Tensor) -> Tensor:
        """Unit directions (3, M) through points x, y (M,) of the picture, in pixels from its upper left corner."""
        focal = select(self.focal, scene)
        u, v = (x - self.width / 2) / focal, (y - self.height / 2) / focal
        direction = select(self.forward, scene) + u * select(self.right, scene) - v * select(self.up, scene)
        return direction / (1 + u.square() + v.square()).sqrt()

    def project(self, scene: Tensor, points: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Where world points (3, K, P) of scenes (K,) appear: column and row in pixels, and depth, (K, P) each."""
        relative = points - select(self.eye, scene)[:, :, None]
        depth, x, y = (
            (relative * select(axis, scene)[:, :, None]).sum(0) for axis in (self.forward, self.right, self.up)
        )
        focal = select(self.focal, scene)[:, None]
        return self.width / 2 + focal * x / depth, self.height / 2 - focal * y / depth, depth


def corners(bodies: Bodies) -> Tensor:
    """World positions (3, K, 8) of the corners of each body's bounding box."""
    signs = torch.tensor([[(i >> axis & 1) * 2 - 1 for i in range(8)] for axis in range(3)]).to(bodies.center)
    return bodies.world(bodies.extent()[:, :, None] * signs[:, None]) + bodies.center[:, :, None]


def outline_boxes(bodies: Bodies, cameras: Cameras) -> Tensor:
    """Pixel boxes (K, 4) x0, y0, x1, y1, half-open and within the picture, that hold all of each body."""
    column, row, _ = cameras.project(bodies.scene, corners(bodies))
    return pixel_boxes(column, row, cameras)


def pixel_boxes(column: Tensor, row: Tensor, cameras: Cameras) -> Tensor:
    """The boxes (K, 4) of whole pixels around points (K, P) of the picture, cut to the picture; maybe empty."""
    x0 = column.amin(1).floor().clamp(0, cameras.width)
    x1 = column.amax(1).ceil().clamp(0, cameras.width)
    y0 = row.amin(1).floor().clamp(0, cameras.height)
    y1 = row.amax(1).ceil().clamp(0, cameras.height)
    return torch.stack([x0, y0, x1, y1], 1).long()


def spread(count: Tensor) -> tuple[Tensor, Tensor]:
    """Numbers what each of K rows has `count` (K,) of: row and rank within it, (M,) int64 each, M the sum."""
    row = torch.repeat_interleave(count)
    first = count.cumsum(0) - count
    return row, torch.arange(len(row), device=count.device) - select(first, row)


def pixels_of(boxes: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Every pixel of every box (K, 4): the box's number, column and row, (M,) int64 each."""
    width, height = (boxes[:, 2:] - boxes[:, :2]).clamp(min=0).T
    box, rank = spread(width * height)
    width, left, top = (select(values, box) for values in (width, boxes[:, 0], boxes[:, 1]))
    row = torch.div(rank, width, rounding_mode="floor")
    return box, left + rank - row * width, top + row


def cast(bodies: Bodies, origin: Tensor, direction: Tensor) -> tuple[Tensor, Tensor]:
    """Casts one ray at one body each.

    Args:
        bodies: K = M bodies.
        origin: (3, M) start, outside the bodies.
        direction: (3, M) unit vectors.

    Returns:
        Distance along the ray (M,), infinite where it misses; and the outward unit normal (3, M) there.
    """
    start, step = bodies.local(origin - bodies.center), bodies.local(direction)
    # Everything lies within this radius of the centre, so that the ray may start close in front of it.
    reach = bodies.extent().square().sum(0).sqrt()
    way = (-(start * step).sum(0) - reach).clamp(min=0)
    way, missed = _approach(bodies, start, step, way, _FIRST_STEPS)
    distance, _ = bodies.distance(start + way * step)
    rest = (~missed & (distance > _CONVERGED)).nonzero()[:, 0]
    way[rest], missed[rest] = _approach(
        bodies.at(rest), select(start, rest), select(step, rest), select(way, rest), _LAST_STEPS
    )
    distance, away = bodies.distance(start + way * step)
    hit = ~missed & (distance < _TOUCHES)
    normal = away / away.square().sum(0).sqrt().clamp(min=1e-12)
    return torch.where(hit, way, math.inf), bodies.world(normal)


def _approach(bodies: Bodies, start: Tensor, step: Tensor, way: Tensor, times: int) -> tuple[Tensor, Tensor]:
    """Makes Newton steps along local rays; also says which rays are past the closest point without a touch."""
    missed = torch.zeros_like(way, dtype=torch.bool)
    longest = 4 * bodies.extent().amax(0)
    for _ in range(times):
        distance, away = bodies.distance(start + way * step)
        slope = (away * step).sum(0) / away.square().sum(0).sqrt().clamp(min=1e-12)
        missed |= (slope >= 0) & (distance > _TOUCHES)
        forward = (distance / -slope.clamp(max=-1e-6)).clamp(min=-longest, max=longest)
        way = way + forward.masked_fill(missed, 0)
    return way, missed


@dataclass(frozen=True, slots=True)
class Surface:
    """What the middle of every pixel shows.

    Attributes:
        body: (B·H·W,) int64, the body, or -1 for the ground.
        depth: (B·H·W,) distance from the eye along the ray, infinite for the ground.
        normal: (3, B·H·W) outward unit normal.
        outline: (K,) int64, pixels that each body would fill alone.
        shown: (K,) int64, pixels that it fills.
    """

    body: Tensor
    depth: Tensor
    normal: Tensor
    outline: Tensor
    shown: Tensor


def cast_centers(bodies: Bodies, cameras: Cameras) -> Surface:
    """Casts a ray through the middle of every pixel that may show a body."""
    body, column, row = pixels_of(outline_boxes(bodies, cameras))
    picked = bodies.at(body)
    origin = select(cameras.eye, picked.scene)
    dtype = origin.dtype
    way, slope = cast(picked, origin, cameras.rays(picked.scene, column.to(dtype) + 0.5, row.to(dtype) + 0.5))
    pixel, pixels = cameras.pixel(picked.scene, column, row), cameras.pixels
    hits = way.isfinite().nonzero()[:, 0]
    body, pixel, way, slope = (select(values, hits) for values in (body, pixel, way, slope))
    depth, first = nearest(pixel, way, pixels)
    shows = torch.full((pixels,), -1, dtype=torch.int64, device=way.device)
    shows[select(pixel, first)] = select(body, first)
    normal = torch.zeros(3, pixels, dtype=dtype, device=way.device)
    normal[2] = 1
    normal[:, select(pixel, first)] = select(slope, first)
    count = len(bodies.scene)
    outline, shown = (torch.bincount(index, minlength=count) for index in (body, select(body, first)))
    return Surface(shows, depth, normal, outline, shown)


def nearest(place: Tensor, way: Tensor, places: int) -> tuple[Tensor, Tensor]:
    """Finds the first hit of the rays of each place.

    Args:
        place: (M,) int64, where a ray belongs, such as a pixel.
        way: (M,) distance of what it hits, infinite where it misses.
        places: Number of places.

    Returns:
        The distance of the first hit of each place, (places,), infinite without one; and the ascending indices of
        those hits.
    """
    depth = torch.full((places,), math.inf, dtype=way.dtype, device=way.device)
    depth.scatter_reduce_(0, place, way, "amin")
    return depth, ((way == select(depth, place)) & way.isfinite()).nonzero()[:, 0]
