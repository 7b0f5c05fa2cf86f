"""Pictures of scenes, and exactly what every pixel of them shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

from laconvnet.scenes.geometry import cast_centers
from laconvnet.scenes.ground_layer import draw_ground
from laconvnet.scenes.object_layer import draw_objects
from laconvnet.scenes.scene import Scene
from laconvnet.scenes.stage import Stage

SMALLEST, LARGEST = 64, 2048
"""Sides of a picture in pixels; in smaller ones the smallest objects would be lost."""

# Pixels of the scenes that are drawn at once: in the caches of a CPU, and enough to fill an accelerator.
_TOGETHER_ON_CPU: Final = 1 << 17
_TOGETHER: Final = 1 << 23


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

    A pixel with an edge, a pattern or a reflection is the mean of two or four rays; where all is smooth, one is enough.
    A picture does not depend on the others of its batch.

    Args:
        scenes: Scenes to draw, at least one.
        size: Side of a square picture, or (width, height), in pixels from 64 to 2048.
        device: Where to compute; the result stays there.

    Returns:
        Pictures, instance maps, depths and visible shares.

    Raises:
        ValueError: No scene, a scene with nothing in it, or a size outside its range.
    """
    width, height = picture_size(size)
    if not scenes:
        raise ValueError("render needs at least one scene, got none")
    for number, scene in enumerate(scenes):
        if not scene.objects and not scene.clutter:
            raise ValueError(f"scene {number} of {len(scenes)} is empty; a picture needs an object or clutter")
    device = torch.device(device)
    together = max(1, (_TOGETHER_ON_CPU if device.type == "cpu" else _TOGETHER) // (width * height))
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
    stage = Stage.of(scenes, width, height, device)
    surface = cast_centers(stage.bodies, stage.cameras)
    image = draw_ground(stage)
    draw_objects(stage, surface, image)
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


def _to_srgb(radiance: Tensor) -> Tensor:
    """8-bit display values of linear ones, by the sRGB curve of IEC 61966-2-1."""
    curve = torch.where(
        radiance <= 0.0031308, 12.92 * radiance, 1.055 * radiance.clamp(min=0.0031308).pow(1 / 2.4) - 0.055
    )
    return (255 * curve).round().clamp(0, 255).to(torch.uint8)
