"""Metrics that are correct over any number of processes."""

from laconvnet.metrics.answering import AnswerAccuracy, VQAAccuracy
from laconvnet.metrics.grounding import GroundingAccuracy, box_iou
from laconvnet.metrics.segmentation import (
    GeneralizedSegmentationMetrics,
    SegmentationMetrics,
    intersection_and_union,
)

__all__ = [
    "AnswerAccuracy",
    "GeneralizedSegmentationMetrics",
    "GroundingAccuracy",
    "SegmentationMetrics",
    "VQAAccuracy",
    "box_iou",
    "intersection_and_union",
]
