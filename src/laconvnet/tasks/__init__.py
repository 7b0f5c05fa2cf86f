"""A task is a head, its targets, its loss, its decoding and its metric."""

from typing import Any

from laconvnet.tasks.boxes import best_boxes, to_record_frame
from laconvnet.tasks.grounding import Grounding
from laconvnet.tasks.segmentation import mask_loss
from laconvnet.tasks.task import Task

TASKS = {"rec": Grounding}


def build_task(name: str, **options: Any) -> Task:
    """Build a task.

    Args:
        name: "rec".
        **options: its constructor's keywords.

    Returns:
        The task.

    Raises:
        ValueError: no such task or option.
    """
    if name not in TASKS:
        raise ValueError(f"unknown task {name!r}; allowed: {', '.join(TASKS)}")
    try:
        return TASKS[name](**options)
    except TypeError as error:
        raise ValueError(f"options of task {name!r}: {error}") from None


__all__ = ["TASKS", "Grounding", "Task", "best_boxes", "build_task", "mask_loss", "to_record_frame"]
