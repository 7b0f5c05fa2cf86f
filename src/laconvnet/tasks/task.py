"""What training, evaluation and prediction need to know of a task."""

from typing import Any, Protocol

from torch import Tensor

Batch = dict[str, Any]
Outputs = dict[str, Tensor]


class Task(Protocol):
    """A head, its targets, its loss, its decoding and its metric.

    Attributes:
        name: what it is called in settings and results.
        main_metric: the value by which one set of weights is better than another; higher is better.
        heads: the keys of the network's outputs that it reads.
        labels: the keys that its records must have.
    """

    name: str
    main_metric: str

    @property
    def heads(self) -> tuple[str, ...]: ...

    @property
    def labels(self) -> tuple[str, ...]: ...

    def loss(self, outputs: Outputs, batch: Batch) -> dict[str, Tensor]:
        """Scalars by name; "loss" is the one to minimise. No value leaves the device."""
        ...

    def metric(self) -> Any:
        """A fresh metric: `to` a device, and `compute` values by name."""
        ...

    def update(self, metric: Any, outputs: Outputs, batch: Batch) -> None:
        """Count a batch in the metric."""
        ...

    def predictions(self, outputs: Outputs, batch: Batch) -> list[dict[str, Any]]:
        """One JSON-ready answer per sample, in the pixels of the record's frame."""
        ...


def check_weights(**weights: float) -> None:
    """Refuse a weight of a loss below 0, or NaN; the ValueError names it."""
    for name, weight in weights.items():
        if not weight >= 0:
            raise ValueError(f"{name} must be 0 or more, got {weight}")
