"""The batch that tasks and training work on, and how examples become one."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NotRequired, TypedDict, cast

import numpy as np
import torch
from torch import Tensor

from laconvnet.data.answers import as_scores
from laconvnet.data.folder.schema import Record
from laconvnet.data.transforms import Float32Array, Sample
from laconvnet.data.words import swap_left_right
from laconvnet.processing import Frame, pad_tokens, scale_pixels


@dataclass(frozen=True, slots=True)
class Example:
    """One record as the network gets it.

    Attributes:
        index: position of the record in its split.
        record: the record, in its own frame.
        sample: picture, boxes, masks and text after augmentation and resizing.
        tasks: names of the tasks that it serves.
    """

    index: int
    record: Record
    sample: Sample
    tasks: tuple[str, ...] = ()


class Batch(TypedDict):
    """N samples; S is the side of the input.

    Attributes:
        images: (N, 3, S, S) RGB, uint8 in [0, 255], or float32 in [0, 1] as the network takes them.
        tokens: int64 (N, L), L the longest text of the batch, 0 behind the others.
        target_boxes: float32 (N, 4), the union of a record's boxes as xyxy input pixels, a row of NaN where there is no
            target or no label.
        frames: float32 (N, 4), (sx, sy, ox, oy) with input_xy = record_xy * s + o.
        sizes: int64 (N, 2), width and height of the record's frame.
        ids: of the records.
        groups: the group of each record, or None.
        indices: of the records in their split.
        texts: as encoded.
        tasks: the names of the tasks that each sample serves.
        answer: the one right answer, or None; left and right are exchanged where the picture is mirrored.
        answers: of each sample, answers with scores in [0, 1], the one right answer with 1; exchanged alike.
        target_masks: bool (N, S, S), the union of a record's masks; where any sample has masks.
        record_masks: of each sample the run-length encodings of its record, or None; where any sample has masks.
    """

    images: Tensor
    tokens: Tensor
    target_boxes: Tensor
    frames: Tensor
    sizes: Tensor
    ids: list[str]
    groups: list[str | None]
    indices: list[int]
    texts: list[str]
    tasks: list[tuple[str, ...]]
    answer: list[str | None]
    answers: list[Mapping[str, float]]
    target_masks: NotRequired[Tensor]
    record_masks: NotRequired[list[tuple[Mapping[str, Any], ...] | None]]


@dataclass(frozen=True, slots=True)
class Asked:
    """What a sample holds beside its picture and its labels in the picture's pixels.

    Attributes:
        index: position of the record in its split.
        record: the record.
        text: as the network reads it.
        frame: see `processing.Frame`.
        tasks: names of the tasks that it serves.
    """

    index: int
    record: Record
    text: str
    frame: Frame
    tasks: tuple[str, ...]


def start_batch(asked: Sequence[Asked], encode: Callable[[str], list[int]]) -> Batch:
    """Return a batch without pictures, boxes and masks, which are still to be added.

    Raises:
        ValueError: a text cannot be encoded; names the record.
    """
    records = [each.record for each in asked]
    batch = {
        "tokens": pad_tokens([_encoded(each, encode) for each in asked]),
        "frames": torch.tensor([each.frame for each in asked], dtype=torch.float32),
        "sizes": torch.tensor([(record.width, record.height) for record in records], dtype=torch.int64),
        "ids": [record.id for record in records],
        "groups": [record.group for record in records],
        "indices": [each.index for each in asked],
        "texts": [each.text for each in asked],
        "tasks": [each.tasks for each in asked],
        "answer": [_answer(each) for each in asked],
        "answers": [_answers(each) for each in asked],
    }
    return cast(Batch, batch)


def _encoded(asked: Asked, encode: Callable[[str], list[int]]) -> list[int]:
    try:
        return encode(asked.text)
    except ValueError as error:
        raise ValueError(f"record {asked.record.id!r}: {error}") from error


def _answer(asked: Asked) -> str | None:
    answer = asked.record.answer
    return swap_left_right(answer) if answer is not None and asked.frame[0] < 0 else answer


def _answers(asked: Asked) -> Mapping[str, float]:
    scores = as_scores(asked.record.answer, asked.record.answers)
    if asked.frame[0] < 0:
        return {swap_left_right(answer): score for answer, score in scores.items()}
    return scores


@dataclass(frozen=True, slots=True)
class Collator:
    """Stacks examples.

    Args:
        encode: turns a text into word ids of at least 1; must be picklable for worker processes, so a
            function of a module, a bound method or a `functools.partial`, not a lambda.
    """

    encode: Callable[[str], list[int]]

    def __call__(self, examples: Sequence[Example]) -> Batch:
        """Return the batch of examples whose pictures are of one size.

        Raises:
            ValueError: a text cannot be encoded; names the record.
        """
        samples = [example.sample for example in examples]
        batch = start_batch(
            [Asked(e.index, e.record, e.sample.text, e.sample.frame, e.tasks) for e in examples], self.encode
        )
        images = torch.from_numpy(np.stack([sample.image for sample in samples]))
        batch["images"] = images.permute(0, 3, 1, 2).contiguous()
        batch["target_boxes"] = torch.from_numpy(np.stack([union_box(sample.boxes) for sample in samples]))
        if any(sample.masks is not None for sample in samples):
            shape = samples[0].image.shape[:2]
            unions = [np.any([np.zeros(shape, bool), *(sample.masks or ())], axis=0) for sample in samples]
            batch["target_masks"] = torch.from_numpy(np.stack(unions))
            batch["record_masks"] = [example.record.masks for example in examples]
        return batch


def union_box(boxes: Float32Array) -> Float32Array:
    """Return the smallest box (4,) around all boxes (M, 4) xyxy, the target of grounding; NaN if M = 0."""
    if len(boxes) == 0:
        return np.full(4, math.nan, dtype=np.float32)
    return np.concatenate([boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)])


def to_device(batch: Batch, device: torch.device) -> Batch:
    """Return a batch with its tensors on a device and its pictures as the network takes them."""
    moved = {
        name: value.to(device, non_blocking=True) if isinstance(value, Tensor) else value
        for name, value in batch.items()
    }
    moved["images"] = scale_pixels(cast(Tensor, moved["images"]))
    return cast(Batch, moved)
