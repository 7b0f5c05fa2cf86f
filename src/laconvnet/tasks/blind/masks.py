"""What cutting out scores without looking."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from laconvnet.data import Record
from laconvnet.metrics import GeneralizedSegmentationMetrics, SegmentationMetrics
from laconvnet.processing import Mask, resize_mask, union_mask

_GRID = 64  # the constant mask is chosen in pictures of this size
_JUDGES = 4000
_THRESHOLDS = np.arange(1, 20) / 20


def _true_mask(record: Record) -> Mask:
    return union_mask(record.masks or (), record.height, record.width)


@dataclass(frozen=True)
class BlindMasks:
    """A mask that was chosen on a training split without seeing a picture.

    Attributes:
        constant: bool (64, 64), of the share of masks that hold a pixel, the level set with the highest mean IoU.
    """

    constant: Mask

    @classmethod
    def fit(cls, records: Sequence[Record], seed: int = 0) -> BlindMasks:
        """Choose the mask on at most 4,000 expressions with a target, drawn at random.

        Raises:
            ValueError: there is none.
        """
        labelled = [record for record in records if record.masks and record.is_expression]
        if not labelled:
            raise ValueError("blind baselines of masks need records with masks in the training split")
        order = np.random.default_rng(seed).permutation(len(labelled))[:_JUDGES]
        masks = np.array([resize_mask(_true_mask(labelled[number]), _GRID, _GRID) for number in order])
        share = masks.mean(0)

        def mean_iou(candidate: Mask) -> float:
            both, either = (masks & candidate).sum((1, 2)), (masks | candidate).sum((1, 2))
            return float((both / either.clip(min=1)).mean())

        return cls(max((share >= threshold * share.max() for threshold in _THRESHOLDS), key=mean_iou))

    def score(self, records: Sequence[Record], *, min_pixels: int | None = None) -> dict[str, dict[str, float]]:
        """Metrics of each baseline on the records of another split.

        Args:
            records: with masks.
            min_pixels: of GRES, by whose rules "no target" is an answer, too; None scores by those of RES.

        Returns:
            "whole image", "best constant mask" and, by the rules of GRES, "no target" to metric values by name.
        """
        counts: dict[str, list[tuple[int, int, int]]] = {name: [] for name in ("whole image", "best constant mask")}
        if min_pixels is not None:
            counts["no target"] = []
        for record in records:
            true = _true_mask(record)
            chosen = {
                "whole image": np.ones_like(true),
                "best constant mask": resize_mask(self.constant, record.width, record.height),
                "no target": np.zeros_like(true),
            }
            for name, rows in counts.items():
                rows.append((int((chosen[name] & true).sum()), int(chosen[name].sum()), int(true.sum())))
        groups = [record.group for record in records]
        return {name: _metrics(torch.tensor(rows).T, groups, min_pixels) for name, rows in counts.items()}


def _metrics(counts: torch.Tensor, groups: Sequence[str | None], min_pixels: int | None) -> dict[str, float]:
    """The metrics of pixels in both masks, in the predicted and in the true one, int64 (3, N)."""
    both, predicted, true = counts
    metric: SegmentationMetrics | GeneralizedSegmentationMetrics
    if min_pixels is None:
        metric = SegmentationMetrics()
        metric.update(both, predicted + true - both, groups)
    else:
        metric = GeneralizedSegmentationMetrics(min_pixels)
        metric.update(both, predicted, true, groups=groups)
    return {name: float(value) for name, value in metric.compute().items()}
