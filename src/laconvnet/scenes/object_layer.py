"""What is seen of the bodies themselves: rays through the pixels that show them, light, shadows and reflections.

Legend: B scenes, K bodies, R rays, M points that rays meet; vectors stand in the first dimension, as (3, M).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor
from torch.nn import functional as F

from laconvnet.scenes.geometry import Bodies, Surface, cast, nearest, outline_boxes, pixels_of, select, spread
from laconvnet.scenes.ground_layer import CONTACT
from laconvnet.scenes.lighting import (
    LAMP_COUNT,
    LAMP_RADIUS,
    blocked,
    constant,
    ground_radiance,
    rubber_radiance,
    shaded,
    sky_radiance,
)
from laconvnet.scenes.stage import Stage

# Where in a pixel its rays pass, by what it shows; of several, each is alone in its row and column.
_SMOOTH: Final = ((0.5, 0.5),)
_VARIED: Final = ((0.25, 0.25), (0.75, 0.75))
_EDGED: Final = ((0.375, 0.125), (0.875, 0.375), (0.125, 0.625), (0.625, 0.875))
_PLACES: Final = (_SMOOTH, _VARIED, _EDGED)

_CREASE: Final = 0.97  # cosine between the normals of two pixels beside each other
_ROUGHNESS: Final = 0.6  # per world unit, how metal blurs what it mirrors


def draw_objects(stage: Stage, surface: Surface, image: Tensor) -> None:
    """Draws the bodies over the radiance (3, B·H·W) of the ground, in place."""
    classes = _by_detail(stage, surface)
    counts = [len(pixels) * len(places) for pixels, places in zip(classes, _PLACES, strict=True)]
    pixel = torch.cat([pixels.repeat_interleave(len(p)) for pixels, p in zip(classes, _PLACES, strict=True)])
    place = torch.cat([torch.tensor(p).repeat(len(pixels), 1) for pixels, p in zip(classes, _PLACES, strict=True)])
    points, ray = _meet(stage, pixel, place.T.to(image))
    samples = select(image, pixel)
    samples[:, ray] = _radiance(stage, points)
    for pixels, places, part in zip(classes, _PLACES, torch.split(samples, counts, dim=1), strict=True):
        image[:, pixels] = part.reshape(3, len(pixels), len(places)).mean(2)


@dataclass(frozen=True, slots=True)
class _Points:
    """Points on bodies, sorted by body: (M,) body, (3, M) position, outward normal and direction of the ray."""

    body: Tensor
    position: Tensor
    normal: Tensor
    view: Tensor

    def at(self, index: Tensor) -> _Points:
        """The points of an ascending index."""
        return _Points(*(select(getattr(self, name), index) for name in self.__slots__))


def _by_detail(stage: Stage, surface: Surface) -> tuple[Tensor, Tensor, Tensor]:
    """The pixels that show smooth paint, those within a body that mirror or are patterned, and those with an edge."""
    shape = (stage.cameras.scenes, stage.cameras.height, stage.cameras.width)
    body, normal = surface.body.reshape(shape), surface.normal.reshape(3, *shape)
    high, low = (F.max_pool2d(sign * body[:, None].float(), 3, stride=1, padding=1)[:, 0] for sign in (1, -1))
    edge = high != -low
    across = (normal[..., 1:] * normal[..., :-1]).sum(0) < _CREASE
    down = (normal[..., 1:, :] * normal[..., :-1, :]).sum(0) < _CREASE
    edge[..., 1:] |= across
    edge[..., :-1] |= across
    edge[..., 1:, :] |= down
    edge[..., :-1, :] |= down
    inside = (body >= 0) & ~edge
    varied = inside & (stage.is_metal | (stage.texture > 0))[body]
    smooth, varied, edge = (mask.flatten().nonzero()[:, 0] for mask in (inside & ~varied, varied, edge))
    return smooth, varied, edge


def _meet(stage: Stage, pixel: Tensor, place: Tensor) -> tuple[_Points, Tensor]:
    """Casts rays through places (2, R) of pixels (R,), those of a pixel adjacent; returns what is met, and by which."""
    bodies, cameras = stage.bodies, stage.cameras
    count = torch.bincount(pixel, minlength=cameras.pixels)
    first = torch.zeros_like(count)
    starts = torch.ones_like(pixel, dtype=torch.bool)
    starts[1:] = pixel[1:] != pixel[:-1]
    first[pixel[starts]] = starts.nonzero()[:, 0]

    body, column, row = pixels_of(outline_boxes(bodies, cameras))
    near = cameras.pixel(select(bodies.scene, body), column, row)
    pair, rank = spread(select(count, near))
    ray = select(first, select(near, pair)) + rank
    body, column, row = (select(values, pair) for values in (body, column, row))
    offset, picked = select(place, ray), bodies.at(body)
    eye, view = select(cameras.eye, picked.scene), cameras.rays(picked.scene, column + offset[0], row + offset[1])
    way, normal = cast(picked, eye, view)

    _, kept = nearest(ray, way, len(pixel))  # sorted by body, as the pairs are
    position = select(eye, kept) + select(way, kept) * select(view, kept)
    return _Points(select(body, kept), position, select(normal, kept), select(view, kept)), select(ray, kept)


def _radiance(stage: Stage, points: _Points) -> Tensor:
    """What points on bodies send along their rays, (3, M)."""
    pairs = _pairs(stage.bodies)
    seen, sky = _light_reaching(stage, points, pairs)
    lamps = select(stage.lamps, select(stage.bodies.scene, points.body))
    paint = _patterned(stage, points)
    radiance = rubber_radiance(points.position, points.normal, points.view, paint, lamps, seen, sky)
    shiny = select(stage.is_metal, points.body).nonzero()[:, 0]
    mirrored = _mirrored(stage, points.at(shiny), pairs) * select(sky, shiny).sqrt()
    radiance[:, shiny] = select(paint, shiny) * (0.2 * select(radiance, shiny) + 0.84 * mirrored)
    return radiance


def _light_reaching(stage: Stage, points: _Points, pairs: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    """The shares of the lamps (3, M) and of the sky (M,) that other bodies leave to points."""
    bodies, where = stage.bodies, points.position
    count, total = len(points.body), len(bodies.scene)
    first, second = pairs

    lamps = select(stage.lamps, bodies.scene)  # (3, lamp, K)
    toward = select(lamps, points.body) - where[:, None]
    lit = ((points.normal[:, None] * toward).sum(0) > 0).flatten().nonzero()[:, 0]
    lamp, point = torch.div(lit, count, rounding_mode="floor"), lit.remainder(count)
    near = _in_the_way(bodies, first, second, select(lamps, first), LAMP_RADIUS)  # (lamp, pair)
    number, pair = near.nonzero().T
    row, item = _matches(lamp * total + select(points.body, point), number * total + select(first, pair))
    lit, point, body = select(lit, item), select(point, item), select(select(second, pair), row)
    light = select(lamps.flatten(1), select(number, row) * total + body)
    seen = torch.ones(LAMP_COUNT * count, dtype=where.dtype, device=where.device)
    seen.scatter_reduce_(0, lit, 1 - blocked(bodies, body, select(where, point), light), "amin")

    apart = (select(bodies.center, second) - select(bodies.center, first)).square().sum(0).sqrt()
    reach = bodies.extent().amax(0)
    close = (apart < 1.5 * select(reach, first) + CONTACT * select(reach, second)).nonzero()[:, 0]
    row, point = _matches(points.body, select(first, close))
    body = select(select(second, close), row)
    sky = torch.ones_like(where[0])
    hidden = shaded(bodies, body, select(where, point), select(points.normal, point))
    sky.scatter_reduce_(0, point, 1 - hidden, "amin")
    return seen.reshape(LAMP_COUNT, count), sky


def _pairs(bodies: Bodies) -> tuple[Tensor, Tensor]:
    """All ordered pairs of different bodies of one scene."""
    same = bodies.scene[:, None] == bodies.scene
    same.fill_diagonal_(False)
    first, second = same.nonzero().T
    return first, second


def _in_the_way(bodies: Bodies, first: Tensor, second: Tensor, goals: Tensor, spare: float) -> Tensor:
    """Whether each second body (P,) may stand between the first and its goals (3, N, P), bool (N, P).

    Bodies are taken as the balls around them, and a goal as a ball of radius `spare`.
    """
    start = select(bodies.center, first)[:, None]
    way, toward = goals - start, select(bodies.center, second)[:, None] - start
    along = ((toward * way).sum(0) / way.square().sum(0)).clamp(0, 1)
    gap = (toward - along * way).square().sum(0).sqrt()
    ball = bodies.extent().square().sum(0).sqrt()
    return gap < select(ball, first) + select(ball, second) + spare


def _matches(keys: Tensor, wanted: Tensor) -> tuple[Tensor, Tensor]:
    """All pairs of a wanted key (P,) and an equal one among sorted keys (M,): the place in each."""
    count = torch.bincount(keys, minlength=int(wanted.max()) + 1 if len(wanted) else 0)
    row, rank = spread(select(count, wanted))
    return row, select(count.cumsum(0) - count, select(wanted, row)) + rank


def _mirrored(stage: Stage, metal: _Points, pairs: tuple[Tensor, Tensor]) -> Tensor:
    """Radiance (3, M) that points on metal mirror."""
    bodies, (first, second) = stage.bodies, pairs
    direction = metal.view - 2 * (metal.view * metal.normal).sum(0) * metal.normal
    lamps = select(stage.lamps, select(bodies.scene, metal.body))
    radiance = _surroundings(stage, metal, direction, lamps)

    pair, point = _matches(metal.body, first)
    body = select(second, pair)
    toward = select(bodies.center, body) - select(metal.position, point)
    along = (toward * select(direction, point)).sum(0)
    ball = select(bodies.extent().square().sum(0), body)
    close = ((along > 0) & (toward.square().sum(0) - along.square() < ball)).nonzero()[:, 0]
    body, point = select(body, close), select(point, close)
    way, normal = cast(bodies.at(body), select(metal.position, point), select(direction, point))

    _, kept = nearest(point, way, len(metal.body))
    body, point, way = select(body, kept), select(point, kept), select(way, kept)
    leaving = select(direction, point)
    seen = torch.ones(LAMP_COUNT, len(kept), dtype=radiance.dtype, device=radiance.device)
    image = rubber_radiance(
        select(metal.position, point) + way * leaving,
        select(normal, kept),
        leaving,
        select(stage.paint, body),
        select(lamps, point),
        seen,
        seen[0],
    )
    clear = 1 / (1 + _ROUGHNESS * way)
    radiance[:, point] = clear * image + (1 - clear) * select(radiance, point)
    return radiance


def _surroundings(stage: Stage, metal: _Points, direction: Tensor, lamps: Tensor) -> Tensor:
    """Radiance (3, M) of ground or sky in the directions in which points on metal look."""
    down = direction[2].clamp(max=-0.03)
    ground = metal.position - metal.position[2] / down * direction
    sky = 1 - shaded(stage.bodies, metal.body, ground, constant((0.0, 0.0, 1.0), ground))
    seen = sky.expand(LAMP_COUNT, -1)
    below = ground_radiance(ground, lamps, seen, sky)
    above = sky_radiance(metal.position, direction, lamps)
    mix = (0.5 - direction[2] / 0.16).clamp(0, 1)  # the roughness of the metal blurs the horizon too
    return mix * below + (1 - mix) * above


def _patterned(stage: Stage, points: _Points) -> Tensor:
    """Paint (3, M) at points: plain, or with bands or squares of a lighter tone."""
    paint = select(stage.paint, points.body)
    if not bool(stage.texture.any()):
        return paint
    texture, bodies = select(stage.texture, points.body), stage.bodies.at(points.body)
    scaled = 2.5 * bodies.local(points.position - bodies.center) / bodies.extent().amax(0)
    cells = (scaled + 0.25).floor()  # shifted, so that no flat side lies on the border of two cells
    light = torch.where(texture == 1, cells[2], cells.sum(0)).remainder(2) * (texture > 0)
    return paint + 0.45 * light * (1 - paint)
