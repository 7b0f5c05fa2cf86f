"""GRES: the losses by hand, what says that nothing is meant, and metrics against those of whole masks."""

import math

import numpy as np
import pytest
import torch

from laconvnet.tasks import build_task
from laconvnet.tasks.losses import attention_loss

CLASSIFIER = {"no_target": "classifier"}


def gres(**options):
    return build_task("gres", options)


def decode(task, outputs, batch):
    return task.decode(outputs, batch["frames"], batch["sizes"])


@pytest.mark.parametrize(
    ("options", "absent"),
    [
        ({}, lambda predicted, logits: predicted < 50),
        ({"min_pixels": 1}, lambda predicted, logits: predicted < 1),
        (CLASSIFIER, lambda predicted, logits: logits > 0),
    ],
)
def test_metrics_of_gres(batch, outputs, areas, options, absent):
    task = gres(**options)
    metric = task.metric()
    answers = task.measure(metric, outputs, batch)
    predicted, true, both, either = areas(answers, batch)
    found_none = absent(predicted, outputs["no_target"].numpy())
    none = true == 0
    assert none.sum() == 1 and 0 < predicted[4] < 50
    assert [answer.no_target for answer in answers] == found_none.tolist()
    iou = np.where(none, found_none, np.where(found_none, 0, both / either.clip(min=1)))
    unions = np.where(none & found_none, 0, either)
    values = {name: float(value) for name, value in metric.compute().items()}
    assert values["gIoU"] == pytest.approx(iou.mean())
    assert values["cIoU"] == pytest.approx(np.where(found_none, 0, both).sum() / unions.sum())
    assert values["N-acc"] == found_none[none].mean()
    assert values["T-acc"] == pytest.approx(1 - found_none[~none].mean())


def test_pixels_and_classifier_decide_differently(batch, outputs):
    by_pixels, by_classifier = (
        [answer.no_target for answer in decode(gres(no_target=rule), outputs, batch)]
        for rule in ("pixels", "classifier")
    )
    assert by_pixels == [False] * 4 + [True, False]
    assert by_classifier == [False, True, False, False, True, False]


def test_a_mask_of_few_pixels_says_that_nothing_is_meant():
    logits = torch.full((2, 1, 32, 32), -4.0)
    logits[0, 0, :7, :7] = logits[1, 0, :5, :10] = 4.0
    frames, sizes = torch.tensor([[1.0, 1.0, 0.0, 0.0]] * 2), torch.tensor([[32, 32]] * 2)
    few, enough = gres().decode({"res": logits}, frames, sizes)
    assert (few.no_target, enough.no_target) == (True, False)
    assert (few.mask.sum(), enough.mask.sum()) == (49, 50), "the mask is as it was found all the same"


def test_loss_of_the_classifier_by_hand(batch, outputs):
    assert gres().loss(outputs, batch).keys() == {"loss", "mask_loss"}
    losses = gres(**CLASSIFIER, no_target_weight=0.5, dice_weight=1.0).loss(outputs, batch)
    wrong_way = [-1, 1, -1, -1, 1, -1]  # only the fifth sample has none
    terms = [math.log1p(math.exp(-way * x)) for way, x in zip(wrong_way, outputs["no_target"].tolist(), strict=True)]
    terms[1] = math.log1p(math.exp(2.0))
    assert losses["no_target_loss"] == pytest.approx(sum(terms) / 6)
    assert losses["loss"] == pytest.approx(float(losses["mask_loss"] + losses["dice_loss"]) + 0.5 * sum(terms) / 6)


def test_sentences_without_a_target_may_count_more(batch, outputs):
    plain = gres(**CLASSIFIER).loss(outputs, batch)["no_target_loss"]
    more = gres(**CLASSIFIER, no_target_pos_weight=4.0).loss(outputs, batch)
    fifth = math.log1p(math.exp(-4.0))  # the only one without
    assert more["no_target_loss"].item() == pytest.approx(plain.item() + 3 * fifth / 6)


def test_attention_of_the_classifier_adds_its_loss(batch, outputs):
    plain = gres(**CLASSIFIER).loss(outputs, batch)["loss"].item()
    scores = torch.randn(6, 2, 2)
    task = gres(**CLASSIFIER, attention_weight=0.5)
    losses = task.loss(outputs | {"no_target_attention": scores}, batch)
    strays = attention_loss(scores, batch["target_masks"]).item()
    assert losses["attention_loss"].item() == pytest.approx(strays)
    assert losses["loss"].item() == pytest.approx(plain + 0.5 * strays)


def test_outputs_follow_the_rule():
    assert gres().outputs == ("res",) and gres().labels == ("masks",)
    assert gres(**CLASSIFIER).outputs == gres(**CLASSIFIER).heads == ("res", "no_target")
    attending = gres(**CLASSIFIER, attention_weight=1.0)
    assert attending.outputs == ("res", "no_target", "no_target_attention")
    assert attending.heads == ("res", "no_target")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"no_target": "guess"}, "gres.no_target is 'guess', allowed: 'pixels' or 'classifier'"),
        ({"min_pixels": 0}, "gres.min_pixels is 0, allowed: greater than or equal to 1"),
        ({"no_target_weight": -2}, "gres.no_target_weight is -2, allowed: greater than or equal to 0"),
        ({"no_target_pos_weight": -2}, "gres.no_target_pos_weight is -2, allowed: greater than or equal to 0"),
        ({"attention_weight": math.nan}, "gres.attention_weight is nan, allowed: a finite number"),
        ({"attention_weight": 0.1}, "attention_weight is 0.1, and only no_target: classifier has attention"),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(ValueError, match=message):
        gres(**options)
