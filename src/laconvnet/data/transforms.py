"""Changes of a sample that move picture, boxes, masks and words together."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import numpy.typing as npt
from PIL import Image

from laconvnet.data.words import swap_left_right
from laconvnet.processing.masks import Box, mask_box
from laconvnet.processing.resizing import Frame, Mask, ResizeMode, UInt8Array, resize_mask_to_input, resize_picture

Float32Array = npt.NDArray[np.float32]

_LUMA = np.array([0.299, 0.587, 0.114])
# RGB to YIQ (NTSC): luma, and two chroma axes in which a change of hue is a rotation.
_YIQ = np.array([_LUMA, [0.595716, -0.274453, -0.321263], [0.211456, -0.522591, 0.311135]])
_RGB = np.linalg.inv(_YIQ)


@dataclass(frozen=True, slots=True)
class Sample:
    """A picture with what is said and known about it, all in the pixels of that picture.

    Attributes:
        image: uint8 (H, W, 3) RGB, possibly read-only or a view.
        boxes: float32 (M, 4) half-open xyxy pixels.
        text: the sentence.
        frame: where the record's frame lies in this picture; see `Frame`.
        masks: bool (H, W) each, or None where masks were not asked for.
    """

    image: UInt8Array
    boxes: Float32Array
    text: str
    frame: Frame = (1.0, 1.0, 0.0, 0.0)
    masks: Sequence[Mask] | None = None

    @property
    def is_mirrored(self) -> bool:
        """Whether left and right are exchanged."""
        return self.frame[0] < 0


class Transform(Protocol):
    """Anything that turns a sample into another with the help of a random generator."""

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample: ...


@dataclass(frozen=True, slots=True)
class Compose:
    """Applies transforms one after the other."""

    transforms: Sequence[Transform]

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        for transform in self.transforms:
            sample = transform(sample, rng)
        return sample


@dataclass(frozen=True, slots=True)
class Flip:
    """Mirrors picture, boxes and masks at the vertical axis and exchanges left and right in the text.

    Args:
        p: probability in [0, 1].
    """

    p: float = 0.5

    def __post_init__(self) -> None:
        if not 0 <= self.p <= 1:
            raise ValueError(f"the probability of a flip must lie in [0, 1], got {self.p}")

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        if rng.random() >= self.p:
            return sample
        width = sample.image.shape[1]
        boxes = sample.boxes.copy()
        boxes[:, [0, 2]] = width - sample.boxes[:, [2, 0]]
        sx, sy, ox, oy = sample.frame
        picture = Image.fromarray(sample.image).transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        return Sample(
            image=np.asarray(picture),
            boxes=boxes,
            text=swap_left_right(sample.text),
            frame=(-sx, sy, width - ox, oy),
            masks=None if sample.masks is None else [mask[:, ::-1] for mask in sample.masks],
        )


@dataclass(frozen=True, slots=True)
class ColorJitter:
    """Changes brightness, contrast, saturation and hue at random; geometry and text stay.

    All four are affine maps of an RGB value, so they are composed into one 3 x 4 matrix and clipped once:
    brightness b*v; contrast c*v + (1 - c)*(mean luma of the picture); saturation s*v + (1 - s)*luma(v);
    hue a rotation of the chroma plane. b, c and s are uniform in [1 - strength, 1 + strength].

    Args:
        brightness, contrast, saturation: strengths in [0, 1].
        hue: largest rotation in full turns, in [0, 0.5].
    """

    brightness: float = 0.0
    contrast: float = 0.0
    saturation: float = 0.0
    hue: float = 0.0

    def __post_init__(self) -> None:
        for name, largest in (("brightness", 1.0), ("contrast", 1.0), ("saturation", 1.0), ("hue", 0.5)):
            value = getattr(self, name)
            if not 0 <= value <= largest:
                raise ValueError(f"the strength of {name} must lie in [0, {largest}], got {value}")

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        strengths = (self.brightness, self.contrast, self.saturation, self.hue)
        b, c, s, turn = rng.uniform(-1.0, 1.0, size=4) * strengths
        cosine, sine = math.cos(math.tau * turn), math.sin(math.tau * turn)
        rotation = np.array([[1, 0, 0], [0, cosine, -sine], [0, sine, cosine]])
        saturation = (1 + s) * np.eye(3) - s * _LUMA
        # Rows of _LUMA sum to one, so every matrix but brightness and contrast keeps grey as it is.
        matrix = (1 + c) * (1 + b) * (_RGB @ rotation @ _YIQ @ saturation)
        # A sixteenth of the pixels gives the mean luma well enough.
        mean = float(sample.image[::4, ::4].mean(axis=(0, 1)) @ _LUMA) * (1 + b)
        affine = np.column_stack([matrix, np.full(3, -c * mean)])
        picture = Image.fromarray(sample.image).convert("RGB", tuple(affine.ravel().tolist()))
        return replace(sample, image=np.asarray(picture))


@dataclass(frozen=True, slots=True)
class RandomCrop:
    """Cuts out a random window that holds every box of the record entirely, or every mask if it has no boxes.

    The window's size is drawn first, then enlarged where the boxes need it, then placed uniformly among the
    places that hold them; it always succeeds. Words of place ("left", "behind") say how things lie to one
    another, which a crop keeps; a phrase such as "in the middle" may fit less well afterwards.

    Args:
        scale: lowest and highest share of the picture's area, 0 < low <= high <= 1.
        aspect: lowest and highest factor on the picture's width / height, drawn log-uniformly.
    """

    scale: tuple[float, float] = (0.5, 1.0)
    aspect: tuple[float, float] = (3 / 4, 4 / 3)

    def __post_init__(self) -> None:
        if not 0 < self.scale[0] <= self.scale[1] <= 1:
            raise ValueError(f"the scale range of a crop must satisfy 0 < low <= high <= 1, got {self.scale}")
        if not 0 < self.aspect[0] <= self.aspect[1]:
            raise ValueError(f"the aspect range of a crop must satisfy 0 < low <= high, got {self.aspect}")

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        height, width = sample.image.shape[:2]
        area = rng.uniform(*self.scale)
        aspect = math.exp(rng.uniform(math.log(self.aspect[0]), math.log(self.aspect[1])))
        places = rng.random(2)
        inner = _extent(sample)
        x0, x1 = _window(width, math.sqrt(area * aspect), inner[0], inner[2], places[0])
        y0, y1 = _window(height, math.sqrt(area / aspect), inner[1], inner[3], places[1])
        moved = _move(sample, (1.0, 1.0, -x0, -y0))
        return replace(
            moved,
            image=sample.image[y0:y1, x0:x1],
            masks=None if sample.masks is None else [mask[y0:y1, x0:x1] for mask in sample.masks],
        )


def _extent(sample: Sample) -> Box:
    """The box around all boxes, or without any around all masks; turned inside out where there is neither."""
    if len(sample.boxes):
        low, high = sample.boxes[:, :2].min(axis=0), sample.boxes[:, 2:].max(axis=0)
        return float(low[0]), float(low[1]), float(high[0]), float(high[1])
    height, width = sample.image.shape[:2]
    around = mask_box(np.any(sample.masks, axis=0)) if sample.masks else None
    return around or (width, height, 0, 0)


def _window(length: int, share: float, low: float, high: float, place: float) -> tuple[int, int]:
    """Places a window on one axis of `length` pixels so that it holds [low, high] (nothing if low > high)."""
    first, last = math.floor(low), min(math.ceil(high), length)
    size = min(length, max(1, round(length * share), last - first))
    begin, end = max(0, last - size), min(first, length - size)
    start = begin + min(int(place * (end - begin + 1)), end - begin)
    return start, start + size


def resize_to_input(sample: Sample, size: int, mode: ResizeMode = "letterbox") -> Sample:
    """Brings a sample to the square that the network reads.

    Args:
        sample: of any size.
        size: side of the square, pixels.
        mode: see `processing.resizing.fit`.

    Returns:
        the sample with `image` (size, size, 3), its boxes, masks and frame scaled alike.
    """
    image, step = resize_picture(sample.image, size, mode)
    masks = None if sample.masks is None else [resize_mask_to_input(mask, size, mode) for mask in sample.masks]
    moved = _move(sample, step)
    # Rounding to float32 must not push a box over the edge.
    return replace(moved, image=image, boxes=moved.boxes.clip(0, size), masks=masks)


def _move(sample: Sample, step: Frame) -> Sample:
    """Scales and shifts boxes and frame by x * sx + ox, y * sy + oy."""
    sx, sy, ox, oy = step
    fx, fy, gx, gy = sample.frame
    boxes = sample.boxes * np.array([sx, sy, sx, sy]) + np.array([ox, oy, ox, oy])
    return replace(sample, boxes=boxes.astype(np.float32), frame=(fx * sx, fy * sy, gx * sx + ox, gy * sy + oy))


@dataclass(frozen=True, slots=True)
class Augmentation:
    """The random changes of training, as settings.

    Args:
        flip: probability of mirroring.
        color_jitter: strength of brightness, contrast and saturation, in [0, 1].
        hue: largest change of hue in full turns, in [0, 0.5].
        crop: range of the area share of a random crop, or None for no crop.
        aspect: range of the factor by which such a crop changes the aspect.
    """

    flip: float = 0.5
    color_jitter: float = 0.0
    hue: float = 0.0
    crop: tuple[float, float] | None = None
    aspect: tuple[float, float] = (3 / 4, 4 / 3)

    @property
    def changes(self) -> bool:
        """Whether anything is ever changed."""
        return self.crop is not None or self.flip != 0 or self.color_jitter != 0 or self.hue != 0

    def build(self) -> Compose:
        """Returns the transforms that change anything: crop, flip, colours, in this order."""
        transforms: list[Transform] = []
        if self.crop is not None:
            transforms.append(RandomCrop(self.crop, self.aspect))
        if self.flip != 0:
            transforms.append(Flip(self.flip))
        if self.color_jitter != 0 or self.hue != 0:
            transforms.append(ColorJitter(self.color_jitter, self.color_jitter, self.color_jitter, self.hue))
        return Compose(transforms)
