"""What pointing scores without looking: three baselines that every grounding result should stand beside."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from laconvnet.data import Record
from laconvnet.data.batch import union_box
from laconvnet.metrics import GroundingAccuracy, box_iou

Boxes = npt.NDArray[np.float64]

_CANDIDATES = 1000
_JUDGES = 4000
_MIN_WORD_COUNT = 20


def _unit_boxes(records: Sequence[Record]) -> Boxes:
    """Union box of each record in a picture of size 1 x 1, (N, 4)."""
    unions = [union_box(np.array(record.boxes or (), np.float32).reshape(-1, 4)) for record in records]
    sizes = np.array([(record.width, record.height) * 2 for record in records], dtype=np.float64)
    return np.asarray(np.array(unions, dtype=np.float64).reshape(-1, 4) / sizes)


def _last_word(text: str) -> str:
    return text.lower().split()[-1].strip(".,;:!?\"'()")


def best_constant_box(boxes: Boxes, rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """The box among `boxes` (N, 4) that overlaps the largest share of them by IoU > 0.5.

    At most 1,000 of them are tried on at most 4,000, drawn at random.
    """
    candidates = boxes[rng.permutation(len(boxes))[:_CANDIDATES]]
    judges = boxes[rng.permutation(len(boxes))[:_JUDGES]]
    iou = box_iou(torch.from_numpy(candidates)[:, None], torch.from_numpy(judges)[None])
    return np.asarray(candidates[(iou > 0.5).double().mean(1).argmax()])


@dataclass(frozen=True)
class BlindBoxes:
    """Boxes that were chosen on a training split without seeing a picture, in 1 x 1 pictures.

    Attributes:
        constant: the best box for all sentences.
        by_last_word: the best box for sentences that end in a word, for words that end 20 or more of them.
    """

    constant: npt.NDArray[np.float64]
    by_last_word: dict[str, npt.NDArray[np.float64]]

    @classmethod
    def fit(cls, records: Sequence[Record], seed: int = 0) -> "BlindBoxes":
        """Choose the boxes on the records of a training split.

        Raises:
            ValueError: none of them has boxes.
        """
        labelled = [record for record in records if record.boxes]
        if not labelled:
            raise ValueError("blind baselines of boxes need records with boxes in the training split")
        boxes, rng = _unit_boxes(labelled), np.random.default_rng(seed)
        rows: dict[str, list[int]] = defaultdict(list)
        for row, record in enumerate(labelled):
            rows[_last_word(record.text)].append(row)
        words = {
            word: best_constant_box(boxes[index], rng) for word, index in rows.items() if len(index) >= _MIN_WORD_COUNT
        }
        return cls(best_constant_box(boxes, rng), words)

    def score(self, records: Sequence[Record]) -> dict[str, dict[str, float]]:
        """Accuracy of each baseline on the records of another split.

        Returns:
            "whole image", "best constant box" and "best constant box per last word" to metric values by name.
        """
        labelled = [record for record in records if record.boxes]
        targets = torch.from_numpy(_unit_boxes(labelled))
        whole = np.array([0.0, 0.0, 1.0, 1.0])
        answers = {
            "whole image": [whole] * len(labelled),
            "best constant box": [self.constant] * len(labelled),
            "best constant box per last word": [
                self.by_last_word.get(_last_word(record.text), self.constant) for record in labelled
            ],
        }
        scores = {}
        for name, boxes in answers.items():
            metric = GroundingAccuracy()
            metric.update(
                torch.from_numpy(np.array(boxes).reshape(-1, 4)), targets, [record.group for record in labelled]
            )
            scores[name] = {key: float(value) for key, value in metric.compute().items()}
        return scores
