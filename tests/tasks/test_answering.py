"""VQA: losses by hand, what is ignored, decoding and accuracy."""

import math

import pytest
import torch

from laconvnet.tasks import Answering, best_answers, build_task, dice_loss, mask_loss
from laconvnet.tasks.masks import attention_loss

ANSWERS = ("yes", "no", "red")


def batch(answer, answers=None, groups=None):
    return {"answer": answer, "answers": answers, "groups": groups or [None] * len(answer)}


def test_cross_entropy_by_hand_without_unknown_answers():
    logits = torch.tensor([[math.log(2.0), 0.0, 0.0], [5.0, -3.0, 1.0], [0.0, 0.0, math.log(6.0)], [9.0, 1.0, 0.0]])
    losses = Answering(answers=ANSWERS).loss({"answer": logits}, batch(["no", "blue", "red", None]))
    assert set(losses) == {"loss"}
    assert losses["loss"] == pytest.approx((math.log(4) + math.log(8 / 6)) / 2)


def test_a_batch_of_unknown_answers_teaches_nothing():
    logits = torch.randn(2, 3, requires_grad=True)
    loss = Answering(answers=ANSWERS).loss({"answer": logits}, batch(["blue", None]))["loss"]
    loss.backward()
    assert loss == 0 and torch.equal(logits.grad, torch.zeros(2, 3))


def test_soft_loss_by_hand():
    logits = torch.tensor([[0.0, math.log(3.0), 0.0], [0.0, 0.0, 0.0]])
    scores = [{"yes": 1.0, "no": 0.3, "blue": 0.9}, {"blue": 1.0}]
    losses = Answering(answers=ANSWERS, loss="soft_bce").loss({"answer": logits}, batch([None] * 2, scores))
    # Of score s and share p: -s log p - (1 - s) log (1 - p); nobody gave the third answer, and none of the second's.
    first = math.log(2) + (0.3 * math.log(4 / 3) + 0.7 * math.log(4)) + math.log(2)
    assert losses["loss"] == pytest.approx((first + 3 * math.log(2)) / 2)


def test_losses_do_not_depend_on_the_batch_size():
    logits, right = torch.randn(3, 3), ["no", "yes", "red"]
    scores = [{answer: 0.6} for answer in right]
    for task in (Answering(answers=ANSWERS), Answering(answers=ANSWERS, loss="soft_bce")):
        once = task.loss({"answer": logits}, batch(right, scores))["loss"]
        thrice = task.loss({"answer": logits.repeat(3, 1)}, batch(right * 3, scores * 3))["loss"]
        assert thrice == pytest.approx(once.item(), rel=1e-6)


def test_half_precision_logits_give_a_loss_in_float32():
    logits = torch.randn(2, 3, dtype=torch.bfloat16)
    for loss in ("cross_entropy", "soft_bce"):
        task = Answering(answers=ANSWERS, loss=loss)
        assert task.loss({"answer": logits}, batch(["no", "yes"], [{"no": 1.0}, {}]))["loss"].dtype == torch.float32


def test_masks_of_what_is_asked_about_add_their_losses():
    logits, masks = torch.randn(2, 3), torch.randn(2, 1, 8, 8, requires_grad=True)
    targets = torch.zeros(2, 8, 8, dtype=torch.bool)
    targets[0, 2:5, 3:7] = True
    given = batch(["no", "red"]) | {"target_masks": targets}
    plain = Answering(answers=ANSWERS).loss({"answer": logits}, given)["loss"]
    losses = Answering(answers=ANSWERS, mask_weight=0.5).loss({"answer": logits, "res": masks}, given)
    wanted = mask_loss(masks, targets[:, None]) + dice_loss(masks, targets[:, None])
    assert losses["answer_loss"] == pytest.approx(plain.item())
    assert losses["mask_loss"] == pytest.approx(wanted.item())
    assert losses["loss"].item() == pytest.approx(plain.item() + 0.5 * wanted.item())
    losses["loss"].backward()
    assert masks.grad is not None and masks.grad.abs().sum() > 0


def test_attention_to_what_is_asked_about_adds_its_loss():
    logits, scores = torch.randn(2, 3), torch.randn(2, 2, 2)
    targets = torch.zeros(2, 8, 8, dtype=torch.bool)
    targets[0, 2:5, 3:7] = True
    given = batch(["no", "red"]) | {"target_masks": targets}
    plain = Answering(answers=ANSWERS).loss({"answer": logits}, given)["loss"].item()
    task = Answering(answers=ANSWERS, attention_weight=0.5)
    losses = task.loss({"answer": logits, "answer_attention": scores}, given)
    strays = attention_loss(scores, targets).item()
    assert losses.keys() == {"loss", "answer_loss", "attention_loss"}
    assert losses["attention_loss"].item() == pytest.approx(strays)
    assert losses["loss"].item() == pytest.approx(plain + 0.5 * strays)


LOGITS = torch.tensor([[3.0, 0.0, 0.0], [0.0, 3.0, 0.0], [0.0, 0.0, 3.0], [3.0, 0.0, 0.0]])
SAID = ["yes", "no", "red", "yes"]


def test_accuracy_counts_unknown_answers_as_misses():
    task = Answering(answers=ANSWERS)
    metric = task.metric()
    task.update(metric, {"answer": LOGITS[:3]}, batch(["yes", "yes", "blue"], groups=["exist", "exist", "query"]))
    task.update(metric, {"answer": LOGITS[3:]}, batch(["yes"], groups=["exist"]))
    values = {name: float(value) for name, value in metric.compute().items()}
    assert values == {"accuracy": 0.5, "accuracy/exist": pytest.approx(2 / 3), "accuracy/query": 0.0}


def test_soft_accuracy_also_counts_answers_outside_the_list():
    task = Answering(answers=ANSWERS, loss="soft_bce")
    scores = [{"yes": 0.9, "no": 0.3}, {"yes": 1.0}, {"red": 0.3, "dark red": 1.0}, {}]
    metric = task.metric()
    task.update(metric, {"answer": LOGITS}, batch([None] * 4, scores, ["a", "a", "b", "b"]))
    values = {name: float(value) for name, value in metric.compute().items()}
    assert values == pytest.approx({"accuracy": 0.3, "accuracy/a": 0.45, "accuracy/b": 0.15})


def test_predictions_are_the_likeliest_answers_with_their_shares():
    answers = Answering(answers=ANSWERS).predictions({"answer": LOGITS}, batch([None] * 4))
    share = round(math.exp(3) / (math.exp(3) + 2), 4)
    assert answers == [{"answer": said, "answer_score": share} for said in SAID]


def test_the_best_answers_come_in_order():
    logits = torch.tensor([[0.0, math.log(5.0), math.log(2.0)]], dtype=torch.float64)
    (two,) = best_answers(logits, ANSWERS, 2)
    assert two == [("no", pytest.approx(5 / 8)), ("red", pytest.approx(2 / 8))]
    (all_of_them,) = best_answers(logits, ANSWERS, 5)
    assert [answer for answer, _ in all_of_them] == ["no", "red", "yes"]
    assert sum(share for _, share in all_of_them) == pytest.approx(1.0)


def test_records_need_the_labels_of_the_loss():
    assert build_task("vqa", answers=ANSWERS).labels == ("answer",)
    assert build_task("vqa", answers=ANSWERS, loss="soft_bce").labels == ("answers",)
    looking = build_task("vqa", answers=ANSWERS, mask_weight=1.0)
    assert looking.labels == ("answer", "masks") and looking.heads == ("answer", "res")
    attending = build_task("vqa", answers=ANSWERS, attention_weight=1.0)
    assert attending.labels == ("answer", "masks") and attending.heads == ("answer", "answer_attention")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"answers": ()}, r"answers must be at least one, each once; got 0: \[\]"),
        ({"answers": ["yes", "no", "yes"]}, r"each once; got 3: \['yes', 'no', 'yes'\]"),
        ({"answers": ANSWERS, "loss": "hinge"}, r"loss must be one of \('cross_entropy', 'soft_bce'\), got 'hinge'"),
        ({"answers": ANSWERS, "mask_weight": -1.0}, r"mask_weight must be 0 or more, got -1\.0"),
        ({"answers": ANSWERS, "attention_weight": -2.0}, r"attention_weight must be 0 or more, got -2\.0"),
        ({}, "options of task 'vqa'.*answers"),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(ValueError, match=message):
        build_task("vqa", **options)
