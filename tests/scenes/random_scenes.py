"""Scenes for tests: a hand-made one, and random ones whose objects keep clear of each other in both directions."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from laconvnet.scenes.scene import Scene, SceneObject
from laconvnet.scenes.sentence import VALUES, Values

LAMPS = ((4.0, -4.0, 6.0), (-5.0, -3.0, 5.0), (2.0, 5.0, 6.0))

HARD_VALUES = {
    "size": ("small", "large"),
    "color": ("orange", "pink", "white", "black", "red"),
    "material": ("metal", "rubber"),
    "shape": ("cube", "slab", "disk", "capsule"),
}


def hand_made_scene(visible: tuple[float, ...] = (1.0, 0.5, 0.95, 0.98, 0.89)) -> Scene:
    """Five objects, from left to right, seen from where y is negative: right is +x and behind is +y."""
    looks = (
        ("cube", "large", "red", "metal", -2.0, 0.0),
        ("sphere", "small", "red", "rubber", -1.0, 1.0),
        ("cube", "small", "blue", "metal", 0.0, -1.0),
        ("cylinder", "large", "green", "rubber", 1.0, 2.0),
        ("sphere", "small", "blue", "rubber", 2.0, -2.0),
    )
    return Scene(tuple(SceneObject(*look, 0.0) for look in looks), (0.0, -7.0, 5.0), LAMPS, visible)


def random_scene(rng: np.random.Generator, count: int | None = None, values: Values = VALUES) -> Scene:
    """Three to ten objects, or as many as asked for, seen from a random side."""
    count = int(rng.integers(3, 11)) if count is None else count
    angle = rng.uniform(0, 2 * math.pi)
    grid = np.linspace(-2.6, 2.6, 12)  # 0.47 apart, so that 0.4 stays between any two
    across, along = (rng.permutation(grid)[:count] + rng.uniform(-0.03, 0.03, count) for _ in range(2))
    behind = (-math.cos(angle), -math.sin(angle))
    right = (behind[1], -behind[0])
    objects = []
    for u, v in zip(across, along, strict=True):
        shape, size, color, material = (_one(rng, values[name]) for name in ("shape", "size", "color", "material"))
        x, y = u * right[0] + v * behind[0], u * right[1] + v * behind[1]
        objects.append(SceneObject(shape, size, color, material, float(x), float(y), float(rng.uniform(0, 360))))
    eye = (7.0 * math.cos(angle), 7.0 * math.sin(angle), 5.4)
    visible = tuple(min(float(share), 1.0) for share in rng.uniform(0.3, 2.0, count))
    return Scene(tuple(objects), eye, LAMPS, visible)


def _one(rng: np.random.Generator, items: Sequence[str]) -> str:
    return items[int(rng.integers(len(items)))]
