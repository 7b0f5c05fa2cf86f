"""REC: loss, decoding, metric."""

import math

import pytest
import torch

from laconvnet.data import Record
from laconvnet.tasks import build_task


def rec(**options):
    return build_task("rec", options)


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
    task, target = rec(), [2.0, 4.0, 30.0, 28.0]
    outputs = {"rec": perfect(target)}
    losses = task.loss(outputs, batch([target]))
    assert losses["loss"] < 1e-2
    metric = task.metric()
    (answer,) = task.measure(metric, outputs, batch([target], ["people"]))
    values = metric.compute()
    assert values["accuracy@0.5"] == 1 and values["accuracy@0.5/people"] == 1
    assert answer.to_json() == {"box": pytest.approx(target, abs=0.01), "score": 0.9999}
    assert answer.no_target is None


def test_loss_by_hand():
    """One cell of 32 px on a target of the same centre and twice the area: IoU 1/2, one positive."""
    raw = torch.zeros(1, 5, 1, 1)
    raw[0, :2] = 0.5
    target = [0.0, -16.0, 32.0, 48.0]
    losses = rec().loss({"rec": raw}, batch([target]))
    assert losses["box_loss"] == pytest.approx(1 - 0.25)
    assert losses["objectness_loss"] == pytest.approx(math.log(2))
    assert losses["loss"] == pytest.approx(5 * 0.75 + math.log(2))
    assert losses["positives"] == 1


def test_a_sample_without_target_teaches_absence_only():
    raw = torch.zeros(2, 5, 2, 2, requires_grad=True)
    nan = float("nan")
    losses = rec().loss({"rec": raw}, batch([[nan] * 4, [0.0, 0.0, 40.0, 40.0]]))
    losses["loss"].backward()
    assert raw.grad.isfinite().all()
    assert (raw.grad[0, :4] == 0).all() and (raw.grad[0, 4] > 0).all()


def test_loss_does_not_change_its_targets():
    target = batch([[2.0, 4.0, 30.0, 28.0]])
    before = target["target_boxes"].clone()
    rec().loss({"rec": torch.randn(1, 5, 2, 2)}, target)
    assert torch.equal(target["target_boxes"], before)


def test_distance_loss_by_hand():
    """A cell of 32 px whose target lies one cell to the right of it, twice as wide, and does not meet it."""
    raw = torch.zeros(1, 5, 1, 1, requires_grad=True)
    losses = rec(l1_weight=2.0, box_weight=0.0).loss({"rec": raw}, batch([[32.0, -16.0, 96.0, 16.0]]))
    assert losses["l1_loss"].item() == pytest.approx(2.0 + math.log(2))
    assert losses["loss"].item() == pytest.approx(2 * (2.0 + math.log(2)) + math.log(2))
    losses["loss"].backward()
    assert raw.grad[0, 0, 0, 0] < 0  # the box is pulled to the target, which the IoU alone does not do


def test_distance_loss_looks_at_positive_cells_only():
    raw = torch.zeros(1, 5, 2, 2)
    raw[0, 2:4, 1, 1] = -200.0  # a width of 0
    losses = rec(l1_weight=1.0, assignment="nearest").loss(
        {"rec": raw.requires_grad_()}, batch([[0.0, 0.0, 32.0, 32.0]])
    )
    losses["loss"].backward()
    assert losses["l1_loss"].item() == pytest.approx(1.0) and raw.grad.isfinite().all()


def test_nearest_assignment_teaches_the_cell_of_the_target():
    raw = torch.zeros(1, 5, 3, 3)
    raw[0, :, 0, 0] = 1.0  # the corner answers loudest and best by chance
    losses = rec(assignment="nearest").loss({"rec": raw.requires_grad_()}, batch([[44.0, 44.0, 52.0, 52.0]]))
    (gradient,) = torch.autograd.grad(losses["loss"], raw)
    assert (gradient[0, 4] < 0).nonzero().tolist() == [[1, 1]]


def three_boxes():
    """A row of cells that answer 0..32, 16..48 and 96..128 of 128 pixels with scores of 0.9, 0.6 and 0.2."""
    raw = torch.zeros(1, 5, 1, 3)
    raw[0, 0, 0] = torch.tensor([0.5, 0.0, 1.5])
    raw[0, 1] = 0.5
    raw[0, 4, 0] = torch.tensor([0.9, 0.6, 0.2]).logit()
    return raw


def decode(task, raw, width=128, **asked):
    (answer,) = task.decode({"rec": raw}, torch.tensor([[1.0, 1.0, 0.0, 0.0]]), torch.tensor([[width, 32]]), **asked)
    return answer


def test_several_boxes_are_told_on_demand():
    answer = decode(rec(), three_boxes(), top_k=3)
    assert answer.boxes == ((0, 0, 32, 32), (16, 0, 48, 32), (96, 0, 128, 32))
    assert answer.scores == pytest.approx((0.9, 0.6, 0.2))
    assert answer.box == answer.boxes[0] and answer.score == answer.scores[0]
    assert decode(rec(), three_boxes(), top_k=2).boxes == answer.boxes[:2]
    assert decode(rec(), three_boxes()).boxes == answer.boxes[:1]


def test_suppressed_boxes_are_not_told():
    raw = three_boxes()
    raw[0, 0, 0, 1] = -0.25  # 8..40
    assert decode(rec(), raw, top_k=3).boxes == ((0, 0, 32, 32), (96, 0, 128, 32))


def test_a_box_needs_the_least_score():
    assert len(decode(rec(), three_boxes(), top_k=3, min_score=0.5).boxes) == 2
    assert len(decode(rec(), three_boxes(), min_score=0.5).boxes) == 1
    even = torch.zeros(1, 5, 1, 3)
    assert decode(rec(), even, min_score=0.5).score == 0.5 and decode(rec(), even, min_score=0.51).box is None
    unsure = decode(rec(), three_boxes(), top_k=3, min_score=0.95)
    assert unsure.boxes == unsure.scores == () and unsure.box is unsure.score is None


def test_a_box_that_is_told_ends_with_the_picture():
    assert decode(rec(), three_boxes(), width=100, top_k=3).boxes[-1] == (96, 0, 100, 32)


def test_boxes_are_read_at_the_stride_of_the_network():
    task = build_task("rec", stride=16)
    assert decode(task, three_boxes(), top_k=3).boxes == ((0, 0, 16, 16), (8, 0, 24, 16), (48, 0, 64, 16))
    losses = task.loss({"rec": three_boxes()[..., :1]}, batch([[0.0, 0.0, 16.0, 16.0]]))
    assert losses["box_loss"] == pytest.approx(0.0)


def test_an_answer_without_a_box_is_a_miss():
    task = rec()
    metric, answer = task.metric(), decode(task, three_boxes(), min_score=0.95)
    task.update(metric, [answer], batch([[0.0, 0.0, 32.0, 32.0]]))
    assert metric.compute()["accuracy@0.25"] == 0


def test_what_it_needs():
    assert rec().outputs == rec().heads == ("rec",) and rec().labels == ("boxes",)
    box = ((0.0, 0.0, 4.0, 4.0),)
    assert rec().serves(Record("a", "a.png", 8, 8, "it", boxes=box, answer="yes"))
    assert not rec().serves(Record("a", "a.png", 8, 8, "is it", answer="yes"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"assignment": "best"}, "rec.assignment is 'best', allowed: 'simota' or 'nearest'"),
        ({"l1_weight": -1.0}, "rec.l1_weight is -1.0, allowed: greater than or equal to 0"),
        ({"no_target": "pixels"}, "rec.no_target is 'pixels', allowed: 'never' or 'classifier'"),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(ValueError, match=message):
        rec(**options)
