"""What a network says of one picture and one sentence, in the pixels of the picture."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from laconvnet.processing import Box, Mask, encode_mask


@dataclass(frozen=True, eq=False)
class Answer:
    """Everything that any task can say; what a task does not say is empty or None.

    Attributes:
        boxes: x0, y0, x1, y1 in the pixels of the picture as it is shown (upright), the best one first.
        scores: objectness of each box in [0, 1]; not a calibrated probability.
        mask: bool (H, W) in the pixels of the picture.
        no_target: whether the picture shows nothing that the sentence names.
        answers: the likeliest answers with their shares in [0, 1], the best one first.
    """

    boxes: tuple[Box, ...] = ()
    scores: tuple[float, ...] = ()
    mask: Mask | None = None
    no_target: bool | None = None
    answers: tuple[tuple[str, float], ...] = ()

    @property
    def box(self) -> Box | None:
        """The best box; None where there is none."""
        return self.boxes[0] if self.boxes else None

    @property
    def score(self) -> float | None:
        """The score of the best box; None where there is none."""
        return self.scores[0] if self.scores else None

    @property
    def answer(self) -> str | None:
        """The likeliest answer; None where nothing is answered."""
        return self.answers[0][0] if self.answers else None

    @property
    def ranked(self) -> tuple[tuple[Box, float], ...]:
        """Boxes with their scores, the best one first."""
        return tuple(zip(self.boxes, self.scores, strict=True))

    def to_json(self, *, masks: bool = True) -> dict[str, Any]:
        """Return what is said, as plain values.

        Args:
            masks: whether a mask is told as COCO run-length encoding, or by its number of pixels alone.
        """
        values: dict[str, Any] = {}
        if self.boxes:
            values |= {"box": _rounded(self.boxes[0]), "score": round(self.scores[0], 4)}
        if len(self.boxes) > 1:
            values |= {"boxes": list(map(_rounded, self.boxes)), "scores": [round(score, 4) for score in self.scores]}
        if self.mask is not None:
            values["mask_pixels"] = int(self.mask.sum())
            if masks:
                values["mask"] = encode_mask(self.mask)
        if self.no_target is not None:
            values["no_target"] = self.no_target
        if self.answers:
            values |= {"answer": self.answer, "answers": {answer: round(share, 4) for answer, share in self.answers}}
        return values


def _rounded(box: Box) -> list[float]:
    return [round(side, 2) for side in box]


def combine(answers: Iterable[Answer]) -> Answer:
    """Return what several tasks say of one sentence as one answer.

    Of each thing the first task that says it counts. Where one of them says that nothing is meant, there is no box, and
    the mask is empty.
    """
    parts = list(answers)
    decisions = [part.no_target for part in parts if part.no_target is not None]
    none = any(decisions)
    boxed = next((part for part in parts if part.boxes and not none), Answer())
    mask = next((part.mask for part in parts if part.mask is not None), None)
    if mask is not None and none:
        mask = np.zeros_like(mask)
    said = next((part.answers for part in parts if part.answers), ())
    return Answer(boxed.boxes, boxed.scores, mask, none if decisions else None, said)
