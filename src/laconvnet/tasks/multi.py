"""Several tasks on one network: each learns from, and is measured on, the samples that serve it."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor

from laconvnet.tasks.answer import Answer, combine
from laconvnet.tasks.task import Outputs, Task

if TYPE_CHECKING:
    from laconvnet.data import Batch


def rows_of(name: str, batch: Batch) -> list[int]:
    """Return the samples of a batch that serve a task."""
    return [row for row, tasks in enumerate(batch["tasks"]) if name in tasks]


def take(values: Mapping[str, Any], rows: Sequence[int]) -> dict[str, Any]:
    """Return some samples of a batch, or of the outputs for it: rows of tensors, items of lists."""
    index = torch.tensor(rows)
    return {
        name: value[index.to(value.device, non_blocking=True)]
        if isinstance(value, Tensor)
        else [value[row] for row in rows]
        for name, value in values.items()
    }


class MetricsByTask:
    """One metric per task, and the mean of their main values.

    Args:
        tasks: the tasks.
    """

    def __init__(self, tasks: Sequence[Task[Any]]):
        self.tasks = tasks
        self.metrics: dict[str, Any] = {task.name: task.metric() for task in tasks}

    def to(self, device: torch.device | str) -> MetricsByTask:
        """Move all of them."""
        self.metrics = {name: metric.to(device) for name, metric in self.metrics.items()}
        return self

    def compute(self) -> dict[str, Tensor]:
        """Return their values as "task/name", and "mean", that of the main values; NaN where one has no sample."""
        with warnings.catch_warnings():  # a task without a sample is no mistake here
            warnings.filterwarnings("ignore", message="The ``compute`` method of metric")
            values = {
                f"{name}/{key}": value
                for name, metric in self.metrics.items()
                for key, value in metric.compute().items()
            }
        main = [values[f"{task.name}/{task.headline[0]}"].double().cpu() for task in self.tasks]
        return values | {"mean": torch.stack(main).mean()}


class MultiTask:
    """A weighted sum of losses, each over the samples of its task.

    Args:
        tasks: two tasks or more, of different names.
    """

    headline = ("mean",)

    def __init__(self, tasks: Sequence[Task[Any]]):
        self.tasks = tuple(tasks)
        self.name = "+".join(task.name for task in tasks)
        self.heads = tuple(dict.fromkeys(head for task in tasks for head in task.heads))

    def loss(self, outputs: Outputs, batch: Batch) -> dict[str, Tensor]:
        """Return scalars "loss", the weighted sum, and "task/name" of the tasks that have a sample in the batch.

        A task without one adds 0 times its outputs, so that every process has the same gradients to share.
        """
        losses: dict[str, Tensor] = {}
        total = torch.zeros((), device=next(iter(outputs.values())).device)
        for task in self.tasks:
            if rows := rows_of(task.name, batch):
                own = task.loss(take(outputs, rows), cast("Batch", take(batch, rows)))
                total = total + task.options.weight * own["loss"]
                losses |= {f"{task.name}/{name}": value.detach() for name, value in own.items()}
            else:
                total = total + sum(outputs[name].sum() * 0 for name in task.outputs)
        return {"loss": total, **losses}

    def metric(self) -> MetricsByTask:
        """Return a fresh metric for each."""
        return MetricsByTask(self.tasks)

    def measure(self, metric: MetricsByTask, outputs: Outputs, batch: Batch) -> list[Answer]:
        """Decode the outputs for a batch, count each sample in the metrics of its tasks, and return the answers."""
        said: list[list[Answer]] = [[] for _ in batch["ids"]]
        for task in self.tasks:
            if rows := rows_of(task.name, batch):
                own = cast("Batch", take(batch, rows))
                answers = task.measure(metric.metrics[task.name], take(outputs, rows), own)
                for row, answer in zip(rows, answers, strict=True):
                    said[row].append(answer)
        return list(map(combine, said))
