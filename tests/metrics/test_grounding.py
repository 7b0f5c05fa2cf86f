"""Accuracy of boxes, by hand, and over two processes."""

from __future__ import annotations

import math
import pickle
import re
from pathlib import Path

import pytest
import torch
from torch import Tensor
from two_processes import on_two_processes

from laconvnet.metrics import GroundingAccuracy

NOWHERE = [float("nan")] * 4


def test_shapes_that_do_not_fit_are_refused() -> None:
    for shapes in (((2, 4), (3, 4)), ((2, 5), (2, 5)), ((4,), (4,))):
        with pytest.raises(ValueError, match=f"share one shape .N, 4., got {re.escape('{} and {}'.format(*shapes))}"):
            GroundingAccuracy().update(*map(torch.zeros, shapes))
    with pytest.raises(ValueError, match="need 2 groups, got 1"):
        GroundingAccuracy().update(torch.zeros(2, 4), torch.zeros(2, 4), ["a"])


def values(metric: GroundingAccuracy) -> dict[str, float]:
    return {name: float(value) for name, value in metric.compute().items()}


def wide(width: float) -> list[float]:
    return [0, 0, width, 10]


def test_accuracy_by_hand() -> None:
    metric = GroundingAccuracy()
    whole = wide(10)
    pred = torch.tensor([wide(10), wide(5), wide(2.5), wide(6), [float("nan"), 0, 1, 1], wide(10)])
    target = torch.tensor([whole] * 5 + [NOWHERE])
    metric.update(pred, target, ["a", "a", None, "b", "b", "c"])
    # IoU 1, 1/2, 1/4, 0.6, a miss; the last has no target. A threshold that is only reached does not count.
    assert values(metric) == {
        "accuracy@0.25": pytest.approx(3 / 5),
        "accuracy@0.5": pytest.approx(2 / 5),
        "accuracy@0.75": pytest.approx(1 / 5),
        "mean_iou": pytest.approx((1 + 0.5 + 0.25 + 0.6) / 5),
        "accuracy@0.5/a": pytest.approx(1 / 2),
        "accuracy@0.5/b": pytest.approx(1 / 2),
    }


def test_batches_add_up_and_reset_forgets() -> None:
    torch.manual_seed(0)
    pred, target = torch.rand(30, 4), torch.rand(30, 4)
    groups = [["x", "y", None][i % 3] for i in range(30)]
    whole, parts = GroundingAccuracy(), GroundingAccuracy()
    whole.update(pred, target, groups)
    for begin, end in ((0, 1), (1, 14), (14, 14), (14, 30)):
        parts.update(pred[begin:end], target[begin:end], groups[begin:end])
    assert values(parts) == pytest.approx(values(whole))
    parts.reset()
    parts.update(torch.tensor([wide(1)]), torch.tensor([wide(1)]), ["y"])
    assert {name for name in values(parts) if "/" in name} == {"accuracy@0.5/y"}
    assert set(values(parts).values()) == {1.0}


def test_called_as_a_function_it_gives_the_batch_and_keeps_the_sum() -> None:
    metric = GroundingAccuracy()
    metric.update(torch.tensor([wide(10)]), torch.tensor([wide(10)]), ["a"])
    batch = metric(torch.tensor([wide(1)]), torch.tensor([wide(10)]), ["b"])
    assert {k: float(v) for k, v in batch.items() if "@0.5" in k} == {"accuracy@0.5": 0, "accuracy@0.5/b": 0}
    assert {k: v for k, v in values(metric).items() if "@0.5" in k} == {
        "accuracy@0.5": 0.5, "accuracy@0.5/a": 1.0, "accuracy@0.5/b": 0.0,
    }  # fmt: skip


def test_nothing_with_a_target_is_not_a_number() -> None:
    metric = GroundingAccuracy()
    metric.update(torch.zeros(1, 4), torch.tensor([NOWHERE]), ["a"])
    assert all(value != value for value in values(metric).values())
    assert set(values(metric)) == {"accuracy@0.25", "accuracy@0.5", "accuracy@0.75", "mean_iou"}


DECIDED = torch.tensor([True, False, False, True, False, False])
ABSENT = torch.tensor([NOWHERE] * 3 + [wide(10)] * 3)


def test_decisions_by_hand() -> None:
    """Of three sentences without a target one is told; of three with one the first is denied."""
    metric = GroundingAccuracy(no_target=True)
    found = torch.tensor([NOWHERE, wide(10), wide(10), NOWHERE, wide(6), wide(3)])
    metric.update(found, ABSENT, ["a", "a", None, "b", "b", None], no_target=DECIDED)
    assert values(metric) == {
        "accuracy@0.25": pytest.approx(2 / 3),
        "accuracy@0.5": pytest.approx(1 / 3),
        "accuracy@0.75": 0.0,
        "mean_iou": pytest.approx((0.6 + 0.3) / 3),
        "N-acc": pytest.approx(1 / 3),
        "T-acc": pytest.approx(2 / 3),
        "accuracy@0.5/b": 0.5,
    }


def test_decisions_need_sentences_of_their_kind() -> None:
    metric = GroundingAccuracy(no_target=True)
    metric.update(ABSENT[:3], ABSENT[:3], no_target=DECIDED[:3])
    assert values(metric)["N-acc"] == pytest.approx(1 / 3) and math.isnan(values(metric)["T-acc"])
    metric.reset()
    metric.update(ABSENT[3:], ABSENT[3:], no_target=DECIDED[3:])
    assert math.isnan(values(metric)["N-acc"]) and values(metric)["T-acc"] == pytest.approx(2 / 3)


def test_decisions_are_counted_where_they_are_wanted() -> None:
    with pytest.raises(ValueError, match="made with no_target=True got decisions: False"):
        GroundingAccuracy(no_target=True).update(ABSENT, ABSENT)
    with pytest.raises(ValueError, match="made with no_target=False got decisions: True"):
        GroundingAccuracy().update(ABSENT, ABSENT, no_target=DECIDED)


def test_it_travels_to_another_process() -> None:
    metric = GroundingAccuracy()
    metric.update(torch.tensor([wide(10)]), torch.tensor([wide(10)]), ["a"])
    assert values(pickle.loads(pickle.dumps(metric))) == values(metric)


SHARES = (
    (list(range(0, 7)), ["a", "b", None, "a", "b", "a", None]),
    (list(range(7, 10)), ["c", None, "b"]),
)


def boxes() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(3)
    target = torch.rand(10, 4, generator=generator) * 10
    target[:, 2:] += target[:, :2]
    return target + torch.randn(10, 4, generator=generator), target


@pytest.mark.parametrize("second_is_empty", [False, True])
def test_two_processes_with_different_groups_equal_one(tmp_path: Path, second_is_empty: bool) -> None:
    pred, target = boxes()
    one = GroundingAccuracy()
    shares = ((SHARES[0][0] + SHARES[1][0], SHARES[0][1] + SHARES[1][1]), ([], [])) if second_is_empty else SHARES
    runs = []
    for rows, groups in shares:
        one.update(pred[rows], target[rows], groups)
        runs.append([("GroundingAccuracy", (pred[rows], target[rows], groups))])
    for (value,) in on_two_processes(tmp_path, runs):
        assert value == pytest.approx(values(one))
