"""What training, evaluation and prediction need to know of a task."""

from typing import Any, Protocol

from torch import Tensor
from torchmetrics import Metric

Batch = dict[str, Any]
Outputs = dict[str, Tensor]


class Task(Protocol):
    """A head, its targets, its loss, its decoding and its metric.

    Attributes:
        name: the key of the head in the network's outputs.
        main_metric: the value by which one set of weights is better than another; higher is better.
    """

    name: str
    main_metric: str

    def loss(self, outputs: Outputs, batch: Batch) -> dict[str, Tensor]:
        """Scalars by name; "loss" is the one to minimise. No value leaves the device."""
        ...

    def metric(self) -> Metric:
        """A fresh metric."""
        ...

    def update(self, metric: Metric, outputs: Outputs, batch: Batch) -> None:
        """Count a batch in the metric."""
        ...

    def predictions(self, outputs: Outputs, batch: Batch) -> list[dict[str, Any]]:
        """One JSON-ready answer per sample, in the pixels of the record's frame."""
        ...
