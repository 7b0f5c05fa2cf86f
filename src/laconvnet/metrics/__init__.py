"""Metrics that are correct over any number of processes."""

from laconvnet.metrics.answering import AnswerAccuracy, VQAAccuracy
from laconvnet.metrics.bootstrap import bootstrap_intervals
from laconvnet.metrics.grounding import GroundingAccuracy, box_iou
from laconvnet.metrics.grouped import GroupedSums
from laconvnet.metrics.segmentation import (
    GeneralizedSegmentationMetrics,
    SegmentationMetrics,
    intersection_and_union,
)

__all__ = [
    "AnswerAccuracy",
    "GeneralizedSegmentationMetrics",
    "GroundingAccuracy",
    "GroupedSums",
    "SegmentationMetrics",
    "VQAAccuracy",
    "bootstrap_intervals",
    "box_iou",
    "intersection_and_union",
]
