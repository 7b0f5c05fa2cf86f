"""A task is a head, its targets, its loss, its decoding and its metric."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from laconvnet.tasks.answering import Answering, best_answers
from laconvnet.tasks.boxes import best_boxes, to_record_frame
from laconvnet.tasks.grounding import Grounding
from laconvnet.tasks.masks import MaskRule, to_record_masks
from laconvnet.tasks.segmentation import MIN_PIXELS, GeneralizedSegmentation, Segmentation, dice_loss, mask_loss
from laconvnet.tasks.several import SeveralTasks
from laconvnet.tasks.task import Task

TASKS: dict[str, type[Task]] = {
    "rec": Grounding,
    "res": Segmentation,
    "gres": GeneralizedSegmentation,
    "vqa": Answering,
}


def build_task(name: str, **options: Any) -> Task:
    """Build a task.

    Args:
        name: "rec", "res", "gres" or "vqa".
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


def build_tasks(options: Mapping[str, Mapping[str, Any]], *, answers: Sequence[str] = ()) -> Task:
    """Build one task, or several that share a network.

    Args:
        options: by task, its constructor's keywords, and "weight", of its loss beside the others', 1 if missing.
        answers: what "vqa" can answer.

    Returns:
        The one task, or `SeveralTasks`.

    Raises:
        ValueError: no such task or option, or none at all.
    """
    if not options:
        raise ValueError(f"at least one task is needed, of {', '.join(TASKS)}")
    tasks, weights = [], {}
    for name, given in options.items():
        own = dict(given)
        weights[name] = own.pop("weight", 1.0)
        if isinstance(weights[name], bool) or not isinstance(weights[name], int | float):
            raise ValueError(f"the weight of task {name!r} must be a number, got {weights[name]!r}")
        if "answers" in own:
            raise ValueError(f"options of task {name!r}: answers are listed from the data, see data.answers")
        tasks.append(build_task(name, **own, **({"answers": answers} if name == "vqa" else {})))
    several = SeveralTasks(tasks, weights)
    return several if len(tasks) > 1 else tasks[0]


def labels_of(task: Task, names: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """By name, the keys that a record must have to serve each of the named ones of a task, or of several."""
    tasks = task.tasks if isinstance(task, SeveralTasks) else (task,)
    return {each.name: each.labels for each in tasks if each.name in names}


__all__ = [
    "MIN_PIXELS",
    "TASKS",
    "Answering",
    "GeneralizedSegmentation",
    "Grounding",
    "MaskRule",
    "Segmentation",
    "SeveralTasks",
    "Task",
    "best_answers",
    "best_boxes",
    "build_task",
    "build_tasks",
    "dice_loss",
    "labels_of",
    "mask_loss",
    "to_record_frame",
    "to_record_masks",
]
