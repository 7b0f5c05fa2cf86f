"""Overlap of masks, RES and GRES metrics, by hand, beside pycocotools, and over two processes."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from pycocotools import mask as coco
from torch import Tensor
from torchmetrics import Metric
from two_processes import on_two_processes

from laconvnet.metrics import GeneralizedSegmentationMetrics, SegmentationMetrics, intersection_and_union


def values(metric: Metric) -> dict[str, float]:
    return {name: float(value) for name, value in metric.compute().items()}


def mask(*rows: str) -> Tensor:
    return torch.tensor([[letter == "#" for letter in row] for row in rows])


def test_overlap_by_hand() -> None:
    predicted = torch.stack([mask("##..", "##.."), mask("....", "...."), mask("####", "####"), mask("#...", "....")])
    target = torch.stack([mask(".##.", ".##."), mask("....", "...."), mask("####", "####"), mask("....", "...#")])
    intersections, unions = intersection_and_union(predicted, target)
    assert intersections.tolist() == [2, 0, 8, 0]
    assert unions.tolist() == [6, 0, 8, 2]
    assert intersections.dtype == unions.dtype == torch.int64
    one = intersection_and_union(predicted[0], target[0])
    assert [count.shape for count in one] == [(), ()]
    assert [count.item() for count in one] == [2, 6]


def test_overlap_is_that_of_pycocotools() -> None:
    rng = np.random.default_rng(0)
    share = rng.uniform(size=(2, 40, 1, 1))
    predicted, target = rng.uniform(size=(2, 40, 23, 31)) < share
    intersections, unions = intersection_and_union(torch.from_numpy(predicted), torch.from_numpy(target))
    assert len(set(intersections.tolist())) > 20
    for n in range(40):
        pair = [coco.encode(np.asfortranarray(m[n], dtype=np.uint8)) for m in (predicted, target)]
        assert intersections[n] == coco.area(coco.merge(pair, intersect=True))
        assert unions[n] == coco.area(coco.merge(pair))
        assert intersections[n] / unions[n] == pytest.approx(coco.iou([pair[0]], [pair[1]], [0]).item())


def test_masks_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\(N, H, W\) or \(H, W\), got \(2, 4, 4\) and \(1, 4, 4\)"):
        intersection_and_union(torch.zeros(2, 4, 4).bool(), torch.zeros(1, 4, 4).bool())
    with pytest.raises(ValueError, match=r"got \(2, 1, 4, 4\) and \(2, 1, 4, 4\)"):
        intersection_and_union(torch.zeros(2, 1, 4, 4).bool(), torch.zeros(2, 1, 4, 4).bool())
    with pytest.raises(ValueError, match=r"must be torch.bool, got torch.float32 and torch.bool"):
        intersection_and_union(torch.zeros(4, 4), torch.zeros(4, 4).bool())


# ---- RES

INTERSECTIONS = torch.tensor([10, 50, 7, 0, 0])
UNIONS = torch.tensor([10, 100, 10, 4, 0])


def test_res_by_hand() -> None:
    metric = SegmentationMetrics()
    metric.update(INTERSECTIONS, UNIONS, ["a", "a", "b", None, "c"])
    # IoU 1, 0.5, 0.7, 0, and 1 where both masks are empty; a threshold that is reached counts.
    assert values(metric) == {
        "mean_iou": pytest.approx((1 + 0.5 + 0.7 + 0 + 1) / 5),
        "oIoU": pytest.approx(67 / 124),
        "Pr@0.5": pytest.approx(4 / 5),
        "Pr@0.6": pytest.approx(3 / 5),
        "Pr@0.7": pytest.approx(3 / 5),
        "Pr@0.8": pytest.approx(2 / 5),
        "Pr@0.9": pytest.approx(2 / 5),
        "mean_iou/a": pytest.approx(0.75),
        "oIoU/a": pytest.approx(60 / 110),
        "mean_iou/b": pytest.approx(0.7),
        "oIoU/b": pytest.approx(0.7),
        "mean_iou/c": 1.0,
        "oIoU/c": pytest.approx(float("nan"), nan_ok=True),
    }


@pytest.mark.parametrize("percent", [50, 60, 70, 80, 90])
def test_res_precision_at_the_threshold(percent: int) -> None:
    metric = SegmentationMetrics()
    metric.update(torch.tensor([percent, percent * 1000 - 1]), torch.tensor([100, 100_000]))
    result = values(metric)
    assert result[f"Pr@{percent / 100:g}"] == 0.5
    assert [result[f"Pr@{p / 100:g}"] for p in (50, 60, 70, 80, 90) if p < percent] == [1.0] * (percent // 10 - 5)
    assert [result[f"Pr@{p / 100:g}"] for p in (50, 60, 70, 80, 90) if p > percent] == [0.0] * (9 - percent // 10)


def test_res_counts_every_pixel() -> None:
    metric = SegmentationMetrics()
    for _ in range(2):
        metric.update(torch.tensor([2**24 + 1]), torch.tensor([2**25]))
    assert values(metric)["oIoU"] == (2**24 + 1) / 2**25  # a float32 sum would lose the last pixel


def test_res_of_nothing_is_not_a_number() -> None:
    metric = SegmentationMetrics()
    metric.update(torch.zeros(0).long(), torch.zeros(0).long(), [])
    assert set(values(metric)) == {"mean_iou", "oIoU", "Pr@0.5", "Pr@0.6", "Pr@0.7", "Pr@0.8", "Pr@0.9"}
    assert all(value != value for value in values(metric).values())


def test_res_called_as_a_function_gives_the_batch_and_keeps_the_sum() -> None:
    metric = SegmentationMetrics()
    metric.update(torch.tensor([1]), torch.tensor([4]), ["a"])
    batch = metric(torch.tensor([4]), torch.tensor([4]), ["b"])
    assert {name: float(v) for name, v in batch.items() if "mean" in name} == {"mean_iou": 1, "mean_iou/b": 1}
    assert {name: v for name, v in values(metric).items() if "mean" in name} == {
        "mean_iou": 0.625, "mean_iou/a": 0.25, "mean_iou/b": 1,
    }  # fmt: skip
    assert values(pickle.loads(pickle.dumps(metric))) == values(metric)
    metric.reset()
    metric.update(torch.tensor([3]), torch.tensor([4]), ["b"])
    assert {name: v for name, v in values(metric).items() if "oIoU" in name} == {"oIoU": 0.75, "oIoU/b": 0.75}


def test_res_refuses_what_does_not_fit() -> None:
    one, two = torch.ones(1).long(), torch.ones(2).long()
    with pytest.raises(ValueError, match=r"intersections, unions must share one shape \(N,\), got \(2,\), \(1,\)"):
        SegmentationMetrics().update(two, one)
    with pytest.raises(ValueError, match=r"must share one shape \(N,\), got \(1, 1\), \(1, 1\)"):
        SegmentationMetrics().update(one[None], one[None])
    with pytest.raises(ValueError, match=r"must be torch\.int64, got torch.int64, torch.float32"):
        SegmentationMetrics().update(one, one.float())
    with pytest.raises(ValueError, match="2 samples need 2 groups, got 1"):
        SegmentationMetrics().update(two, two, ["a"])


# ---- GRES

# Without a target: an empty mask, 49 and 50 pixels. With one of 100 pixels: a fair mask, 40 pixels, the whole
# target, and 70 of its pixels.
SHARED = torch.tensor([0, 0, 0, 80, 40, 100, 70])
PREDICTED = torch.tensor([0, 49, 50, 100, 40, 100, 70])
TARGET = torch.tensor([0, 0, 0, 100, 100, 100, 100])


def gres(metric: GeneralizedSegmentationMetrics, no_target: list[int] | None = None) -> dict[str, float]:
    decisions = None if no_target is None else torch.tensor([n in no_target for n in range(7)])
    metric.update(SHARED, PREDICTED, TARGET, decisions)
    return values(metric)


def test_gres_by_hand() -> None:
    assert gres(GeneralizedSegmentationMetrics()) == {
        "gIoU": pytest.approx((1 + 1 + 0 + 80 / 120 + 0 + 1 + 0.7) / 7),
        "cIoU": pytest.approx((80 + 0 + 100 + 70) / (50 + 120 + 100 + 100 + 100)),
        "N-acc": pytest.approx(2 / 3),
        "T-acc": pytest.approx(3 / 4),
        "Pr@0.7": pytest.approx(2 / 4),
        "Pr@0.8": pytest.approx(1 / 4),
        "Pr@0.9": pytest.approx(1 / 4),
    }


def test_gres_by_group() -> None:
    metric = GeneralizedSegmentationMetrics()
    metric.update(SHARED, PREDICTED, TARGET, groups=["a", "a", "a", "b", "b", None, "b"])
    result = values(metric)
    assert result["gIoU/a"] == pytest.approx((1 + 1 + 0) / 3)
    assert result["gIoU/b"] == pytest.approx((80 / 120 + 0 + 0.7) / 3)
    assert result["cIoU/b"] == pytest.approx((80 + 70) / (120 + 100 + 100))


def test_gres_with_another_smallest_mask() -> None:
    result = gres(GeneralizedSegmentationMetrics(min_pixels=40))
    assert result["gIoU"] == pytest.approx((1 + 0 + 0 + 80 / 120 + 0.4 + 1 + 0.7) / 7)
    assert result["cIoU"] == pytest.approx((80 + 40 + 100 + 70) / (49 + 50 + 120 + 100 + 100 + 100))
    assert (result["N-acc"], result["T-acc"]) == (pytest.approx(1 / 3), 1.0)


def test_gres_decisions_replace_the_count() -> None:
    never = gres(GeneralizedSegmentationMetrics(), no_target=[])
    assert never["gIoU"] == pytest.approx((0 + 0 + 0 + 80 / 120 + 0.4 + 1 + 0.7) / 7)  # an empty mask is not enough
    assert never["cIoU"] == pytest.approx((80 + 40 + 100 + 70) / (0 + 49 + 50 + 120 + 100 + 100 + 100))
    assert (never["N-acc"], never["T-acc"]) == (0.0, 1.0)
    some = gres(GeneralizedSegmentationMetrics(), no_target=[2, 5])
    assert some["gIoU"] == pytest.approx((0 + 0 + 1 + 80 / 120 + 0.4 + 0 + 0.7) / 7)
    # The mask that a decision overrules still counts in the union with the target, not beside an absent one.
    assert some["cIoU"] == pytest.approx((80 + 40 + 0 + 70) / (49 + 0 + 120 + 100 + 100 + 100))
    assert (some["N-acc"], some["T-acc"]) == (pytest.approx(1 / 3), pytest.approx(3 / 4))
    assert (some["Pr@0.7"], some["Pr@0.8"]) == (pytest.approx(1 / 4), 0.0)


def test_gres_overruled_mask_beside_the_target() -> None:
    metric = GeneralizedSegmentationMetrics()
    metric.update(*torch.tensor([[10], [30], [100]]))
    metric.update(*torch.tensor([[60], [60], [60]]))
    assert values(metric)["cIoU"] == pytest.approx((0 + 60) / (120 + 60))


def test_gres_without_one_kind_of_sample() -> None:
    absent = GeneralizedSegmentationMetrics()
    absent.update(*torch.tensor([[0], [3], [0]]))
    result = values(absent)
    assert (result["gIoU"], result["N-acc"]) == (1.0, 1.0)
    assert all(result[name] != result[name] for name in ("cIoU", "T-acc", "Pr@0.7", "Pr@0.8", "Pr@0.9"))
    present = GeneralizedSegmentationMetrics()
    present.update(*torch.tensor([[60], [60], [80]]))
    result = values(present)
    assert (result["gIoU"], result["cIoU"], result["T-acc"], result["Pr@0.7"]) == (0.75, 0.75, 1.0, 1.0)
    assert result["N-acc"] != result["N-acc"]


def test_gres_refuses_what_does_not_fit() -> None:
    with pytest.raises(ValueError, match="min_pixels must be 1 or more, got 0"):
        GeneralizedSegmentationMetrics(min_pixels=0)
    metric, one = GeneralizedSegmentationMetrics(), torch.ones(1).long()
    with pytest.raises(ValueError, match=r"target_areas must share one shape \(N,\), got \(1,\), \(1,\), \(\)"):
        metric.update(one, one, one[0])
    with pytest.raises(ValueError, match=r"must be torch\.int64, got torch.bool, torch.int64, torch.int64"):
        metric.update(one.bool(), one, one)
    with pytest.raises(ValueError, match=r"torch.bool of shape \(1,\), got torch.float32 of shape \(1,\)"):
        metric.update(one, one, one, one.float())
    with pytest.raises(ValueError, match=r"torch.bool of shape \(1,\), got torch.bool of shape \(2,\)"):
        metric.update(one, one, one, torch.ones(2).bool())


# ---- any order, any number of processes

GROUPS = ["a", "b", None, "a", "b", "a", None, "c", None, "b"]


def counts() -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(3)
    target = torch.randint(100, 200, (10,), generator=generator) * (torch.arange(10) % 3 > 0)
    predicted = torch.randint(0, 200, (10,), generator=generator)
    return torch.minimum(target, predicted) * 9 // 10, predicted, target


def arguments(name: str, rows: list[int]) -> tuple[object, ...]:
    shared, predicted, target = (count[rows] for count in counts())
    if name == "SegmentationMetrics":
        return shared, predicted + target - shared, [GROUPS[row] for row in rows]
    return shared, predicted, target


METRICS = {"SegmentationMetrics": SegmentationMetrics, "GeneralizedSegmentationMetrics": GeneralizedSegmentationMetrics}


def on_all(name: str) -> dict[str, float]:
    metric = METRICS[name]()
    metric.update(*arguments(name, list(range(10))))
    return values(metric)


@pytest.mark.parametrize("name", METRICS)
def test_order_and_batches_do_not_matter(name: str) -> None:
    metric = METRICS[name]()
    for rows in ([7, 2, 9], [], [0], [8, 1, 6, 5, 4, 3]):
        metric.update(*arguments(name, rows))
    assert values(metric) == pytest.approx(on_all(name))
    assert len(set(values(metric).values())) > 4


def test_two_processes_with_different_groups_equal_one(tmp_path: Path) -> None:
    shares = (([0, 1, 2, 3, 4, 5, 6], list(range(10))), ([7, 8, 9], []))
    runs = [(name, case) for name in METRICS for case in range(2)]
    given = [[(name, arguments(name, share[case])) for name, case in runs] for share in shares]
    for results in on_two_processes(tmp_path, given):
        assert results == [pytest.approx(on_all(name)) for name, _ in runs]
