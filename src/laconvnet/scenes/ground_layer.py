"""The ground of every picture, with the shadows that bodies throw on it.

The ground is smooth, and is drawn at the middle of every pixel as if nothing stood before it.

Legend: B scenes, K bodies, M pairs of a body and a pixel; vectors stand in the first dimension, as (3, M).
"""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor

from laconvnet.scenes.geometry import Bodies, Cameras, corners, pixel_boxes, pixels_of, select
from laconvnet.scenes.lighting import LAMP_COUNT, LAMP_RADIUS, blocked, constant, ground_radiance, shaded
from laconvnet.scenes.stage import Stage

CONTACT: Final = 2.5
"""Half widths around a body in which it darkens what it stands on or beside."""

_LONGEST_SHADOW: Final = 6.0  # world units; beyond, a lamp is too far to matter


def draw_ground(stage: Stage) -> Tensor:
    """Returns the radiance (3, B·H·W) of the ground."""
    bodies, count = stage.bodies, len(stage.bodies.scene)
    points = _ground_points(stage.cameras)  # (3, B, H·W)
    flat = points.reshape(3, -1)

    lamps = select(stage.lamps, bodies.scene)  # (3, lamp, K)
    box, pixel = _pixels_near(_shadow_outlines(bodies, lamps), stage)
    lamp, body = torch.div(box, count, rounding_mode="floor"), box.remainder(count)
    hidden = blocked(bodies, body, select(flat, pixel), select(lamps.flatten(1), box))
    seen = torch.ones(LAMP_COUNT * stage.cameras.pixels, dtype=flat.dtype, device=flat.device)
    seen.scatter_reduce_(0, lamp * stage.cameras.pixels + pixel, 1 - hidden, "amin")

    body, pixel = _pixels_near(_contact_outlines(bodies), stage)
    sky = torch.ones_like(flat[0])
    hidden = shaded(bodies, body, select(flat, pixel), constant((0.0, 0.0, 1.0), flat))
    sky.scatter_reduce_(0, pixel, 1 - hidden, "amin")

    shape = points.shape[1:]
    radiance = ground_radiance(points, stage.lamps[..., None], seen.reshape(LAMP_COUNT, *shape), sky.reshape(shape))
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


def _pixels_near(outlines: Tensor, stage: Stage) -> tuple[Tensor, Tensor]:
    """The pixels of the boxes around outlines (3, N·K, P) on the ground: number of the outline, and pixel, (M,)."""
    cameras = stage.cameras
    scene = stage.bodies.scene.repeat(outlines.shape[1] // len(stage.bodies.scene))
    column, row, depth = cameras.project(scene, outlines)
    # What lies behind the camera would appear mirrored: such an outline takes the whole picture.
    column = torch.where(depth > 0.5, column, torch.where(column > cameras.width / 2, -1e6, 1e6))
    row = torch.where(depth > 0.5, row, 1e6)
    box, column, row = pixels_of(pixel_boxes(column, row, cameras))
    return box, cameras.pixel(select(scene, box), column, row)


def _shadow_outlines(bodies: Bodies, lamps: Tensor) -> Tensor:
    """Points (3, lamp·K, 32) on the ground around the shadow that each body throws from each lamp (3, lamp, K)."""
    x, y, z = corners(bodies)[:, None, :, :, None]  # (1, K, 8, 1)
    shift = LAMP_RADIUS * torch.tensor([[-1, 1, -1, 1], [-1, -1, 1, 1]]).to(lamps)
    stretch = z / (lamps[2, :, :, None, None] - z)
    run_x, run_y = (
        stretch * (corner - lamps[axis, :, :, None, None] - shift[axis]) for axis, corner in enumerate((x, y))
    )
    shorten = (_LONGEST_SHADOW / torch.hypot(run_x, run_y).clamp(min=1e-6)).clamp(max=1)
    points = torch.stack([x + shorten * run_x, y + shorten * run_y, torch.zeros_like(run_x)])
    return points.flatten(3).flatten(1, 2)


def _contact_outlines(bodies: Bodies) -> Tensor:
    """Corners (3, K, 4) of the square of ground that each body darkens."""
    reach = CONTACT * bodies.extent().amax(0)[:, None]
    signs = torch.tensor([[-1, -1, 1, 1], [-1, 1, -1, 1]]).to(reach)
    x, y = (bodies.center[axis, :, None] + reach * signs[axis] for axis in range(2))
    return torch.stack([x, y, torch.zeros_like(x)])
