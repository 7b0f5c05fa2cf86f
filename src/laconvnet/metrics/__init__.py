"""Metrics that are correct over any number of processes."""

from laconvnet.metrics.grounding import GroundingAccuracy, box_iou

__all__ = ["GroundingAccuracy", "box_iou"]
