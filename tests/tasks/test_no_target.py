"""A classifier that says that nothing is meant, beside boxes: its loss, its word, and its accuracy, by hand."""

import math

import pytest
import torch

from laconvnet.data import DatasetInfo, FolderDataset, Record, SchemaError, write_records
from laconvnet.tasks import build_task, combine
from laconvnet.tasks.no_target import decisions

NOWHERE = [math.nan] * 4
BOX = [0.0, 0.0, 32.0, 32.0]  # what every sample answers


def rec(**options):
    return build_task("rec", {"no_target": "classifier", **options})


def make_batch(boxes, groups=None):
    count = len(boxes)
    return {
        "target_boxes": torch.tensor(boxes),
        "frames": torch.tensor([[1.0, 1.0, 0.0, 0.0]]).expand(count, 4),
        "sizes": torch.tensor([[64, 64]]).expand(count, 2),
        "groups": groups or [None] * count,
    }


def make_outputs(logits):
    raw = torch.zeros(len(logits), 5, 2, 2)
    raw[:, :2, 0, 0] = 0.5
    raw[:, 4, 0, 0] = 5.0
    return {"rec": raw, "no_target": torch.tensor(logits)}


def test_its_loss_is_added_by_hand():
    batch, outputs = make_batch([NOWHERE, BOX]), make_outputs([1.0, -2.0])
    plain = build_task("rec").loss(outputs, batch)
    missed, found = math.log1p(math.exp(-1.0)), math.log1p(math.exp(-2.0))
    losses = rec(no_target_weight=0.5).loss(outputs, batch)
    assert set(losses) == {*plain, "no_target_loss"}
    assert losses["no_target_loss"].item() == pytest.approx((missed + found) / 2)
    assert losses["loss"].item() == pytest.approx(plain["loss"].item() + 0.5 * (missed + found) / 2)
    more = rec(no_target_pos_weight=4.0).loss(outputs, batch)
    assert more["no_target_loss"].item() == pytest.approx((4 * missed + found) / 2)


def test_both_heads_learn():
    outputs = {name: output.requires_grad_() for name, output in make_outputs([1.0, 1.0]).items()}
    rec().loss(outputs, make_batch([NOWHERE, BOX]))["loss"].backward()
    assert outputs["no_target"].grad[0] < 0 < outputs["no_target"].grad[1]
    assert (outputs["rec"].grad[0, :4] == 0).all() and (outputs["rec"].grad[0, 4] > 0).all()


def test_a_positive_logit_says_that_nothing_is_meant():
    assert decisions({"no_target": torch.tensor([1.0, 0.0, -1.0])}) == [True, False, False]


def test_where_nothing_is_meant_no_box_is_told():
    batch = make_batch([BOX] * 2)
    absent, present = rec().decode(make_outputs([1.0, -1.0]), batch["frames"], batch["sizes"])
    assert (absent.no_target, present.no_target) == (True, False)
    assert absent.box == present.box == (0, 0, 32, 32), "what the box head says is known all the same"
    assert combine([absent]).to_json() == {"no_target": True}
    assert combine([present]).to_json() == {"box": BOX, "score": 0.9933, "no_target": False}


def test_accuracy_of_both_kinds_by_hand():
    """Of three without a target two are told; of four with one the first is denied, and the others are found."""
    batch = make_batch([NOWHERE] * 3 + [BOX] * 4, ["a", "a", "b", "b", "b", "c", "c"])
    metric = rec().metric()
    rec().measure(metric, make_outputs([2.0, 1.0, -1.0, 3.0, -3.0, -1.0, -2.0]), batch)
    values = {name: float(value) for name, value in metric.compute().items()}
    assert values == {
        "accuracy@0.25": 0.75,
        "accuracy@0.5": 0.75,
        "accuracy@0.75": 0.75,
        "mean_iou": 0.75,
        "N-acc": pytest.approx(2 / 3),
        "T-acc": 0.75,
        "accuracy@0.5/b": 0.5,
        "accuracy@0.5/c": 1.0,
    }


def test_without_the_classifier_nothing_is_denied():
    task, batch = build_task("rec"), make_batch([NOWHERE, BOX])
    metric = task.metric()
    answers = task.measure(metric, make_outputs([2.0, 2.0]), batch)
    assert [answer.no_target for answer in answers] == [None, None]
    assert metric.compute()["accuracy@0.5"] == 1 and not {"N-acc", "T-acc"} & set(metric.compute())


def test_the_classifier_is_one_head_for_all_tasks():
    assert rec().outputs == rec().heads == ("rec", "no_target") and rec().labels == ("boxes",)
    assert build_task("rec").outputs == ("rec",)


def dataset(folder, *records):
    DatasetInfo("x", "a test", "none", ("rec",)).save(folder)
    write_records(folder / "train.jsonl", records)
    return FolderDataset(folder, "train", size=32, tasks=[rec()])


def test_no_box_is_no_target_and_no_label_is_refused(tmp_path):
    """So that nothing unlabelled is taken for a sentence without a target."""
    empty = Record("none", "a.png", 8, 8, "the cube", boxes=())
    assert len(dataset(tmp_path, empty)) == 1
    with pytest.raises(SchemaError, match=r"train\.jsonl:2: record 'what' has no 'boxes'"):
        dataset(tmp_path, empty, Record("what", "a.png", 8, 8, "the cube"))
    question = Record("asks", "a.png", 8, 8, "is it", answer="yes")
    assert [record.id for record in dataset(tmp_path, empty, question).records] == ["none"]


@pytest.mark.parametrize("name", ["no_target_weight", "no_target_pos_weight"])
def test_bad_options(name):
    with pytest.raises(ValueError, match=f"rec.{name} is -1, allowed: greater than or equal to 0"):
        rec(**{name: -1})
