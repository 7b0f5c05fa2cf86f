"""Light: three lamps over the ground, what bodies hide of them, and how paint answers.

All radiances are linear, in units in which the far ground shows 0.134. Positions and power of the lamps were fitted to
the ground of Blender's pictures of CLEVR's base scene; `tools/compare_clevr.py` measures how close they come.

Legend: B scenes, K bodies, M points; vectors stand in the first dimension, as (3, M), and M may be
several dimensions that broadcast, such as (B, 1) for a lamp and (B, H·W) for points.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import torch
from torch import Tensor

from laconvnet.scenes.geometry import Bodies, select
from laconvnet.scenes.scene import Vector

LAMPS: Final[tuple[Vector, Vector, Vector]] = ((5.87, -2.86, 4.14), (-4.63, -4.13, 2.77), (-0.62, 2.35, 4.59))
"""Where the key, fill and back lamp hang before they are jittered."""

LAMP_COUNT: Final = len(LAMPS)
LAMP_RADIUS: Final = 0.5

_POWER: Final = ((4.40, 4.08, 3.53), (1.45, 1.57, 1.95), (1.91, 1.90, 1.89))  # of the ground's radiance, at distance 1
_AMBIENT: Final = (0.1348, 0.1344, 0.1337)
_AIM: Final = ((1.0, 1.1, -2.8), (1.5, 2.5, -1.4), (-3.1, -3.7, -3.1))  # what the lamps face
_GROUND_ALBEDO: Final = 0.75
_SKY: Final = 0.07  # what metal mirrors above the horizon
_BOUNCE: Final = 0.12  # mean light of the ground, for what faces it


def constant(vector: Sequence[float], like: Tensor) -> Tensor:
    """A vector or colour that goes with points (3, ...)."""
    return torch.tensor(vector, dtype=like.dtype, device=like.device).reshape(-1, *(1,) * (like.dim() - 1))


def lamp_light(points: Tensor, normals: Tensor, lamp: Tensor, number: int) -> tuple[Tensor, Tensor]:
    """Light (M,) of lamp `number` at `lamp` (3, M) on surfaces before colour, and the unit vectors (3, M) to it."""
    toward = lamp - points
    square = toward.square().sum(0)
    toward = toward / square.sqrt()
    axis = constant(_AIM[number], points) - lamp
    axis = axis / axis.square().sum(0).sqrt()
    facing = -(toward * axis).sum(0).clamp(max=0)
    return (normals * toward).sum(0).clamp(min=0) * facing / square, toward


def blocked(bodies: Bodies, body: Tensor, points: Tensor, lamp: Tensor) -> Tensor:
    """The share (M,) in [0, 1] of a lamp's disc that a body hides from a point.

    The cone from the point to the disc is compared with the body's distance at two places along its axis.

    Args:
        bodies: All bodies.
        body: (M,) int64, the one that may be in the way.
        points: (3, M) points outside it.
        lamp: (3, M) centre of the disc.
    """
    toward = lamp - points
    far = toward.square().sum(0).sqrt()
    start = points - select(bodies.center, body)
    middle = -(start * toward).sum(0) / far
    ball = select(bodies.extent().square().sum(0).sqrt(), body)
    widest = ball + LAMP_RADIUS * ((middle + ball) / far).clamp(0, 1)
    apart = start.square().sum(0) - middle.square()
    near = ((apart < widest.square()) & (middle > -ball)).nonzero()[:, 0]

    share = torch.zeros_like(far)
    start, toward, far, middle = (select(values, near) for values in (start, toward, far, middle))
    share[near] = _blocked_share(bodies.at(select(body, near)), start, toward, far, middle)
    return share


def _blocked_share(bodies: Bodies, start: Tensor, toward: Tensor, far: Tensor, middle: Tensor) -> Tensor:
    start, step = bodies.local(start), bodies.local(toward / far)
    share, away = _covered(bodies, start, step, far, middle)
    # The body comes closer to the axis, or to where the cone is narrower, on the side where its distance falls.
    shift = 0.7 * bodies.extent().amin(0) * (away * step).sum(0).sign()
    other, _ = _covered(bodies, start, step, far, middle - shift)
    share = torch.maximum(share, other).clamp(0, 1)
    return share.square() * (3 - 2 * share)


def _covered(bodies: Bodies, start: Tensor, step: Tensor, far: Tensor, way: Tensor) -> tuple[Tensor, Tensor]:
    """How far a body reaches over the cone at a place of its axis, 0 to 1, and the vector from its core to there."""
    way = torch.minimum(way.clamp(min=0.02), far)
    distance, away = bodies.distance(start + way * step)
    return 0.5 - 0.5 * distance * far / (LAMP_RADIUS * way), away


def shaded(bodies: Bodies, body: Tensor, points: Tensor, normals: Tensor) -> Tensor:
    """The share (M,) in [0, 1] of the sky that a body hides from a surface, as if it were a sphere.

    Args:
        bodies: All bodies.
        body: (M,) int64, the one that may be in the way.
        points: (3, M) points outside it.
        normals: (3, M) of the surface there.
    """
    toward = select(bodies.center, body) - points
    square = toward.square().sum(0)
    reach = select(bodies.extent().square().mean(0), body)
    facing = ((normals * toward).sum(0) / square.sqrt()).clamp(min=0)
    return (facing * reach / square).clamp(max=1)


def ground_radiance(points: Tensor, lamps: Tensor, seen: Tensor, sky: Tensor) -> Tensor:
    """Radiance (3, M) of the ground.

    Args:
        points: (3, M) on the ground.
        lamps: (3, 3, M), axis by lamp.
        seen: (3, M) share of each lamp that is not hidden.
        sky: (M,) share of the sky that is not hidden.
    """
    up = constant((0.0, 0.0, 1.0), points)
    radiance = constant(_AMBIENT, points) * sky
    for number in range(LAMP_COUNT):
        light, _ = lamp_light(points, up, lamps[:, number], number)
        radiance = radiance + constant(_POWER[number], points) * (light * seen[number])
    return radiance


def rubber_radiance(
    points: Tensor, normals: Tensor, view: Tensor, paint: Tensor, lamps: Tensor, seen: Tensor, sky: Tensor
) -> Tensor:
    """Radiance (3, M) of matte paint: Lambert's law, and a broad weak gloss.

    Args:
        points: (3, M) on bodies.
        normals: (3, M) outward.
        view: (3, M) unit directions of the rays that arrive.
        paint: (3, M) linear albedo.
        lamps, seen, sky: as for `ground_radiance`.
    """
    upward = 0.5 + 0.5 * normals[2]
    ambient = constant(_AMBIENT, points) * (upward * sky) + _BOUNCE * (1 - upward)
    diffuse, gloss = ambient, torch.zeros_like(points)
    for number in range(LAMP_COUNT):
        light, toward = lamp_light(points, normals, lamps[:, number], number)
        power = constant(_POWER[number], points) * (light * seen[number])
        half = toward - view
        half = half / half.square().sum(0).sqrt().clamp(min=1e-6)
        diffuse = diffuse + power
        gloss = gloss + power * (12 * ((half * normals).sum(0) - 1)).exp()
    return paint * diffuse / _GROUND_ALBEDO + 0.08 * gloss


def sky_radiance(points: Tensor, direction: Tensor, lamps: Tensor) -> Tensor:
    """What metal mirrors of the dark above it, in unit directions (3, M): the lamps, blurred by its roughness."""
    radiance = torch.full_like(points, _SKY)
    for number in range(LAMP_COUNT):
        toward = lamps[:, number] - points
        toward = toward / toward.square().sum(0).sqrt()
        apart = (direction * toward).sum(0) - 1
        lobe = 1.8 * (128 * apart).exp() + 0.04 * (4 * apart).exp()
        radiance = radiance + constant(_POWER[number], points) * lobe
    return radiance
