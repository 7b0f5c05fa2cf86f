"""A task is everything about a job of the network: what it needs, learns from, answers, and is judged by."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Any

from laconvnet.models.config import ModelConfig
from laconvnet.settings import check
from laconvnet.tasks.answer import Answer, combine
from laconvnet.tasks.answering import Answering
from laconvnet.tasks.generalized import GeneralizedSegmentation
from laconvnet.tasks.grounding import Grounding
from laconvnet.tasks.multi import MultiTask
from laconvnet.tasks.segmentation import Segmentation
from laconvnet.tasks.task import Task, TaskOptions, is_question

TASKS: dict[str, type[Task[Any]]] = {
    task.name: task for task in (Grounding, Segmentation, GeneralizedSegmentation, Answering)
}
"""The tasks by name. A new one is entered here, and everything else asks the task."""


def find_task(name: str) -> type[Task[Any]]:
    """Return the class of a task.

    Raises:
        ValueError: there is no such task; names the nearest one.
    """
    if name not in TASKS:
        close = difflib.get_close_matches(name, TASKS, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"allowed: {', '.join(TASKS)}"
        raise ValueError(f"unknown task {name!r}; {hint}")
    return TASKS[name]


def build_task(
    name: str, options: TaskOptions | Mapping[str, Any] | None = None, *, stride: int = 32, where: str = "tasks"
) -> Task[Any]:
    """Build a task.

    Args:
        name: a key of `TASKS`.
        options: its settings, checked or as plain values; its defaults unless given.
        stride: input pixels per cell of the map that boxes are read from.
        where: the file that the settings come from, for errors.

    Raises:
        ValueError: no such task, setting or value; the message names it and what is allowed.
    """
    kind = find_task(name)
    if not isinstance(options, kind.Options):
        options = check(kind.Options, dict(options or {}), where, name)
    return kind(options, stride=stride)


def build_tasks(
    options: Mapping[str, TaskOptions | Mapping[str, Any]], *, stride: int = 32, where: str = "tasks"
) -> tuple[Task[Any], ...]:
    """Build tasks that share a network.

    Args:
        options: by name, see `build_task`.
        stride: input pixels per cell of the map that boxes are read from.
        where: the file that the settings come from, for errors.

    Raises:
        ValueError: no such task, setting or value.
    """
    return tuple(build_task(name, given, stride=stride, where=where) for name, given in options.items())


def answers_of(tasks: Sequence[Task[Any]]) -> tuple[str, ...]:
    """Return what the outputs of the answer head stand for; empty where no task has answers.

    Raises:
        ValueError: two tasks have different lists, which one head cannot serve.
    """
    lists = {task.name: task.answers for task in tasks if task.answers}
    if len(set(lists.values())) > 1:
        counts = ", ".join(f"{name} has {len(answers)}" for name, answers in lists.items())
        raise ValueError(f"tasks that share the answer head need the same answers in the same order; {counts}")
    return next(iter(lists.values()), ())


def check_fit(tasks: Sequence[Task[Any]], network: ModelConfig, where: str = "this network") -> None:
    """Refuse tasks that need what a network does not have.

    Raises:
        ValueError: a head is missing, or the answer head has another number of answers.
    """
    for task in tasks:
        if missing := [head for head in task.heads if head not in network.heads]:
            raise ValueError(
                f"{where} has the heads {', '.join(network.heads)}; task {task.name} also needs {', '.join(missing)}"
            )
        if task.answers and len(task.answers) != network.num_answers:
            raise ValueError(
                f"{where} gives {network.num_answers} answers, and task {task.name} lists {len(task.answers)}"
            )


def together(tasks: Sequence[Task[Any]]) -> Task[Any] | MultiTask:
    """Return the only one of some tasks, or all of them as one.

    Raises:
        ValueError: there is none.
    """
    if not tasks:
        raise ValueError(f"at least one task is needed, of {', '.join(TASKS)}")
    return tasks[0] if len(tasks) == 1 else MultiTask(tasks)


def tasks_for_scenes(sorts: Sequence[str]) -> tuple[str, ...]:
    """Return the names of the tasks that learn from sorts of sentences about the embedded world."""
    return tuple(name for name, task in TASKS.items() if set(task.scene_sorts) & set(sorts))


__all__ = [
    "TASKS",
    "Answer",
    "Answering",
    "GeneralizedSegmentation",
    "Grounding",
    "MultiTask",
    "Segmentation",
    "Task",
    "TaskOptions",
    "answers_of",
    "build_task",
    "build_tasks",
    "check_fit",
    "combine",
    "find_task",
    "is_question",
    "tasks_for_scenes",
    "together",
]
