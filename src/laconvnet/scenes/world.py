"""Worlds: which scenes can occur, and drawing them."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Literal, get_args

import numpy as np
import torch
from torch import Tensor

from laconvnet.scenes.geometry import Bodies, Cameras, cast_centers, outline_boxes
from laconvnet.scenes.lighting import LAMPS
from laconvnet.scenes.scene import (
    ATTRIBUTES,
    COLORS,
    MATERIALS,
    SHAPES,
    SIZES,
    TEXTURES,
    Scene,
    SceneObject,
    Vector,
)

Condition = Literal["all", "A", "B"]

EYE: Final[Vector] = (7.48, -6.51, 5.34)
"""Where CLEVR's camera stands before it is jittered."""

_COGENT: Final[dict[str, dict[str, tuple[str, ...]]]] = {
    "A": {"cube": ("gray", "blue", "brown", "yellow"), "cylinder": ("red", "green", "purple", "cyan")},
    "B": {"cube": ("red", "green", "purple", "cyan"), "cylinder": ("gray", "blue", "brown", "yellow")},
}
"""Colours that a shape may have under CLEVR-CoGenT's two conditions; other shapes take all."""

_VALUES: Final[dict[str, tuple[str, ...]]] = {
    "shapes": SHAPES,
    "sizes": ("large", "small"),
    "colors": tuple(COLORS),
    "materials": MATERIALS,
    "textures": TEXTURES,
}
_MOST: Final = 100  # objects of a scene
_RANGES: Final[dict[str, tuple[float, float]]] = {
    "field": (1.0, 3.0),
    "zoom": (0.5, 4.0),
    "min_gap": (0.0, 2.0),
    "margin": (0.0, 2.0),
    "min_visible": (0.0005, 0.1),
    "aspect": (1.0, 2.0),
    "clutter": (0, 100),
}
_EYE_JITTER, _LAMP_JITTER = 0.5, 1.0
_RAYS: Final = 160  # side of the picture in which visibility is judged, whatever is drawn later
_TRIES_PLACE, _TRIES_SCENE = 60, 10_000


@dataclass(frozen=True)
class World:
    """What can occur in a scene; the defaults are CLEVR's world.

    Attributes:
        objects: Fewest and most objects of a scene.
        shapes: Shapes that occur, of `scene.SHAPES`.
        sizes: Sizes that occur, of `scene.SIZES`.
        colors: Colours that occur, of `scene.COLORS`.
        materials: Materials that occur, of `scene.MATERIALS`.
        textures: Patterns of the paint, of `scene.TEXTURES`; no sentence names them.
        clutter: Most unnamed small things beside the objects.
        field: Objects stand within this distance of the origin along both axes, world units from 1 to 3.
        zoom: Focal length of the camera in CLEVR's, from 0.5 to 4.
        min_gap: Least distance between the sides of two objects, world units.
        margin: Least distance of two centres along each of the four directions, so that every relation is clear.
        min_visible: Least area of an object that is not hidden, as a share of the squared width of the picture.
        aspect: Width over height of the widest pictures in which every object appears whole, from 1 to 2.
        condition: Which colours cubes and cylinders may have: all, or CLEVR-CoGenT's condition A or B.

    Raises:
        ValueError: A value is unknown or out of range; names it and what is allowed.
    """

    objects: tuple[int, int] = (3, 10)
    shapes: tuple[str, ...] = ("cube", "sphere", "cylinder")
    sizes: tuple[str, ...] = ("large", "small")
    colors: tuple[str, ...] = ("gray", "red", "blue", "green", "brown", "purple", "cyan", "yellow")
    materials: tuple[str, ...] = ("rubber", "metal")
    textures: tuple[str, ...] = ("plain",)
    clutter: int = 0
    field: float = 3.0
    zoom: float = 1.0
    min_gap: float = 0.25
    margin: float = 0.4
    min_visible: float = 0.002
    aspect: float = 1.5
    condition: Condition = "all"

    def __post_init__(self) -> None:
        for name, allowed in _VALUES.items():
            values = getattr(self, name)
            if not values or len(set(values)) < len(values) or not set(values) <= set(allowed):
                raise ValueError(f"{name} must be different ones of {', '.join(allowed)}; got {values!r}")
        low, high = self.objects
        if not 1 <= low <= high <= _MOST:
            raise ValueError(f"objects must be (fewest, most), 1 <= fewest <= most <= {_MOST}, got {self.objects!r}")
        for name, (least, most) in _RANGES.items():
            if not least <= getattr(self, name) <= most:
                raise ValueError(f"{name} must lie in [{least}, {most}], got {getattr(self, name)}")
        if self.condition not in get_args(Condition):
            raise ValueError(f"condition must be one of {get_args(Condition)}, got {self.condition!r}")
        if not self._pairs:
            raise ValueError(f"condition {self.condition!r} leaves no colour of {self.colors} to {self.shapes}")

    @property
    def values(self) -> Mapping[str, tuple[str, ...]]:
        """The values that occur, by attribute, in the order of `scene.ATTRIBUTES`."""
        return dict(zip(ATTRIBUTES, (self.sizes, self.colors, self.materials, self.shapes), strict=True))

    @cached_property
    def _pairs(self) -> tuple[tuple[str, str], ...]:
        """Shapes and colours that go together."""
        allowed = _COGENT.get(self.condition, {})
        return tuple(
            (shape, color) for shape in self.shapes for color in self.colors if color in allowed.get(shape, self.colors)
        )

    def scene(self, rng: np.random.Generator) -> Scene:
        """Draws a scene.

        Args:
            rng: Source of chance; the scene depends on its state alone.

        Returns:
            A scene in which every object is visible enough, within the picture, and apart from the others.

        Raises:
            ValueError: No arrangement was found in 10,000 attempts; names the settings to relax.
        """
        count = int(rng.integers(self.objects[0], self.objects[1] + 1))
        for _ in range(_TRIES_SCENE):
            eye = _jitter(rng, EYE, _EYE_JITTER)
            key, fill, back = (_jitter(rng, lamp, _LAMP_JITTER) for lamp in LAMPS)
            scene = Scene((), eye, (key, fill, back), zoom=self.zoom)
            objects = self._arrange(rng, scene, count)
            if objects is None:
                continue
            scene = dataclasses.replace(scene, objects=objects, clutter=self._scatter(rng, objects))
            visible = self._visibility(scene)
            if visible is not None:
                return dataclasses.replace(scene, visible=visible)
        raise ValueError(
            f"no room for {self.objects[0]} to {self.objects[1]} objects of sizes {self.sizes} with "
            f"min_gap {self.min_gap}, margin {self.margin} and min_visible {self.min_visible} "
            f"in {_TRIES_SCENE} attempts; use fewer or smaller objects, or relax these"
        )

    def _arrange(self, rng: np.random.Generator, scene: Scene, count: int) -> tuple[SceneObject, ...] | None:
        """Puts objects down one after the other, or gives up."""
        axes = np.array([scene.direction("right"), scene.direction("behind")])
        objects: list[SceneObject] = []
        places = np.empty((0, 2))
        reaches = np.empty(0)
        for _ in range(count):
            size = self.sizes[int(rng.integers(len(self.sizes)))]
            tried = rng.uniform(-self.field, self.field, size=(_TRIES_PLACE, 2))
            away = tried[:, None] - places  # (tries, objects, 2)
            gaps = np.sqrt((away**2).sum(2)) - reaches - SIZES[size]
            free = (gaps >= self.min_gap).all(1) & (np.abs(away @ axes.T) >= self.margin).all((1, 2))
            if not free.any():
                return None
            place = tried[free.argmax()]
            shape, color = self._pairs[int(rng.integers(len(self._pairs)))]
            material = self.materials[int(rng.integers(len(self.materials)))]
            texture = self.textures[int(rng.integers(len(self.textures)))]
            x, y = place.tolist()
            rotation = float(rng.uniform(0, 360))
            objects.append(SceneObject(shape, size, color, material, x, y, rotation, texture))
            places, reaches = np.vstack([places, place]), np.append(reaches, SIZES[size])
        return tuple(objects)

    def _scatter(self, rng: np.random.Generator, objects: tuple[SceneObject, ...]) -> tuple[SceneObject, ...]:
        """Lays unnamed things where there is room for them."""
        if not self.clutter:
            return ()
        taken = [(item.x, item.y, SIZES[item.size]) for item in objects]
        clutter = []
        for _ in range(int(rng.integers(self.clutter + 1))):
            x, y = rng.uniform(-1.3 * self.field, 1.3 * self.field, size=2).tolist()
            shape = SHAPES[int(rng.integers(len(SHAPES)))]
            color = list(COLORS)[int(rng.integers(len(COLORS)))]
            rotation = float(rng.uniform(0, 360))
            if all(math.hypot(x - a, y - b) > reach + 0.3 for a, b, reach in taken):
                clutter.append(SceneObject(shape, "tiny", color, "rubber", x, y, rotation))
                taken.append((x, y, 0.1))
        return tuple(clutter)

    def _visibility(self, scene: Scene) -> tuple[float, ...] | None:
        """The visible share of each object, or None if one is hidden or cut off by the picture's border.

        Rays are cast in float64, so that other machines come to the same decision.
        """
        device, dtype = torch.device("cpu"), torch.float64
        bodies = Bodies.of([scene], device=device, dtype=dtype)
        cameras = Cameras.of([scene], _RAYS, _RAYS, device=device, dtype=dtype)
        boxes = outline_boxes(bodies, cameras)
        count, margin = len(scene.objects), 0.5 * _RAYS * (1 - 1 / self.aspect)
        low, high = boxes[:count, :2].amin(0).tolist(), boxes[:count, 2:].amax(0).tolist()
        if low[0] <= 0 or high[0] >= _RAYS or low[1] <= margin or high[1] >= _RAYS - margin:
            return None
        crowded = _crowded(boxes, round(self.min_visible * _RAYS**2))
        surface = cast_centers(bodies.at(crowded), cameras)
        shown, visible = torch.full((len(boxes),), _RAYS**2), torch.ones(len(boxes), dtype=torch.float64)
        shown[crowded] = surface.shown
        visible[crowded] = surface.shown.double() / surface.outline.clamp(min=1)
        if (shown[:count] < max(1, self.min_visible * _RAYS**2)).any():
            return None
        return tuple(visible[:count].tolist())


def _crowded(boxes: Tensor, pixels: int) -> Tensor:
    """The bodies that must be looked at: whose box (K, 4) meets another's, or may hold too few pixels of the body.

    An outline that fills less than a third of the box around it is not among the shapes.
    """
    low, high = boxes[:, None, :2], boxes[:, None, 2:]
    meet = ((low < high.transpose(0, 1)) & (low.transpose(0, 1) < high)).all(2)
    small = (boxes[:, 2:] - boxes[:, :2]).prod(1) < 3 * pixels
    return (small | (meet.sum(1) > 1)).nonzero()[:, 0]


WORLDS: Final[dict[str, World]] = {
    "clevr": World(),
    "cogent_a": World(condition="A"),
    "cogent_b": World(condition="B"),
    "near": World(objects=(3, 4), field=1.5, zoom=2.2, aspect=1.0),
    "simple": World(
        objects=(3, 4),
        sizes=("large",),
        colors=("red", "green", "blue", "yellow"),
        materials=("rubber",),
        field=1.5,
        zoom=2.2,
        aspect=1.0,
    ),
    "hard": World(shapes=SHAPES, colors=tuple(COLORS), textures=TEXTURES, clutter=12),
}
"""Worlds by name: CLEVR's, the two conditions of CLEVR-CoGenT, a few objects seen from near, the same with four colours
and three shapes only, and one of all shapes, colours and patterns."""


def _jitter(rng: np.random.Generator, center: Vector, amount: float) -> Vector:
    x, y, z = (np.array(center) + rng.uniform(-amount, amount, size=3)).tolist()
    return x, y, z
