"""Accuracy of answering: against one true answer, or against what several people answered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from laconvnet.metrics.grouped import GroupedSums


class _MeanScore(GroupedSums):
    """The mean of one score per sample, over all samples and per group of samples."""

    by_group = ("accuracy",)

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(columns=2, **kwargs)  # number of samples, sum of scores

    def _add_scores(self, scores: Tensor, groups: Sequence[str | None] | None) -> None:
        self.add_rows(torch.stack([torch.ones_like(scores), scores], dim=1), groups)

    def ratios(self, sums: Tensor) -> dict[str, Tensor]:
        """ "accuracy", in [0, 1]."""
        return {"accuracy": sums[..., 1] / sums[..., 0]}


class AnswerAccuracy(_MeanScore):
    """The share of right answers, over all samples and per group of samples.

    ``accuracy = mean_n [predicted answer n is true answer n]``, for CLEVR (Johnson et al., 2017), where the groups are
    the families count, exist, compare number, query and compare attribute, and for SNLI-VE (Xie et al., 2019).

    Args:
        **kwargs: passed to `torchmetrics.Metric`.
    """

    def update(self, predicted: Tensor, target: Tensor, groups: Sequence[str | None] | None = None) -> None:
        """Count a batch, without waiting for the device.

        Args:
            predicted: int64 (N,), the numbers of the predicted answers.
            target: int64 (N,), the numbers of the true answers; one that no prediction has, such as -1 for an
                answer outside the vocabulary, is a miss.
            groups: the group of each sample, or None for a sample without a group.

        Raises:
            ValueError: the shapes, a type or the number of groups do not fit.
        """
        if predicted.shape != target.shape or predicted.ndim != 1:
            raise ValueError(
                "predicted and target must share one shape (N,), "
                f"got {tuple(predicted.shape)} and {tuple(target.shape)}"
            )
        if not predicted.dtype == target.dtype == torch.int64:
            raise ValueError(f"predicted and target must be torch.int64, got {predicted.dtype} and {target.dtype}")
        self._add_scores((predicted == target).double(), groups)


class VQAAccuracy(_MeanScore):
    """VQAv2's soft accuracy, over all samples and per group of samples.

    ``accuracy = mean_n s_n``, s_n in [0, 1] the soft score of the predicted answer, 0 if nobody gave it (Antol et al.,
    2015; VQAv2 is Goyal et al., "Making the V in VQA Matter", 2017). Predictions and answers are compared as they are:
    give both in their normal form, in which the records of `laconvnet data convert vqav2` are, and scores by the
    protocol (`normalize_answer` and `soft_scores` in `laconvnet.data`).

    Args:
        **kwargs: passed to `torchmetrics.Metric`.
    """

    def update(
        self,
        predictions: Sequence[str],
        answers: Sequence[Mapping[str, float]],
        groups: Sequence[str | None] | None = None,
    ) -> None:
        """Count a batch.

        Args:
            predictions: N predicted answers.
            answers: for each, the soft score of every answer that somebody gave.
            groups: the group of each sample, such as its answer type, or None for a sample without a group.

        Raises:
            ValueError: the lengths differ, or a score is outside [0, 1].
        """
        if len(predictions) != len(answers):
            raise ValueError(f"{len(predictions)} predictions need as many answers with scores, got {len(answers)}")
        for scores in answers:
            if wrong := {answer: score for answer, score in scores.items() if not 0 <= score <= 1}:
                raise ValueError(f"scores of answers must be in [0, 1], got {wrong}")
        found = [scores.get(said, 0.0) for said, scores in zip(predictions, answers, strict=True)]
        self._add_scores(torch.tensor(found, dtype=torch.float64, device=self.device), groups)
