"""Running a network once over a split and measuring it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import nn

from laconvnet.data import Batch, to_device
from laconvnet.tasks import Answer, MultiTask, Task


class EvaluationStopped(Exception):
    """The evaluation was asked to stop."""


def evaluate(
    model: nn.Module,
    loader: Iterable[Batch],
    task: Task[Any] | MultiTask,
    device: torch.device | str,
    *,
    metric: Any = None,
    on_answers: Callable[[list[Answer]], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> dict[str, float]:
    """Measure a network, every sample once.

    Args:
        model: the network, already on the device; it is left in the mode, training or not, that it came in.
        loader: batches as the collator makes them; over several processes each yields its own share.
        task: decodes the outputs and owns the metric.
        device: where the network is.
        metric: what counts; by default a fresh metric of the task.
        on_answers: receives what the network said of each batch, one answer per sample, in order.
        should_stop: asked before every batch; the evaluation ends when it answers yes.

    Returns:
        The metric's values by name, over the samples of all processes.

    Raises:
        EvaluationStopped: when `should_stop` answered yes.
    """
    device = torch.device(device)
    metric = task.metric() if metric is None else metric
    metric = metric.to("cpu" if device.type == "mps" else device)  # the sums are float64, which MPS lacks
    was_training = model.training
    model.eval()
    try:
        with torch.inference_mode():
            for raw in loader:
                if should_stop is not None and should_stop():
                    raise EvaluationStopped("the evaluation was asked to stop")
                batch = to_device(raw, device)
                answers = task.measure(metric, model(batch["images"], batch["tokens"]), batch)
                if on_answers is not None:
                    on_answers(answers)
            return {name: float(value) for name, value in metric.compute().items()}
    finally:
        model.train(was_training)
