"""What weights are worth: every table of docs/results.md about them, measured again."""

from laconvnet.report.everything import render, report
from laconvnet.report.measure import SORTS
from laconvnet.report.tables import MAIN, around_markers, put_between_markers

__all__ = ["MAIN", "SORTS", "around_markers", "put_between_markers", "render", "report"]
