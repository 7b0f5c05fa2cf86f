"""Several tasks on one network: who learns from what, and is measured on what."""

import math
import warnings

import pytest
import torch

from laconvnet.processing import encode_mask
from laconvnet.tasks import (
    Answering,
    GeneralizedSegmentation,
    Grounding,
    Segmentation,
    SeveralTasks,
    build_tasks,
    labels_of,
)
from laconvnet.tasks.several import rows_of, take

ANSWERS = ("yes", "no", "red")
SERVED = [("rec", "res"), ("vqa",), ("gres",), ("rec", "res"), ("vqa", "other"), ("gres",), ()]


def several(**weights):
    tasks = [
        Grounding(l1_weight=1.0),
        Segmentation(dice_weight=1.0),
        GeneralizedSegmentation(no_target="classifier"),
        Answering(answers=ANSWERS),
    ]
    return SeveralTasks(tasks, weights)


def make_batch(served):
    generator = torch.Generator().manual_seed(0)
    count = len(served)
    low = torch.randint(0, 30, (count, 2), generator=generator).float()
    masks = torch.rand(count, 64, 64, generator=generator) < 0.5
    masks[2:3] = False
    return {
        "target_boxes": torch.cat([low, low + 25], 1),
        "frames": torch.tensor([[1.0, 1.0, 0.0, 0.0]] * count),
        "sizes": torch.tensor([[64, 64]] * count),
        "target_masks": masks,
        "record_masks": [(encode_mask(mask.numpy()),) for mask in masks],
        "groups": ["even" if row % 2 == 0 else "odd" for row in range(count)],
        "ids": [f"r{row}" for row in range(count)],
        "answer": ["yes", "no", None, "red", "yes", "no", "red"][:count],
        "answers": [{}] * count,
        "tasks": served,
    }


@pytest.fixture
def batch():
    return make_batch(SERVED)


def make_outputs(count):
    generator = torch.Generator().manual_seed(1)
    shapes = {"rec": (count, 5, 2, 2), "res": (count, 1, 64, 64), "no_target": (count,), "answer": (count, 3)}
    return {name: torch.randn(shape, generator=generator).requires_grad_() for name, shape in shapes.items()}


def test_rows_and_what_is_taken_of_them(batch):
    assert rows_of("rec", batch) == [0, 3] and rows_of("gres", batch) == [2, 5] and rows_of("snli", batch) == []
    part = take(batch, [5, 0])
    assert torch.equal(part["target_boxes"], batch["target_boxes"][[5, 0]])
    assert part["ids"] == ["r5", "r0"] and part["tasks"] == [("gres",), ("rec", "res")]
    assert set(part) == set(batch)


def test_the_loss_is_the_weighted_sum_over_the_rows_of_each(batch):
    task, outputs = several(res=3.0, vqa=0.25), make_outputs(7)
    losses = task.loss(outputs, batch)
    expected, rows = {}, {"rec": [0, 3], "res": [0, 3], "gres": [2, 5], "vqa": [1, 4]}
    for each in task.tasks:
        own = each.loss(take(outputs, rows[each.name]), take(batch, rows[each.name]))
        expected |= {f"{each.name}/{name}": value.item() for name, value in own.items()}
    assert {name: value.item() for name, value in losses.items() if name != "loss"} == pytest.approx(expected)
    total = sum(
        expected[f"{name}/loss"] * weight for name, weight in [("rec", 1), ("res", 3), ("gres", 1), ("vqa", 0.25)]
    )
    assert losses["loss"].item() == pytest.approx(total)
    assert not any(value.requires_grad for name, value in losses.items() if name != "loss")


def test_no_task_learns_from_rows_of_others(batch):
    outputs = make_outputs(7)
    several().loss(outputs, batch)["loss"].backward()
    touched = {
        name: output.grad.flatten(1).any(1) if output.ndim > 1 else output.grad != 0 for name, output in outputs.items()
    }
    assert {name: rows.nonzero().flatten().tolist() for name, rows in touched.items()} == {
        "rec": [0, 3],
        "res": [0, 2, 3, 5],
        "no_target": [2, 5],
        "answer": [1, 4],
    }


def test_a_task_without_rows_gives_its_heads_gradients_of_zero():
    batch, outputs = make_batch([("rec", "res")] * 2), make_outputs(2)
    losses = several().loss(outputs, batch)
    assert not any(name.startswith(("vqa/", "gres/")) for name in losses)
    losses["loss"].backward()
    for name in ("no_target", "answer"):
        assert torch.equal(outputs[name].grad, torch.zeros_like(outputs[name]))
    alone = (
        Grounding(l1_weight=1.0).loss(outputs, batch)["loss"]
        + Segmentation(dice_weight=1.0).loss(outputs, batch)["loss"]
    )
    assert losses["loss"].item() == pytest.approx(alone.item())


def test_a_batch_that_serves_nothing_costs_nothing():
    outputs = make_outputs(2)
    losses = several().loss(outputs, make_batch([(), ("other",)]))
    losses["loss"].backward()
    assert set(losses) == {"loss"} and losses["loss"] == 0
    assert all(not output.grad.any() for output in outputs.values())


def test_metrics_are_those_of_each_task_on_its_rows(batch):
    task, outputs = several(), make_outputs(7)
    metric = task.metric().to("cpu")
    with torch.no_grad():
        task.update(metric, outputs, batch)
        values = {name: float(value) for name, value in metric.compute().items()}
        expected = {}
        for each, rows in zip(task.tasks, ([0, 3], [0, 3], [2, 5], [1, 4]), strict=True):
            single = each.metric()
            each.update(single, take(outputs, rows), take(batch, rows))
            expected |= {f"{each.name}/{name}": float(value) for name, value in single.compute().items()}
    main = [expected[name] for name in ("rec/accuracy@0.5", "res/mean_iou", "gres/gIoU", "vqa/accuracy")]
    assert values == pytest.approx(expected | {"mean": sum(main) / 4}, nan_ok=True)
    assert task.main_metric == "mean" and "vqa/accuracy/odd" in values


def test_the_mean_is_unknown_where_a_task_was_not_measured():
    task = several()
    metric = task.metric()
    with torch.no_grad():
        task.update(metric, make_outputs(2), make_batch([("rec", "res")] * 2))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torchmetrics may say that a metric has counted nothing
        values = metric.compute()
    assert math.isnan(values["mean"]) and math.isnan(values["vqa/accuracy"]) and not math.isnan(values["res/mean_iou"])


def test_predictions_hold_what_every_task_says(batch):
    task, outputs = several(), make_outputs(7)
    with torch.no_grad():
        answers = task.predictions(outputs, batch)
        singles = [each.predictions(outputs, batch) for each in task.tasks]
    assert len(answers) == 7
    for row, answer in enumerate(answers):
        assert set(answer) == {"box", "score", "mask", "no_target", "answer", "answer_score"}
        assert all(answer[name] == value for single in singles for name, value in single[row].items())


def test_names_and_heads():
    task = several()
    assert task.name == "rec+res+gres+vqa"
    assert task.heads == ("rec", "res", "no_target", "answer")


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ({"snli": 1.0}, r"weights of \['snli'\], which are not among the tasks rec, res, gres, vqa"),
        ({"rec": -1.0, "res": 2.0}, r"weights of tasks must be 0 or more, got {'rec': -1.0}"),
        ({"vqa": math.nan}, "must be 0 or more, got {'vqa': nan}"),
    ],
)
def test_bad_weights(weights, message):
    with pytest.raises(ValueError, match=message):
        several(**weights)


def test_tasks_are_built_with_their_options_and_weights():
    one = build_tasks({"rec": {"l1_weight": 2.0}})
    assert isinstance(one, Grounding) and one.l1_weight == 2.0
    options = {"res": {"weight": 0.5, "dice_weight": 1.0}, "vqa": {"loss": "soft_bce"}}
    both = build_tasks(options, answers=ANSWERS)
    assert isinstance(both, SeveralTasks) and both.name == "res+vqa"
    assert both.weights == {"res": 0.5, "vqa": 1.0}
    segmentation, answering = both.tasks
    assert segmentation.dice_weight == 1.0
    assert answering.answers == ANSWERS and answering.kind == "soft_bce"
    assert options == {"res": {"weight": 0.5, "dice_weight": 1.0}, "vqa": {"loss": "soft_bce"}}, "options were changed"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "at least one task is needed, of rec, res, gres, vqa"),
        ({"rec": {}, "caption": {}}, "unknown task 'caption'; allowed: rec, res, gres, vqa"),
        ({"rec": {"dice_weight": 1.0}}, "options of task 'rec'.*dice_weight"),
        ({"rec": {"weight": -1.0}}, "weights of tasks must be 0 or more, got {'rec': -1.0}"),
        ({"vqa": {}}, "answers must be at least one"),
    ],
)
def test_bad_tasks(options, message):
    with pytest.raises(ValueError, match=message):
        build_tasks(options)


def test_labels_that_records_need():
    task = several()
    assert labels_of(task, ["rec"]) == {"rec": ("boxes",)}
    assert labels_of(task, ["vqa", "res"]) == {"res": ("masks",), "vqa": ("answer",)}
    assert labels_of(task, []) == {}
    assert labels_of(Segmentation(), ["res"]) == {"res": ("masks",)} and labels_of(Segmentation(), ["rec"]) == {}


def test_options_that_are_no_options_are_named() -> None:
    with pytest.raises(ValueError, match="weight of task 'rec' must be a number, got 'x'"):
        build_tasks({"rec": {"weight": "x"}})
    with pytest.raises(ValueError, match=r"see data\.answers"):
        build_tasks({"vqa": {"answers": ["yes"]}}, answers=("yes",))
