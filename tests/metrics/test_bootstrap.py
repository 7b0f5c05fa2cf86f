import math

import pytest
import torch
from torch import Tensor

from laconvnet.metrics import (
    AnswerAccuracy,
    GeneralizedSegmentationMetrics,
    GroundingAccuracy,
    GroupedSums,
    SegmentationMetrics,
    bootstrap_intervals,
)


def scored(right: Tensor) -> AnswerAccuracy:
    metric = AnswerAccuracy()
    metric.rows = []
    metric.update(right.long(), torch.ones(len(right), dtype=torch.int64))
    return metric


def intervals(metric: GroupedSums, clusters: list[int], **options: float) -> dict[str, tuple[float, float]]:
    assert metric.rows is not None
    return bootstrap_intervals(metric, torch.cat(metric.rows), clusters, **options)  # type: ignore[arg-type]


def test_of_independent_samples_it_is_the_binomial_interval() -> None:
    right = torch.arange(400) % 10 < 7
    low, high = intervals(scored(right), list(range(400)), resamples=4000)["accuracy"]
    half = 1.96 * math.sqrt(0.7 * 0.3 / 400)
    assert (low, high) == pytest.approx((0.7 - half, 0.7 + half), abs=0.006)


def test_sentences_of_a_picture_are_drawn_together() -> None:
    right = (torch.arange(400) // 10) % 2 == 0  # ten sentences of a picture, all right or all wrong
    alone = intervals(scored(right), list(range(400)))["accuracy"]
    together = intervals(scored(right), [number // 10 for number in range(400)])["accuracy"]
    assert together[1] - together[0] == pytest.approx(math.sqrt(10) * (alone[1] - alone[0]), rel=0.15)


def test_a_lower_level_is_narrower_and_a_seed_repeats() -> None:
    metric, clusters = scored(torch.arange(50) % 3 > 0), list(range(50))
    wide, narrow = intervals(metric, clusters, seed=1)["accuracy"], intervals(metric, clusters, level=0.5)["accuracy"]
    assert wide[0] < narrow[0] < narrow[1] < wide[1]
    assert intervals(metric, clusters, seed=1)["accuracy"] == wide
    assert intervals(metric, clusters, seed=2)["accuracy"] != wide


def test_every_metric_has_an_interval_around_each_of_its_values() -> None:
    generator = torch.Generator().manual_seed(0)
    true, predicted = torch.randint(60, 200, (2, 90), generator=generator)
    both = (torch.minimum(true, predicted) * torch.rand(90, generator=generator)).long()
    corners = torch.rand(90, 2, generator=generator)
    boxes, shift = torch.cat([corners, corners + 1], 1), 0.3 * torch.rand(90, 1, generator=generator)
    answers, right = torch.randint(3, (2, 90), generator=generator)
    updates = {
        AnswerAccuracy(): (answers, right),
        GroundingAccuracy(): (boxes, boxes + shift),
        SegmentationMetrics(): (both, true + predicted - both),
        GeneralizedSegmentationMetrics(): (both * (right > 0), predicted, true * (right > 0), answers == 0),
    }
    for metric, arguments in updates.items():
        metric.rows = []
        metric.update(*arguments)
        values, ends = metric.compute(), intervals(metric, [number // 3 for number in range(90)])
        assert ends.keys() == values.keys()
        for name, (low, high) in ends.items():
            assert low <= float(values[name]) <= high, (metric, name)


def test_many_pictures_are_drawn_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    metric, clusters = scored(torch.arange(60) % 4 > 0), list(range(60))
    whole = intervals(metric, clusters)["accuracy"]
    monkeypatch.setattr("laconvnet.metrics.bootstrap._AT_ONCE", 600)
    assert intervals(metric, clusters)["accuracy"] == pytest.approx(whole, abs=0.02)


def test_a_value_without_samples_has_no_interval() -> None:
    metric = GeneralizedSegmentationMetrics()
    metric.rows = []
    area = torch.full((5,), 100)
    metric.update(area, area, area)
    assert all(math.isnan(end) for end in intervals(metric, list(range(5)))["N-acc"])


@pytest.mark.parametrize(
    ("rows", "clusters", "options"),
    [((0, 2), 0, {}), ((3, 2), 2, {}), ((3,), 3, {}), ((3, 2), 3, {"level": 1.0}), ((3, 2), 3, {"resamples": 0})],
)
def test_impossible_arguments_are_refused(rows: tuple[int, ...], clusters: int, options: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must be"):
        bootstrap_intervals(
            AnswerAccuracy(),
            torch.zeros(rows, dtype=torch.float64),
            list(range(clusters)),
            **options,  # type: ignore[arg-type]
        )
