"""Averages of a training run's numbers between two lines of its log."""

from __future__ import annotations

import time

import torch
from torch import Tensor


class Meter:
    """Adds values up on their device and waits for it only when they are read."""

    def __init__(self) -> None:
        """Start empty."""
        self._sums: dict[str, Tensor] = {}
        self._counts: dict[str, int] = {}
        self._samples = 0
        self._since = time.monotonic()

    def add(self, values: dict[str, Tensor], *, samples: int = 0) -> None:
        """Add values.

        Args:
            values: 0-d tensors by name.
            samples: how many samples they stand for.
        """
        for name, value in values.items():
            value = value.detach().float()
            self._sums[name] = self._sums[name] + value if name in self._sums else value.clone()
            self._counts[name] = self._counts.get(name, 0) + 1
        self._samples += samples

    def read(self) -> dict[str, float]:
        """Return the mean of each value and "samples_per_second", and start again."""
        names = list(self._sums)
        means = torch.stack([self._sums[name] / self._counts[name] for name in names]).tolist() if names else []
        speed = self._samples / max(time.monotonic() - self._since, 1e-9)
        self._sums, self._counts, self._samples = {}, {}, 0
        self._since = time.monotonic()
        return {**dict(zip(names, means, strict=True)), "samples_per_second": speed}

    def skip(self, seconds: float) -> None:
        """Leave time that was not spent on training out of the speed.

        Args:
            seconds: that time.
        """
        self._since += seconds
