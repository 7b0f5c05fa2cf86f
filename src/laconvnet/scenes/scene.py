"""What a scene is: objects on a ground, lamps, a camera, and the relations between the objects.

World units and axes are CLEVR's: the ground is the plane z = 0, z points up, objects stand within ±3 of the origin,
and the camera looks at the origin.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, TypeAlias

Vector: TypeAlias = tuple[float, float, float]

ATTRIBUTES: Final = ("size", "color", "material", "shape")
"""What a sentence can say of an object, in the order in which English puts the words."""

SIZES: Final[dict[str, float]] = {"large": 0.7, "small": 0.35, "tiny": 0.12}
"""Half the width of an object in world units; only clutter is tiny."""

MATERIALS: Final = ("rubber", "metal")

COLORS: Final[dict[str, tuple[int, int, int]]] = {
    "gray": (87, 87, 87),
    "red": (173, 35, 35),
    "blue": (42, 75, 215),
    "green": (29, 105, 20),
    "brown": (129, 74, 25),
    "purple": (129, 38, 192),
    "cyan": (41, 208, 208),
    "yellow": (255, 238, 51),
    "orange": (235, 90, 10),
    "pink": (250, 120, 160),
    "white": (235, 235, 235),
    "black": (18, 18, 18),
}
"""Paint, the share of red, green and blue light it returns in 255ths: CLEVR gives Blender such numbers as linear light,
so that a picture shows them paler. The first eight are CLEVR's, the others are for harder worlds."""

SHAPES: Final = ("cube", "sphere", "cylinder", "slab", "disk", "capsule")
"""The first three are CLEVR's, the others are for harder worlds: a flat cube, a flat and a round-ended cylinder."""

TEXTURES: Final = ("plain", "striped", "checkered")
"""Patterns of the paint; no sentence names them."""

DIRECTIONS: Final = ("left", "right", "behind", "front")

_CLEARLY = 0.2  # world units by which an object must lie further in a direction to be "left of", ... another


@dataclass(frozen=True, slots=True)
class SceneObject:
    """Something that stands on the ground.

    Attributes:
        shape: One of `SHAPES`.
        size: A key of `SIZES`.
        color: A key of `COLORS`.
        material: `"rubber"` (matte) or `"metal"` (mirrors its surroundings).
        x: Position of the centre on the ground, world units.
        y: Likewise.
        rotation: Turn about the vertical axis, degrees.
        texture: One of `TEXTURES`.
    """

    shape: str
    size: str
    color: str
    material: str
    x: float
    y: float
    rotation: float
    texture: str = "plain"


@dataclass(frozen=True, slots=True)
class Scene:
    """Objects, lamps and a camera that looks at the origin.

    Attributes:
        objects: What sentences speak of.
        eye: Position of the camera.
        lamps: Positions of the key, fill and back lamp.
        visible: Of each object, the share of its outline that no other object hides, in (0, 1]; known from a ray
            cast of fixed resolution, so that it does not depend on the size of a picture.
        clutter: Small things that lie about and that no sentence names.
        zoom: Focal length of the camera, in CLEVR's.
    """

    objects: tuple[SceneObject, ...]
    eye: Vector
    lamps: tuple[Vector, Vector, Vector]
    visible: tuple[float, ...] = ()
    clutter: tuple[SceneObject, ...] = ()
    zoom: float = 1.0

    def direction(self, name: str) -> tuple[float, float]:
        """The unit vector on the ground that points `"left"`, `"right"`, `"behind"` or `"front"` for the camera."""
        distance = math.hypot(self.eye[0], self.eye[1])
        behind = (-self.eye[0] / distance, -self.eye[1] / distance)
        sign, (x, y) = {
            "behind": (1, behind),
            "front": (-1, behind),
            "right": (1, (behind[1], -behind[0])),
            "left": (-1, (behind[1], -behind[0])),
        }[name]
        return sign * x, sign * y

    def offset(self, start: int, end: int, direction: str) -> float:
        """How far object `end` lies in a direction from object `start`, in world units; negative: opposite."""
        x, y = self.direction(direction)
        a, b = self.objects[start], self.objects[end]
        return (b.x - a.x) * x + (b.y - a.y) * y

    def related(self, start: int, direction: str) -> tuple[int, ...]:
        """The objects, ascending, that lie `"left"`, ... of object `start`, as CLEVR defines it: by more than 0.2."""
        return tuple(
            end for end in range(len(self.objects)) if end != start and self.offset(start, end, direction) > _CLEARLY
        )

    def column(self, index: int) -> float:
        """Where an object's centre appears in the picture: 0 is the middle, negative is left of it."""
        distance = math.hypot(*self.eye)
        item = self.objects[index]
        x, y = self.direction("right")
        point = (item.x, item.y, SIZES[item.size])
        depth = distance - sum(a * b for a, b in zip(self.eye, point, strict=True)) / distance
        return (item.x * x + item.y * y) / depth
