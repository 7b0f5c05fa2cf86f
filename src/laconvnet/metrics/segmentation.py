"""Metrics of cutting out: how well predicted masks cover the true ones, with and without absent targets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from laconvnet.metrics.grouped import GroupedSums

THRESHOLDS = (0.5, 0.6, 0.7, 0.8, 0.9)
GENERALIZED_THRESHOLDS = (0.7, 0.8, 0.9)


def intersection_and_union(predicted: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Numbers of pixels that are in both masks, and in at least one of them.

    Args:
        predicted: bool (N, H, W), or (H, W) for one mask.
        target: bool, of the same shape.

    Returns:
        Intersections and unions, int64 (N,), or 0-d for one mask.

    Raises:
        ValueError: the shapes differ or have another number of dimensions, or a mask is not bool.
    """
    if predicted.shape != target.shape or predicted.ndim not in (2, 3):
        raise ValueError(
            f"masks must share one shape, (N, H, W) or (H, W), got {tuple(predicted.shape)} and {tuple(target.shape)}"
        )
    if not predicted.dtype == target.dtype == torch.bool:
        raise ValueError(f"masks must be torch.bool, got {predicted.dtype} and {target.dtype}")
    both = torch.count_nonzero(predicted & target, dim=(-2, -1))
    either = torch.count_nonzero(predicted | target, dim=(-2, -1))
    return both, either


class SegmentationMetrics(GroupedSums):
    """RES: mean IoU, overall IoU and Pr@X, over all samples and per group of samples.

    With I_n pixels in both masks of sample n and U_n in at least one, and IoU_n = I_n / U_n:

    - ``mean_iou = mean_n IoU_n``, which the authors' code reports; papers call it mIoU.
    - ``oIoU = sum_n I_n / sum_n U_n``, the overall IoU, in which large objects weigh more (Hu et al., "Segmentation
      from Natural Language Expressions", 2016; CLEVR-Ref+, Liu et al., 2019).
    - ``Pr@X``, the share of samples with IoU_n >= X (as LAVT, Yang et al., 2022).

    Where both masks are empty, nothing is missing and nothing is too much: IoU_n = 1, as in the authors' code, and
    oIoU gains nothing. RES assumes a target in every picture; GeneralizedSegmentationMetrics does not.
    """

    by_group = ("mean_iou", "oIoU")

    def __init__(self, **kwargs: Any) -> None:
        """Start empty.

        Args:
            **kwargs: passed to `torchmetrics.Metric`.
        """
        # number of samples, sum of IoU, of intersections and of unions, hits per threshold
        super().__init__(columns=4 + len(THRESHOLDS), **kwargs)

    def update(self, intersections: Tensor, unions: Tensor, groups: Sequence[str | None] | None = None) -> None:
        """Count a batch, without waiting for the device.

        Args:
            intersections: int64 (N,), pixels in both masks, between 0 and the union.
            unions: int64 (N,), pixels in at least one mask.
            groups: the group of each sample, or None for a sample without a group.

        Raises:
            ValueError: the shapes, a type or the number of groups do not fit.
        """
        _check_counts(intersections=intersections, unions=unions)
        intersection, union = intersections.double(), unions.double()
        iou = torch.where(union == 0, torch.ones_like(union), intersection / union)
        hits = [(iou >= threshold).double() for threshold in THRESHOLDS]
        self.add_rows(torch.stack([torch.ones_like(iou), iou, intersection, union, *hits], dim=1), groups)

    def ratios(self, sums: Tensor) -> dict[str, Tensor]:
        """ "mean_iou", "oIoU" (NaN also when all masks were empty), "Pr@0.5" to "Pr@0.9", all in [0, 1]."""
        count, total_iou, intersection, union, *hits = sums.unbind(-1)
        values = {"mean_iou": total_iou / count, "oIoU": intersection / union}
        return values | {f"Pr@{t:g}": hit / count for t, hit in zip(THRESHOLDS, hits, strict=True)}


class GeneralizedSegmentationMetrics(GroupedSums):
    """GRES: gIoU, cIoU, N-acc, T-acc and Pr@X, where a sentence may name several objects or none.

    The rules are those of gRefCOCO (Liu et al., "GRES: Generalized Referring Expression Segmentation", 2023). A
    sample has no target when its true mask is empty. It is predicted to have none when a decision passed in says
    so, and without decisions when its predicted mask has fewer than `min_pixels` pixels.

    ===================  ===================  ========  ==========  ==================
    truth                prediction           IoU_n     I_n         U_n
    ===================  ===================  ========  ==========  ==================
    no target            no target            1         0           0
    no target            target               0         0           predicted pixels
    target               no target            0         0           pixels of the union
    target               target               I_n/U_n   both masks  pixels of the union
    ===================  ===================  ========  ==========  ==================

    - ``gIoU = mean_n IoU_n`` and ``cIoU = sum_n I_n / sum_n U_n``, over all samples.
    - ``N-acc``, the share of the samples without a target that are predicted to have none.
    - ``T-acc``, the share of the samples with a target that are predicted to have one.
    - ``Pr@X``, the share of the samples with a target that have IoU_n >= X.

    gIoU and cIoU are also given per group of samples.
    """

    by_group = ("gIoU", "cIoU")

    def __init__(self, min_pixels: int = 50, **kwargs: Any) -> None:
        """Start empty.

        Args:
            min_pixels: a predicted mask with fewer pixels, at the picture's original size, says "no target".
            **kwargs: passed to `torchmetrics.Metric`.

        Raises:
            ValueError: `min_pixels` is less than 1.
        """
        # number of samples, of those without a target, of both kinds where the prediction agrees, sum of IoU, of
        # intersections and of unions, hits per threshold
        super().__init__(columns=7 + len(GENERALIZED_THRESHOLDS), **kwargs)
        if min_pixels < 1:
            raise ValueError(f"min_pixels must be 1 or more, got {min_pixels}")
        self.min_pixels = min_pixels

    def update(
        self,
        intersections: Tensor,
        predicted_areas: Tensor,
        target_areas: Tensor,
        no_target: Tensor | None = None,
        groups: Sequence[str | None] | None = None,
    ) -> None:
        """Count a batch, without waiting for the device.

        Args:
            intersections: int64 (N,), pixels in both masks, at most the smaller area.
            predicted_areas: int64 (N,), pixels of the predicted mask at the picture's original size.
            target_areas: int64 (N,), pixels of the union of the true objects; 0 where there is no target.
            no_target: bool (N,), the decisions that there is no target; None counts the predicted pixels instead.
            groups: the group of each sample, or None for a sample without a group.

        Raises:
            ValueError: the shapes, a type or the number of groups do not fit.
        """
        _check_counts(intersections=intersections, predicted_areas=predicted_areas, target_areas=target_areas)
        if no_target is None:
            no_target = predicted_areas < self.min_pixels
        elif no_target.dtype != torch.bool or no_target.shape != intersections.shape:
            raise ValueError(
                f"no_target must be torch.bool of shape {tuple(intersections.shape)}, "
                f"got {no_target.dtype} of shape {tuple(no_target.shape)}"
            )
        absent = target_areas == 0
        intersection = intersections.masked_fill(no_target, 0).double()
        union = (predicted_areas + target_areas - intersections).masked_fill(absent & no_target, 0).double()
        iou = torch.where(absent, no_target.double(), intersection / union)
        hits = [~absent & (iou >= threshold) for threshold in GENERALIZED_THRESHOLDS]
        agreed = [absent & no_target, ~absent & ~no_target]
        columns = [torch.ones_like(iou), absent, *agreed, iou, intersection, union, *hits]
        self.add_rows(torch.stack([column.double() for column in columns], dim=1), groups)

    def ratios(self, sums: Tensor) -> dict[str, Tensor]:
        """ "gIoU", "cIoU", "N-acc", "T-acc", "Pr@0.7", "Pr@0.8" and "Pr@0.9", all in [0, 1].

        NaN where there is nothing to divide by: "N-acc" without a sample that has no target, "T-acc" and "Pr@X" without
        one that has, "cIoU" when every sample was rightly predicted to have none.
        """
        count, absent, absent_agreed, present_agreed, iou, intersection, union, *hits = sums.unbind(-1)
        present = count - absent
        values = {
            "gIoU": iou / count,
            "cIoU": intersection / union,
            "N-acc": absent_agreed / absent,
            "T-acc": present_agreed / present,
        }
        return values | {f"Pr@{t:g}": hit / present for t, hit in zip(GENERALIZED_THRESHOLDS, hits, strict=True)}


def _check_counts(**counts: Tensor) -> None:
    names = ", ".join(counts)
    if len({count.shape for count in counts.values()}) > 1 or any(count.ndim != 1 for count in counts.values()):
        shapes = ", ".join(str(tuple(count.shape)) for count in counts.values())
        raise ValueError(f"{names} must share one shape (N,), got {shapes}")
    if any(count.dtype != torch.int64 for count in counts.values()):
        raise ValueError(f"{names} must be torch.int64, got {', '.join(str(c.dtype) for c in counts.values())}")
