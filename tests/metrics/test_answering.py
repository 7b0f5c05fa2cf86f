"""Accuracy of answers, by hand, and over two processes."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
import torch
from torchmetrics import Metric
from two_processes import on_two_processes

from laconvnet.metrics import AnswerAccuracy, VQAAccuracy


def values(metric: Metric) -> dict[str, float]:
    return {name: float(value) for name, value in metric.compute().items()}


# ---- one true answer

PREDICTED = torch.tensor([3, 1, 2, 0, 5, 0])
TRUE = torch.tensor([3, 2, 2, 0, 4, -1])
FAMILIES = ["count", "count", "exist", None, "query", None]


def test_accuracy_by_hand() -> None:
    metric = AnswerAccuracy()
    metric.update(PREDICTED, TRUE, FAMILIES)
    assert values(metric) == {
        "accuracy": pytest.approx(3 / 6),
        "accuracy/count": 1 / 2,
        "accuracy/exist": 1.0,
        "accuracy/query": 0.0,
    }
    assert values(pickle.loads(pickle.dumps(metric))) == values(metric)
    metric.reset()
    metric.update(PREDICTED[:1], TRUE[:1])
    assert values(metric) == {"accuracy": 1.0}


def test_accuracy_of_nothing_is_not_a_number() -> None:
    metric = AnswerAccuracy()
    metric.update(PREDICTED[:0], TRUE[:0], [])
    assert values(metric) == {"accuracy": pytest.approx(float("nan"), nan_ok=True)}


def test_accuracy_refuses_what_does_not_fit() -> None:
    with pytest.raises(ValueError, match=r"share one shape \(N,\), got \(6,\) and \(5,\)"):
        AnswerAccuracy().update(PREDICTED, TRUE[:5])
    with pytest.raises(ValueError, match=r"share one shape \(N,\), got \(6, 1\) and \(6, 1\)"):
        AnswerAccuracy().update(PREDICTED[:, None], TRUE[:, None])
    with pytest.raises(ValueError, match=r"must be torch\.int64, got torch.float32 and torch.int64"):
        AnswerAccuracy().update(PREDICTED.float(), TRUE)
    with pytest.raises(ValueError, match="6 samples need 6 groups, got 1"):
        AnswerAccuracy().update(PREDICTED, TRUE, ["count"])


# ---- many human answers

SAID = ["yes", "3", "brown", "dog", "don't know"]
HUMANS = [
    {"yes": 1.0, "no": 0.6},
    {"2": 1.0, "3": 0.9},
    {"white": 1.0, "tan": 1.0},
    {"dog": 0.6, "cat": 1.0},
    {"don't know": 0.9, "yes": 1.0},
]
TYPES = ["yes/no", "number", "other", "other", None]


def test_soft_accuracy_by_hand() -> None:
    metric = VQAAccuracy()
    metric.update(SAID, HUMANS, TYPES)
    assert values(metric) == {
        "accuracy": pytest.approx((1 + 0.9 + 0 + 0.6 + 0.9) / 5),
        "accuracy/yes/no": 1.0,
        "accuracy/number": pytest.approx(0.9),
        "accuracy/other": pytest.approx((0 + 0.6) / 2),
    }


def test_soft_accuracy_of_nothing_is_not_a_number() -> None:
    metric = VQAAccuracy()
    metric.update([], [])
    assert values(metric) == {"accuracy": pytest.approx(float("nan"), nan_ok=True)}


def test_soft_accuracy_refuses_what_does_not_fit() -> None:
    metric = VQAAccuracy()
    with pytest.raises(ValueError, match="2 predictions need as many answers with scores, got 1"):
        metric.update(["yes", "no"], [{"yes": 1.0}])
    with pytest.raises(ValueError, match=r"scores of answers must be in \[0, 1\], got {'no': 3.0}"):
        metric.update(["yes"], [{"yes": 1.0, "no": 3.0}])
    with pytest.raises(ValueError, match="1 samples need 1 groups, got 2"):
        metric.update(["yes"], [{"yes": 1.0}], ["a", "b"])


# ---- any order, any number of processes


def arguments(name: str, rows: list[int]) -> tuple[object, ...]:
    if name == "AnswerAccuracy":
        return PREDICTED[rows], TRUE[rows], [FAMILIES[row] for row in rows]
    return [SAID[row] for row in rows], [HUMANS[row] for row in rows], [TYPES[row] for row in rows]


METRICS = {"AnswerAccuracy": AnswerAccuracy, "VQAAccuracy": VQAAccuracy}


def on_all(name: str) -> dict[str, float]:
    metric = METRICS[name]()
    metric.update(*arguments(name, list(range(5))))
    return values(metric)


@pytest.mark.parametrize("name", METRICS)
def test_order_and_batches_do_not_matter(name: str) -> None:
    metric = METRICS[name]()
    for rows in ([3], [], [4, 0], [2, 1]):
        metric.update(*arguments(name, rows))
    assert values(metric) == pytest.approx(on_all(name))
    assert len(values(metric)) == 4


def test_two_processes_with_different_groups_equal_one(tmp_path: Path) -> None:
    shares = (([0, 4, 1], list(range(5))), ([2, 3], []))
    runs = [(name, case) for name in METRICS for case in range(2)]
    given = [[(name, arguments(name, share[case])) for name, case in runs] for share in shares]
    for results in on_two_processes(tmp_path, given):
        assert results == [pytest.approx(on_all(name)) for name, _ in runs]
