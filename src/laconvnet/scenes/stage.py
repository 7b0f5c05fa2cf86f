"""A batch of scenes as tensors, ready to be drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from laconvnet.scenes.geometry import Bodies, Cameras
from laconvnet.scenes.scene import COLORS, TEXTURES, Scene


@dataclass(frozen=True, slots=True)
class Stage:
    """What is to be drawn.

    Attributes:
        bodies: K objects and pieces of clutter of all scenes.
        cameras: of B scenes.
        lamps: (3, 3, B) positions, axis by lamp.
        paint: (3, K) linear colours.
        is_metal: (K,) bool.
        texture: (K,) int64, the number of the pattern in `scene.TEXTURES`.
    """

    bodies: Bodies
    cameras: Cameras
    lamps: Tensor
    paint: Tensor
    is_metal: Tensor
    texture: Tensor

    @classmethod
    def of(cls, scenes: Sequence[Scene], width: int, height: int, device: torch.device) -> Stage:
        """Packs scenes for pictures of width x height pixels, in float32."""
        items = [body for scene in scenes for body in (*scene.objects, *scene.clutter)]
        lamps = torch.tensor([scene.lamps for scene in scenes], dtype=torch.float32, device=device)
        return cls(
            Bodies.of(scenes, device=device, dtype=torch.float32),
            Cameras.of(scenes, width, height, device=device, dtype=torch.float32),
            lamps.permute(2, 1, 0).contiguous(),
            torch.tensor([COLORS[body.color] for body in items], dtype=torch.float32, device=device).T / 255,
            torch.tensor([body.material == "metal" for body in items], device=device),
            torch.tensor([TEXTURES.index(body.texture) for body in items], device=device),
        )
