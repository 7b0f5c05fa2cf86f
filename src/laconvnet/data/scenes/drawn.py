"""Pictures of scenes of the embedded world, and the records of their sentences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch

from laconvnet.data.folder.schema import Record
from laconvnet.processing.masks import Box, encode_mask, mask_box
from laconvnet.processing.resizing import UInt8Array
from laconvnet.scenes import SceneSample, Sentence, render


@dataclass(frozen=True, slots=True)
class DrawnScene:
    """A picture of a scene, what its pixels show, and its sentences.

    Attributes:
        name: the name of the picture, without folder and ending.
        image: uint8 (H, W, 3) RGB.
        instances: int16 (H, W), the number of the object that a pixel shows; -1 for the ground, and numbers
            behind those of the objects for clutter.
        sentences: the scene's sentences.
    """

    name: str
    image: UInt8Array
    instances: npt.NDArray[np.int16]
    sentences: tuple[Sentence, ...]

    def masks(self, number: int) -> list[npt.NDArray[np.bool_]]:
        """Where each target of sentence `number` is visible, bool (H, W)."""
        return [self.instances == target for target in self.sentences[number].targets]

    def record(self, number: int, *, with_masks: bool = False) -> Record:
        """The record of sentence `number`; masks are encoded only where they are asked for.

        The masks of a question show what it counts, looks at or compares; it has no boxes, since it points at nothing.
        """
        sentence = self.sentences[number]
        points = sentence.answer is None
        masks = self.masks(number) if points or with_masks else []
        height, width = self.instances.shape
        return replace(
            sentence_record(self.name, number, sentence, width, height),
            boxes=tuple(map(_box, masks)) if points else None,
            masks=tuple(map(encode_mask, masks)) if with_masks else None,
        )


def sentence_record(name: str, number: int, sentence: Sentence, width: int, height: int) -> Record:
    """The record of sentence `number` about the picture `name`, without what only its pixels tell."""
    return Record(
        id=f"{name}_{number}",
        image=f"images/{name}.png",
        width=width,
        height=height,
        text=sentence.text,
        answer=sentence.answer,
        group=sentence.group,
        program=str(sentence.program),
    )


def _box(mask: npt.NDArray[np.bool_]) -> Box:
    box = mask_box(mask)
    if box is None:
        raise ValueError("a target of the sentence is not seen in the picture")
    return box


def draw_scenes(
    samples: Sequence[SceneSample], split: str, numbers: Sequence[int], size: int | tuple[int, int]
) -> list[DrawnScene]:
    """Draws scenes of a split.

    Args:
        samples: the scenes with their sentences.
        split: name of the split.
        numbers: their numbers in it.
        size: side of a picture or (width, height), pixels.
    """
    rendering = render([sample.scene for sample in samples], size)
    instances = rendering.instances.to(dtype=torch.int16).numpy()
    return [
        DrawnScene(scene_name(split, number), image, instance, sample.sentences)
        for number, image, instance, sample in zip(numbers, rendering.images.numpy(), instances, samples, strict=True)
    ]


def scene_name(split: str, number: int) -> str:
    """The name of a scene's picture, without folder and ending."""
    return f"{split}_{number:07d}"
