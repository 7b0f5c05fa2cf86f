"""Several tasks on one network: who learns from what, and is measured on what."""

import math

import pytest
import torch

from laconvnet.processing import encode_mask
from laconvnet.tasks import MultiTask, build_task, build_tasks, combine
from laconvnet.tasks.multi import rows_of, take

ANSWERS = ("yes", "no", "red")
SERVED = [("rec", "res"), ("vqa",), ("gres",), ("rec", "res"), ("vqa", "other"), ("gres",), ()]


OPTIONS = {
    "rec": {"l1_weight": 1.0},
    "res": {"dice_weight": 1.0},
    "gres": {"no_target": "classifier"},
    "vqa": {"answers": ANSWERS},
}


def several(**weights):
    return MultiTask(
        build_tasks({name: options | {"weight": weights.get(name, 1.0)} for name, options in OPTIONS.items()})
    )


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
    alone = sum(build_task(name, OPTIONS[name]).loss(outputs, batch)["loss"] for name in ("rec", "res"))
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
        task.measure(metric, outputs, batch)
        values = {name: float(value) for name, value in metric.compute().items()}
        expected = {}
        for each, rows in zip(task.tasks, ([0, 3], [0, 3], [2, 5], [1, 4]), strict=True):
            single = each.metric()
            each.measure(single, take(outputs, rows), take(batch, rows))
            expected |= {f"{each.name}/{name}": float(value) for name, value in single.compute().items()}
    main = [expected[name] for name in ("rec/accuracy@0.5", "res/mean_iou", "gres/gIoU", "vqa/accuracy")]
    assert values == pytest.approx(expected | {"mean": sum(main) / 4}, nan_ok=True)
    assert task.headline == ("mean",) and "vqa/accuracy/odd" in values


def test_the_mean_is_unknown_where_a_task_was_not_measured():
    task = several()
    metric = task.metric()
    with torch.no_grad():
        task.measure(metric, make_outputs(2), make_batch([("rec", "res")] * 2))
    values = metric.compute()
    assert math.isnan(values["mean"]) and math.isnan(values["vqa/accuracy"]) and not math.isnan(values["res/mean_iou"])


def test_an_answer_holds_what_the_tasks_of_its_sample_say(batch):
    task, outputs = several(), make_outputs(7)
    with torch.no_grad():
        answers = task.measure(task.metric(), outputs, batch)
        singles = [each.decode(outputs, batch["frames"], batch["sizes"]) for each in task.tasks]
    expected = [
        combine(single[row] for each, single in zip(task.tasks, singles, strict=True) if each.name in served)
        for row, served in enumerate(SERVED)
    ]
    assert [answer.to_json() for answer in answers] == [answer.to_json() for answer in expected]
    assert [set(answer.to_json()) for answer in answers] == [
        {"box", "score", "mask", "mask_pixels"},
        {"answer", "answers"},
        {"mask", "mask_pixels", "no_target"},
        {"box", "score", "mask", "mask_pixels"},
        {"answer", "answers"},
        {"mask", "mask_pixels", "no_target"},
        set(),
    ]


def test_a_decision_of_one_task_removes_the_box_of_another():
    task = MultiTask(build_tasks({"rec": {}, "gres": {"no_target": "classifier"}}))
    batch, outputs = make_batch([("rec", "gres")] * 2), make_outputs(2)
    outputs["no_target"] = torch.tensor([1.0, -1.0])
    metric = task.metric()
    with torch.no_grad():
        absent, present = task.measure(metric, outputs, batch)
    assert absent.no_target is True and absent.box is None and not absent.mask.any()
    assert present.no_target is False and present.box is not None and present.mask.any()
    alone = build_task("rec").metric()
    build_task("rec").measure(alone, {"rec": outputs["rec"].detach()}, batch)
    assert metric.compute()["rec/mean_iou"] == alone.compute()["mean_iou"], "each is measured by what it says itself"


def test_names_and_heads():
    task = several()
    assert task.name == "rec+res+gres+vqa"
    assert task.heads == ("rec", "res", "no_target", "answer")


def test_one_classifier_serves_two_tasks():
    task = MultiTask(build_tasks({"rec": {"no_target": "classifier"}, "gres": {"no_target": "classifier"}}))
    assert task.heads == ("rec", "no_target", "res")
    outputs = make_outputs(4)
    task.loss(outputs, make_batch([("rec",), (), ("gres",), ("rec", "gres")]))["loss"].backward()
    assert outputs["no_target"].grad.nonzero().flatten().tolist() == [0, 2, 3]


def test_a_task_of_no_weight_is_measured_and_teaches_nothing(batch):
    task, outputs = several(vqa=0.0), make_outputs(7)
    losses = task.loss(outputs, batch)
    losses["loss"].backward()
    assert losses["vqa/loss"] > 0 and not outputs["answer"].grad.any() and outputs["rec"].grad.any()
