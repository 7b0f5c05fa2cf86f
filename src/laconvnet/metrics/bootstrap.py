"""How far a metric's values would move on other pictures of the same kind."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import torch
from torch import Tensor

from laconvnet.metrics.grouped import GroupedSums

_AT_ONCE = 2**24  # numbers


def bootstrap_intervals(
    metric: GroupedSums,
    rows: Tensor,
    clusters: Sequence[Hashable],
    *,
    level: float = 0.95,
    resamples: int = 1000,
    seed: int = 0,
) -> dict[str, tuple[float, float]]:
    """Percentile intervals of a metric's values, by drawing whole pictures again with replacement.

    The sentences of one picture are right or wrong together, so intervals from single sentences would be too narrow:
    pictures are drawn, and each brings all of its sentences (the cluster bootstrap, Efron and Tibshirani, "An
    Introduction to the Bootstrap", 1993). They tell of the choice of the pictures, not of the luck of a training run.

    Args:
        metric: says what is made of summed rows.
        rows: float64 (N, columns), the rows that the metric kept.
        clusters: the picture of each row, N of them.
        level: share of the resamples that an interval holds, between 0 and 1.
        resamples: how many times as many pictures are drawn as there are, at least 1.
        seed: of the draws.

    Returns:
        (low, high) by the name of the value. NaN where no resample has a value.

    Raises:
        ValueError: there are no rows or not as many clusters, or a number is out of range.
    """
    if rows.ndim != 2 or len(rows) != len(clusters) or not len(rows):
        raise ValueError(
            f"rows must be (N, columns), N above 0, with N clusters; got {tuple(rows.shape)}, {len(clusters)}"
        )
    if not 0 < level < 1 or resamples < 1:
        raise ValueError(f"level must be between 0 and 1 and resamples 1 or more, got {level} and {resamples}")
    numbers = {cluster: number for number, cluster in enumerate(dict.fromkeys(clusters))}
    of_cluster = rows.new_zeros(len(numbers), rows.shape[1])
    of_cluster.index_add_(0, torch.tensor([numbers[cluster] for cluster in clusters], device=rows.device), rows)
    generator = torch.Generator().manual_seed(seed)
    sums = []
    step = max(1, _AT_ONCE // len(numbers))
    for first in range(0, resamples, step):
        drawn = torch.randint(len(numbers), (min(step, resamples - first), len(numbers)), generator=generator)
        times = torch.zeros(drawn.shape, dtype=rows.dtype).scatter_add_(
            1, drawn, torch.ones(drawn.shape, dtype=rows.dtype)
        )
        sums.append(times.to(rows.device) @ of_cluster)
    ends = torch.tensor([(1 - level) / 2, (1 + level) / 2], dtype=rows.dtype, device=rows.device)
    return {
        name: (low, high)
        for name, values in metric.ratios(torch.cat(sums)).items()
        for low, high in [torch.nanquantile(values, ends).tolist()]
    }
