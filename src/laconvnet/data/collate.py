"""Examples to the batch that tasks and training work on."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from laconvnet.data.answers import as_scores
from laconvnet.data.dataset import Example
from laconvnet.data.transforms import Float32Array
from laconvnet.data.words import swap_left_right

Batch = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Collator:
    """Stacks examples.

    Args:
        encode: turns a text into word ids of at least 1; must be picklable for worker processes, so a
            function of a module, a bound method or a `functools.partial`, not a lambda.
    """

    encode: Callable[[str], list[int]]

    def __call__(self, examples: Sequence[Example]) -> Batch:
        """Builds a batch of N examples of S x S pixels.

        Returns:
            `images` uint8 (N, 3, S, S) RGB;
            `tokens` int64 (N, L), L the longest text of the batch, 0 behind the others;
            `target_boxes` float32 (N, 4), the union of a record's boxes as xyxy input pixels, a row of NaN
            where there is no target or no label;
            `frames` float32 (N, 4), (sx, sy, ox, oy) with input_xy = record_xy * s + o;
            `sizes` int64 (N, 2), width and height of the record's frame;
            `ids`, `groups`, `indices`, `texts`, `tasks` lists of length N, the texts as encoded;
            `answer`, N texts or None; `answers`, N mappings of answers to scores in [0, 1], the one answer to 1 where
            there are no scores; left and right exchanged in both where the picture is mirrored;
            and, if any example has masks, `target_masks` bool (N, S, S), the union of a record's masks, and
            `record_masks`, N tuples of the records' run-length encodings, or None where there are none.

        Raises:
            ValueError: a text cannot be encoded; names the record.
        """
        samples = [example.sample for example in examples]
        records = [example.record for example in examples]
        images = torch.from_numpy(np.stack([sample.image for sample in samples]))
        batch: Batch = {
            "images": images.permute(0, 3, 1, 2).contiguous(),
            "tokens": self._tokens(examples),
            "target_boxes": torch.from_numpy(np.stack([union_box(sample.boxes) for sample in samples])),
            "frames": torch.tensor([sample.frame for sample in samples], dtype=torch.float32),
            "sizes": torch.tensor([(record.width, record.height) for record in records], dtype=torch.int64),
            "ids": [record.id for record in records],
            "groups": [record.group for record in records],
            "indices": [example.index for example in examples],
            "texts": [sample.text for sample in samples],
            "tasks": [example.tasks for example in examples],
            "answer": [_answer(example) for example in examples],
            "answers": [_answers(example) for example in examples],
        }
        if any(sample.masks is not None for sample in samples):
            shape = samples[0].image.shape[:2]
            unions = [np.any([np.zeros(shape, bool), *(sample.masks or ())], axis=0) for sample in samples]
            batch["target_masks"] = torch.from_numpy(np.stack(unions))
            batch["record_masks"] = [record.masks for record in records]
        return batch

    def _tokens(self, examples: Sequence[Example]) -> Tensor:
        rows = []
        for example in examples:
            try:
                rows.append(self.encode(example.sample.text))
            except ValueError as error:
                raise ValueError(f"record {example.record.id!r}: {error}") from error
        return pad_tokens(rows)


def _answer(example: Example) -> str | None:
    answer = example.record.answer
    return swap_left_right(answer) if answer is not None and example.sample.is_mirrored else answer


def _answers(example: Example) -> Mapping[str, float]:
    scores = as_scores(example.record.answer, example.record.answers)
    if example.sample.is_mirrored:
        return {swap_left_right(answer): score for answer, score in scores.items()}
    return scores


def pad_tokens(rows: Sequence[Sequence[int]]) -> Tensor:
    """Stacks N lists of word ids as int64 (N, L), L the longest of them, 0 behind the others."""
    tokens = torch.zeros(len(rows), max(map(len, rows)), dtype=torch.int64)
    for row, ids in zip(tokens, rows, strict=True):
        row[: len(ids)] = torch.tensor(ids, dtype=torch.int64)
    return tokens


def union_box(boxes: Float32Array) -> Float32Array:
    """Returns the smallest box (4,) around all boxes (M, 4) xyxy, the target of grounding; NaN if M = 0."""
    if len(boxes) == 0:
        return np.full(4, math.nan, dtype=np.float32)
    return np.concatenate([boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)])
