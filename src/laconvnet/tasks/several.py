"""Several tasks on one network: each learns from, and is measured on, the samples that serve it."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric

from laconvnet.tasks.task import Batch, Outputs, Task


def rows_of(name: str, batch: Batch) -> list[int]:
    """The samples of a batch that serve a task."""
    return [row for row, tasks in enumerate(batch["tasks"]) if name in tasks]


def take(values: Mapping[str, Any], rows: Sequence[int]) -> dict[str, Any]:
    """Some samples of a batch, or of the outputs for it: rows of tensors, items of lists."""
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

    def __init__(self, tasks: Sequence[Task]):
        self.tasks = tasks
        self.metrics: dict[str, Metric] = {task.name: task.metric() for task in tasks}

    def to(self, device: torch.device | str) -> MetricsByTask:
        """Move all of them."""
        self.metrics = {name: metric.to(device) for name, metric in self.metrics.items()}
        return self

    def compute(self) -> dict[str, Tensor]:
        """Their values as "task/name", and "mean", that of the tasks' main values; NaN where one has no sample."""
        with warnings.catch_warnings():  # a task without a sample is no mistake here
            warnings.filterwarnings("ignore", message="The ``compute`` method of metric")
            values = {
                f"{name}/{key}": value
                for name, metric in self.metrics.items()
                for key, value in metric.compute().items()
            }
        main = [values[f"{task.name}/{task.main_metric}"].double().cpu() for task in self.tasks]
        return values | {"mean": torch.stack(main).mean()}


class SeveralTasks:
    """A weighted sum of losses, each over the samples of its task.

    Args:
        tasks: two tasks or more, of different names.
        weights: the weight of each loss by name; 1 where none is given.

    Raises:
        ValueError: a weight is negative or names another task.
    """

    main_metric = "mean"

    def __init__(self, tasks: Sequence[Task], weights: Mapping[str, float]):
        names = [task.name for task in tasks]
        if unknown := [name for name in weights if name not in names]:
            raise ValueError(f"weights of {unknown}, which are not among the tasks {', '.join(names)}")
        if wrong := {name: weight for name, weight in weights.items() if not weight >= 0}:
            raise ValueError(f"weights of tasks must be 0 or more, got {wrong}")
        self.tasks, self.weights = tuple(tasks), dict(weights)
        self.name = "+".join(names)
        self.heads = tuple(dict.fromkeys(head for task in tasks for head in task.heads))
        self.labels: tuple[str, ...] = ()  # of which only some samples have each

    def loss(self, outputs: Outputs, batch: Batch) -> dict[str, Tensor]:
        """Scalars "loss", the weighted sum, and "task/name" of the tasks that have a sample in the batch.

        A task without one adds 0 times its outputs, so that every process has the same gradients to share.
        """
        losses: dict[str, Tensor] = {}
        total = torch.zeros((), device=next(iter(outputs.values())).device)
        for task in self.tasks:
            if rows := rows_of(task.name, batch):
                own = task.loss(take(outputs, rows), take(batch, rows))
                total = total + self.weights.get(task.name, 1.0) * own["loss"]
                losses |= {f"{task.name}/{name}": value.detach() for name, value in own.items()}
            else:
                total = total + sum(outputs[head].sum() * 0 for head in task.heads)
        return {"loss": total, **losses}

    def metric(self) -> MetricsByTask:
        """A fresh metric for each."""
        return MetricsByTask(self.tasks)

    def update(self, metric: MetricsByTask, outputs: Outputs, batch: Batch) -> None:
        """Count each sample in the metrics of the tasks that it serves."""
        for task in self.tasks:
            if rows := rows_of(task.name, batch):
                task.update(metric.metrics[task.name], take(outputs, rows), take(batch, rows))

    def predictions(self, outputs: Outputs, batch: Batch) -> list[dict[str, Any]]:
        """What every task says of every sample, whether it serves the task or not."""
        return [
            {key: value for part in parts for key, value in part.items()}
            for parts in zip(*(task.predictions(outputs, batch) for task in self.tasks), strict=True)
        ]
