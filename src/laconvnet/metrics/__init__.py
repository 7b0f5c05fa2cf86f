"""Metrics that are correct over any number of processes.

Those built on torchmetrics are loaded on first use: predicting needs none of them.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from laconvnet.metrics.boxes import box_intersection, box_iou

if TYPE_CHECKING:
    from laconvnet.metrics.answering import AnswerAccuracy, VQAAccuracy
    from laconvnet.metrics.bootstrap import bootstrap_intervals
    from laconvnet.metrics.grounding import GroundingAccuracy
    from laconvnet.metrics.grouped import GroupedSums
    from laconvnet.metrics.segmentation import (
        GeneralizedSegmentationMetrics,
        SegmentationMetrics,
        intersection_and_union,
    )

_HOMES = {
    "AnswerAccuracy": "answering",
    "GeneralizedSegmentationMetrics": "segmentation",
    "GroundingAccuracy": "grounding",
    "GroupedSums": "grouped",
    "SegmentationMetrics": "segmentation",
    "VQAAccuracy": "answering",
    "bootstrap_intervals": "bootstrap",
    "intersection_and_union": "segmentation",
}

__all__ = [
    "AnswerAccuracy",
    "GeneralizedSegmentationMetrics",
    "GroundingAccuracy",
    "GroupedSums",
    "SegmentationMetrics",
    "VQAAccuracy",
    "bootstrap_intervals",
    "box_intersection",
    "box_iou",
    "intersection_and_union",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'laconvnet.metrics' has no attribute {name!r}; it offers {', '.join(__all__)}")
    return getattr(importlib.import_module(f"laconvnet.metrics.{_HOMES[name]}"), name)
