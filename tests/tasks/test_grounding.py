"""REC: loss, decoding, metric."""

import math

import pytest
import torch

from laconvnet.tasks import Grounding, build_task


def batch(boxes, groups=None):
    boxes = torch.tensor(boxes)
    n = len(boxes)
    return {
        "target_boxes": boxes,
        "frames": torch.tensor([[1.0, 1.0, 0.0, 0.0]]).expand(n, 4),
        "sizes": torch.tensor([[64, 64]]).expand(n, 2),
        "groups": groups or [None] * n,
    }


def perfect(target):
    """A raw map whose first cell answers the box exactly and confidently."""
    raw = torch.zeros(1, 5, 2, 2)
    x0, y0, x1, y1 = target
    raw[0, 4] = -9.0
    raw[0, 0, 0, 0], raw[0, 1, 0, 0] = (x0 + x1) / 64, (y0 + y1) / 64
    raw[0, 2, 0, 0], raw[0, 3, 0, 0] = math.log((x1 - x0) / 32), math.log((y1 - y0) / 32)
    raw[0, 4, 0, 0] = 9.0
    return raw


def test_a_perfect_answer_costs_nothing_and_scores_one():
    task, target = Grounding(), [2.0, 4.0, 30.0, 28.0]
    outputs = {"rec": perfect(target)}
    losses = task.loss(outputs, batch([target]))
    assert losses["loss"] < 1e-2
    metric = task.metric()
    task.update(metric, outputs, batch([target], ["people"]))
    values = metric.compute()
    assert values["accuracy@0.5"] == 1 and values["accuracy@0.5/people"] == 1
    (answer,) = task.predictions(outputs, batch([target]))
    assert answer == {"box": pytest.approx(target, abs=0.01), "score": 0.9999}


def test_loss_by_hand():
    """One cell of 32 px on a target of the same centre and twice the area: IoU 1/2, one positive."""
    raw = torch.zeros(1, 5, 1, 1)
    raw[0, :2] = 0.5
    target = [0.0, -16.0, 32.0, 48.0]
    losses = Grounding().loss({"rec": raw}, batch([target]))
    assert losses["box_loss"] == pytest.approx(1 - 0.25)
    assert losses["objectness_loss"] == pytest.approx(math.log(2))
    assert losses["loss"] == pytest.approx(5 * 0.75 + math.log(2))
    assert losses["positives"] == 1


def test_a_sample_without_target_teaches_absence_only():
    raw = torch.zeros(2, 5, 2, 2, requires_grad=True)
    nan = float("nan")
    losses = Grounding().loss({"rec": raw}, batch([[nan] * 4, [0.0, 0.0, 40.0, 40.0]]))
    losses["loss"].backward()
    assert raw.grad.isfinite().all()
    assert (raw.grad[0, :4] == 0).all() and (raw.grad[0, 4] > 0).all()


def test_loss_does_not_change_its_targets():
    target = batch([[2.0, 4.0, 30.0, 28.0]])
    before = target["target_boxes"].clone()
    Grounding().loss({"rec": torch.randn(1, 5, 2, 2)}, target)
    assert torch.equal(target["target_boxes"], before)


def test_unknown_tasks_and_options_are_named():
    with pytest.raises(ValueError, match="unknown task 'caption'; allowed: rec"):
        build_task("caption")
    with pytest.raises(ValueError, match=r"options of task 'rec'.*weight"):
        build_task("rec", weight=2)


def test_distance_loss_by_hand():
    """A cell of 32 px whose target lies one cell to the right of it, twice as wide, and does not meet it."""
    raw = torch.zeros(1, 5, 1, 1, requires_grad=True)
    losses = Grounding(l1_weight=2.0, box_weight=0.0).loss({"rec": raw}, batch([[32.0, -16.0, 96.0, 16.0]]))
    assert losses["l1_loss"].item() == pytest.approx(2.0 + math.log(2))
    assert losses["loss"].item() == pytest.approx(2 * (2.0 + math.log(2)) + math.log(2))
    losses["loss"].backward()
    assert raw.grad[0, 0, 0, 0] < 0  # the box is pulled to the target, which the IoU alone does not do


def test_distance_loss_looks_at_positive_cells_only():
    raw = torch.zeros(1, 5, 2, 2)
    raw[0, 2:4, 1, 1] = -200.0  # a width of 0
    losses = Grounding(l1_weight=1.0, assignment="nearest").loss(
        {"rec": raw.requires_grad_()}, batch([[0.0, 0.0, 32.0, 32.0]])
    )
    losses["loss"].backward()
    assert losses["l1_loss"].item() == pytest.approx(1.0) and raw.grad.isfinite().all()


def test_nearest_assignment_teaches_the_cell_of_the_target():
    raw = torch.zeros(1, 5, 3, 3)
    raw[0, :, 0, 0] = 1.0  # the corner answers loudest and best by chance
    losses = Grounding(assignment="nearest").loss({"rec": raw.requires_grad_()}, batch([[44.0, 44.0, 52.0, 52.0]]))
    (gradient,) = torch.autograd.grad(losses["loss"], raw)
    assert (gradient[0, 4] < 0).nonzero().tolist() == [[1, 1]]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"assignment": "best"}, r"assignment must be one of \('simota', 'nearest'\), got 'best'"),
        ({"l1_weight": -1.0}, "l1_weight must be 0 or more, got -1.0"),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(ValueError, match=message):
        Grounding(**options)
