"""A tiny flat world: coloured shapes on a light ground, and sentences that each name exactly one of them.

It is small enough to learn on a CPU within minutes, and it cannot be learnt without reading: the three or
four sentences of a scene all name different objects, so whoever sees only the picture is right about one time
in four, and whoever sees only the sentence does not know where the object lies.
"""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

Box: TypeAlias = tuple[int, int, int, int]

COLOURS: Final[dict[str, tuple[int, int, int]]] = {
    "red": (214, 39, 40),
    "green": (44, 150, 62),
    "blue": (36, 92, 200),
    "yellow": (238, 196, 28),
}
SHAPES: Final = ("circle", "square", "triangle")
SIZES: Final[dict[str, tuple[float, float]]] = {"small": (0.23, 0.27), "large": (0.36, 0.42)}
"""Width of an object as a share of the picture's, lowest and highest."""

_SUBPIXELS: Final = 4  # an edge pixel takes one of 4·4 + 1 shades
_GAP: Final = 2  # pixels between two boxes, and between a box and the border
_ORDER_MARGIN: Final = 0.08  # "leftmost" holds only by this share of the picture's width
_ORDER_SHARE: Final = 0.35  # sentences by order, where order can tell


@dataclass(frozen=True)
class FlatObject:
    """One shape of a scene.

    Attributes:
        size: `"small"` or `"large"`.
        colour: A key of `COLOURS`.
        shape: One of `SHAPES`.
        box: Half-open pixel box (x0, y0, x1, y1), the extent of every pixel that the shape touches.
    """

    size: str
    colour: str
    shape: str
    box: Box


@dataclass(frozen=True)
class FlatExpression:
    """A sentence that exactly one object of its scene satisfies.

    Attributes:
        text: The sentence, in lower case and without punctuation.
        kind: `"attribute"` ("the large red circle") or `"order"` ("the leftmost circle").
        target: Index of the object among the scene's objects.
        box: The object's box.
    """

    text: str
    kind: str
    target: int
    box: Box


@dataclass(frozen=True, eq=False)
class FlatScene:
    """A picture, what is on it, and three or four sentences about different objects.

    Attributes:
        image: (size, size, 3) uint8, RGB.
        objects: Three to five shapes whose boxes do not meet.
        expressions: One sentence for each of three or four objects, in random order.
    """

    image: npt.NDArray[np.uint8]
    objects: tuple[FlatObject, ...]
    expressions: tuple[FlatExpression, ...]


def flat_scene(seed: int, index: int, *, split: str = "train", size: int = 96, noise: float = 5.0) -> FlatScene:
    """Make one scene, a pure function of its arguments: the same on every machine and in every process.

    Args:
        seed: Names the world, at least 0.
        index: Names the scene within the split, at least 0.
        split: Scenes of different splits are independent.
        size: Width and height of the picture in pixels, at least 48.
        noise: Standard deviation of the noise on every channel of every pixel, in grey levels of 255; 0 gives
            a plain ground.

    Returns:
        The scene. Its objects and sentences do not depend on `noise`.

    Raises:
        ValueError: If an argument lies outside its range.
    """
    if seed < 0 or index < 0:
        raise ValueError(f"flat_scene: seed and index must be at least 0, got seed={seed}, index={index}")
    if size < 48:
        raise ValueError(f"flat_scene: size must be at least 48 pixels, got {size}")
    if not noise >= 0:
        raise ValueError(f"flat_scene: noise must be at least 0, got {noise}")
    rng = np.random.default_rng([seed, zlib.crc32(split.encode()), index])
    while True:
        layout = _place(rng, size)
        objects = tuple(item.described for item in layout)
        expressions = _describe(objects, rng, margin=_ORDER_MARGIN * size)
        if len(expressions) >= 3:
            break
    return FlatScene(_draw(layout, rng, size, noise), objects, expressions)


@dataclass(frozen=True, eq=False)
class _PlacedObject:
    described: FlatObject
    coverage: npt.NDArray[np.float64]  # one value a pixel of the box: the share that the shape fills


def _place(rng: np.random.Generator, size: int) -> list[_PlacedObject]:
    """Draw three to five objects one after the other, each where it keeps its distance from those before."""
    wanted = int(rng.integers(3, 6))
    placed: list[_PlacedObject] = []
    for _ in range(60):
        if len(placed) == wanted:
            break
        item = _random_object(rng, size)
        if not any(_meet(item.described.box, other.described.box) for other in placed):
            placed.append(item)
    return placed


def _random_object(rng: np.random.Generator, size: int) -> _PlacedObject:
    kind = str(rng.choice(list(SIZES)))
    colour = str(rng.choice(list(COLOURS)))
    shape = str(rng.choice(SHAPES))
    radius = 0.5 * size * rng.uniform(*SIZES[kind])
    x, y = rng.uniform(radius + _GAP, size - radius - _GAP, size=2)
    left, top = int(x - radius), int(y - radius)
    extent = int(np.ceil(2 * radius)) + 1
    steps = (np.arange(extent * _SUBPIXELS) + 0.5) / _SUBPIXELS
    inside = _inside(shape, (left + steps - x)[None, :] / radius, (top + steps - y)[:, None] / radius)
    coverage = inside.reshape(extent, _SUBPIXELS, extent, _SUBPIXELS).mean(axis=(1, 3))
    columns, rows = np.flatnonzero(coverage.any(axis=0)), np.flatnonzero(coverage.any(axis=1))
    c0, c1, r0, r1 = int(columns[0]), int(columns[-1]) + 1, int(rows[0]), int(rows[-1]) + 1
    box = (left + c0, top + r0, left + c1, top + r1)
    return _PlacedObject(FlatObject(kind, colour, shape, box), coverage[r0:r1, c0:c1])


def _draw(layout: Sequence[_PlacedObject], rng: np.random.Generator, size: int, noise: float) -> npt.NDArray[np.uint8]:
    """Mix every object's colour, a little off its name's, into a light ground, and add the noise."""
    image = np.empty((size, size, 3))
    image[:] = rng.uniform(205, 245) + rng.uniform(-10, 10, size=3)
    for item in layout:
        x0, y0, x1, y1 = item.described.box
        patch = image[y0:y1, x0:x1]
        colour = np.array(COLOURS[item.described.colour]) + rng.uniform(-12, 12, size=3)
        patch += item.coverage[..., None] * (colour - patch)
    image += noise * rng.standard_normal(image.shape)
    return np.rint(image).clip(0, 255).astype(np.uint8)


def _inside(shape: str, u: npt.NDArray[np.float64], v: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    """Whether points lie in the shape; (u, v) count right and down from its centre in half widths."""
    if shape == "circle":
        return np.asarray(u**2 + v**2 <= 1)
    if shape == "square":
        return np.asarray(np.maximum(np.abs(u), np.abs(v)) <= 0.9)
    return np.asarray((np.abs(u) <= (v + 1) / 2) & (v <= 0.8))


def _meet(a: Box, b: Box) -> bool:
    return a[0] < b[2] + _GAP and b[0] < a[2] + _GAP and a[1] < b[3] + _GAP and b[1] < a[3] + _GAP


def _describe(objects: Sequence[FlatObject], rng: np.random.Generator, *, margin: float) -> tuple[FlatExpression, ...]:
    """Give up to four objects, in random order, a sentence each that is true of no other object."""
    expressions = []
    for target in rng.permutation(len(objects)).tolist():
        by_attributes = list(_by_attributes(objects, target))
        by_order = list(_by_order(objects, target, margin))
        ordered = bool(by_order) and (not by_attributes or rng.random() < _ORDER_SHARE)
        texts = by_order if ordered else by_attributes
        if texts:
            text = texts[int(rng.integers(len(texts)))]
            kind = "order" if ordered else "attribute"
            expressions.append(FlatExpression(text, kind, target, objects[target].box))
    return tuple(expressions[:4])


def _by_attributes(objects: Sequence[FlatObject], target: int) -> Iterator[str]:
    """Every choice of size, colour and shape that the target alone has: "the large circle"."""
    for told in _choices():
        if told and not _others_alike(objects, target, told):
            yield f"the {_phrase(objects[target], told)}"


def _by_order(objects: Sequence[FlatObject], target: int, margin: float) -> Iterator[str]:
    """Every group of objects at whose left or right end the target lies: "the leftmost circle"."""
    for told in _choices():
        others = _others_alike(objects, target, told)
        offsets = [_centre_x(other) - _centre_x(objects[target]) for other in others]
        if offsets and min(offsets) > margin:
            yield f"the leftmost {_phrase(objects[target], told)}"
        elif offsets and max(offsets) < -margin:
            yield f"the rightmost {_phrase(objects[target], told)}"


def _choices() -> Iterator[tuple[str, ...]]:
    """Every subset of the three attributes, from none to all."""
    attributes = ("size", "colour", "shape")
    return itertools.chain.from_iterable(itertools.combinations(attributes, n) for n in range(4))


def _others_alike(objects: Sequence[FlatObject], target: int, told: Sequence[str]) -> list[FlatObject]:
    """The other objects that share the told attributes with the target."""

    def shown(item: FlatObject) -> list[str]:
        return [getattr(item, attribute) for attribute in told]

    return [item for i, item in enumerate(objects) if i != target and shown(item) == shown(objects[target])]


def _phrase(item: FlatObject, told: Sequence[str]) -> str:
    words = [getattr(item, attribute) for attribute in told]
    return " ".join(words if "shape" in told else [*words, "shape"])


def _centre_x(item: FlatObject) -> float:
    return (item.box[0] + item.box[2]) / 2
