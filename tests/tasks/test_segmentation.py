"""RES: the loss, decoding, and metrics against those of whole masks."""

import math

import numpy as np
import pytest
import torch

from laconvnet.data import Record
from laconvnet.tasks import Segmentation, build_task
from laconvnet.tasks.losses import dice_loss, mask_loss
from laconvnet.tasks.segmentation import SegmentationOptions, mask_areas


def decode(task, outputs, batch):
    return task.decode(outputs, batch["frames"], batch["sizes"])


def test_the_loss_is_a_weighted_sum(batch, outputs):
    targets = batch["target_masks"][:, None]
    plain = build_task("res").loss(outputs, batch)
    both = Segmentation(SegmentationOptions(dice_weight=2.5)).loss(outputs, batch)
    assert set(plain) == {"loss", "mask_loss"} and set(both) == {"loss", "mask_loss", "dice_loss"}
    assert plain["loss"] == pytest.approx(mask_loss(outputs["res"], targets).item())
    expected = mask_loss(outputs["res"], targets) + 2.5 * dice_loss(outputs["res"], targets)
    assert both["loss"] == pytest.approx(expected.item())


@pytest.mark.parametrize("options", [{}, {"mask_rule": "dilate"}])
def test_the_metric_is_that_of_whole_masks(batch, outputs, areas, options):
    task = build_task("res", options)
    metric, answers = task.metric(), []
    for rows in (slice(0, 4), slice(4, 6)):  # counted in two batches
        part = {name: value[rows] for name, value in batch.items()}
        answers += task.measure(metric, {"res": outputs["res"][rows]}, part)
    predicted, _, both, either = areas(answers, batch)
    assert predicted.min() > 0 and 0 < (both / either).mean() < 0.9
    iou = both / either
    values = {name: float(value) for name, value in metric.compute().items()}
    assert values["mean_iou"] == pytest.approx(iou.mean())
    assert values["oIoU"] == pytest.approx(both.sum() / either.sum())
    assert values["Pr@0.5"] == pytest.approx((iou >= 0.5).mean())
    assert values["mean_iou/a"] == pytest.approx(iou[::2].mean())
    assert values["oIoU/b"] == pytest.approx(both[1::2].sum() / either[1::2].sum())


def test_dilated_masks_are_larger(batch, outputs, areas):
    small, large = (
        areas(decode(build_task("res", {"mask_rule": rule}), outputs, batch), batch)[0]
        for rule in ("interpolate", "dilate")
    )
    assert (large >= small).all() and large.sum() > small.sum()


def test_masks_have_the_size_of_the_record(batch, outputs):
    answers = decode(build_task("res"), outputs, batch)
    assert [answer.mask.shape[::-1] for answer in answers] == list(map(tuple, batch["sizes"].tolist()))
    assert all(set(answer.to_json()) == {"mask", "mask_pixels"} for answer in answers)
    # A perfect answer for a picture that the network saw as it is gives the record's mask back.
    perfect = {"res": batch["target_masks"][:, None] * 8.0 - 4.0}
    assert decode(build_task("res"), perfect, batch)[3].to_json()["mask"] == batch["record_masks"][3][0]


def test_areas_are_those_of_pycocotools(batch, outputs, areas):
    answers = decode(build_task("res"), outputs, batch)
    predicted, true, both, _ = areas(answers, batch)
    counted = mask_areas(answers, batch)
    assert counted.dtype == torch.int64
    np.testing.assert_array_equal(counted, [both, predicted, true])


def test_what_it_needs():
    task = build_task("res")
    assert task.outputs == task.heads == ("res",) and task.labels == ("masks",)
    assert task.serves(Record("a", "a.png", 8, 8, "it", masks=()))
    assert not task.serves(Record("a", "a.png", 8, 8, "is it", masks=(), answer="yes"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dice_weight": -1}, "res.dice_weight is -1, allowed: greater than or equal to 0"),
        ({"dice_weight": math.nan}, "res.dice_weight is nan, allowed: a finite number"),
        ({"mask_rule": "round"}, "res.mask_rule is 'round', allowed: 'interpolate' or 'dilate'"),
        ({"no_target": "pixels"}, "unknown setting 'res.no_target'; known here: res.weight, res.dice_weight"),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(ValueError, match=message):
        build_task("res", options)
