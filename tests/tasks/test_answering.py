"""VQA: losses by hand, what is ignored, decoding and accuracy."""

import math

import pytest
import torch

from laconvnet.data import Record
from laconvnet.tasks import Answer, Answering, build_task
from laconvnet.tasks.answering import AnsweringOptions, best_answers
from laconvnet.tasks.losses import attention_loss, dice_loss, mask_loss

ANSWERS = ("yes", "no", "red")


def vqa(**options):
    return build_task("vqa", {"answers": ANSWERS, **options})


def batch(answer, answers=None, groups=None):
    count = len(answer)
    return {
        "answer": answer,
        "answers": answers,
        "groups": groups or [None] * count,
        "frames": torch.tensor([[1.0, 1.0, 0.0, 0.0]]).expand(count, 4),
        "sizes": torch.tensor([[64, 64]]).expand(count, 2),
    }


def decode(task, logits):
    given = batch([None] * len(logits))
    return task.decode({"answer": logits}, given["frames"], given["sizes"])


def test_cross_entropy_by_hand_without_unknown_answers():
    logits = torch.tensor([[math.log(2.0), 0.0, 0.0], [5.0, -3.0, 1.0], [0.0, 0.0, math.log(6.0)], [9.0, 1.0, 0.0]])
    losses = vqa().loss({"answer": logits}, batch(["no", "blue", "red", None]))
    assert set(losses) == {"loss"}
    assert losses["loss"] == pytest.approx((math.log(4) + math.log(8 / 6)) / 2)


def test_a_batch_of_unknown_answers_teaches_nothing():
    logits = torch.randn(2, 3, requires_grad=True)
    loss = vqa().loss({"answer": logits}, batch(["blue", None]))["loss"]
    loss.backward()
    assert loss == 0 and torch.equal(logits.grad, torch.zeros(2, 3))


def test_soft_loss_by_hand():
    logits = torch.tensor([[0.0, math.log(3.0), 0.0], [0.0, 0.0, 0.0]])
    scores = [{"yes": 1.0, "no": 0.3, "blue": 0.9}, {"blue": 1.0}]
    losses = vqa(loss="soft_bce").loss({"answer": logits}, batch([None] * 2, scores))
    # Of score s and share p: -s log p - (1 - s) log (1 - p); nobody gave the third answer, and none of the second's.
    first = math.log(2) + (0.3 * math.log(4 / 3) + 0.7 * math.log(4)) + math.log(2)
    assert losses["loss"] == pytest.approx((first + 3 * math.log(2)) / 2)


def test_losses_do_not_depend_on_the_batch_size():
    logits, right = torch.randn(3, 3), ["no", "yes", "red"]
    scores = [{answer: 0.6} for answer in right]
    for task in (vqa(), vqa(loss="soft_bce")):
        once = task.loss({"answer": logits}, batch(right, scores))["loss"]
        thrice = task.loss({"answer": logits.repeat(3, 1)}, batch(right * 3, scores * 3))["loss"]
        assert thrice == pytest.approx(once.item(), rel=1e-6)


def test_half_precision_logits_give_a_loss_in_float32():
    logits = torch.randn(2, 3, dtype=torch.bfloat16)
    for loss in ("cross_entropy", "soft_bce"):
        task = vqa(loss=loss)
        assert task.loss({"answer": logits}, batch(["no", "yes"], [{"no": 1.0}, {}]))["loss"].dtype == torch.float32


def test_masks_of_what_is_asked_about_add_their_losses():
    logits, masks = torch.randn(2, 3), torch.randn(2, 1, 8, 8, requires_grad=True)
    targets = torch.zeros(2, 8, 8, dtype=torch.bool)
    targets[0, 2:5, 3:7] = True
    given = batch(["no", "red"]) | {"target_masks": targets}
    plain = vqa().loss({"answer": logits}, given)["loss"]
    losses = vqa(mask_weight=0.5).loss({"answer": logits, "res": masks}, given)
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
    plain = vqa().loss({"answer": logits}, given)["loss"].item()
    task = vqa(attention_weight=0.5)
    losses = task.loss({"answer": logits, "answer_attention": scores}, given)
    strays = attention_loss(scores, targets).item()
    assert losses.keys() == {"loss", "answer_loss", "attention_loss"}
    assert losses["attention_loss"].item() == pytest.approx(strays)
    assert losses["loss"].item() == pytest.approx(plain + 0.5 * strays)


LOGITS = torch.tensor([[3.0, 0.0, 0.0], [0.0, 3.0, 0.0], [0.0, 0.0, 3.0], [3.0, 0.0, 0.0]])
SAID = ["yes", "no", "red", "yes"]


def test_accuracy_counts_unknown_answers_as_misses():
    task = vqa()
    metric = task.metric()
    task.measure(metric, {"answer": LOGITS[:3]}, batch(["yes", "yes", "blue"], groups=["exist", "exist", "query"]))
    task.measure(metric, {"answer": LOGITS[3:]}, batch(["yes"], groups=["exist"]))
    values = {name: float(value) for name, value in metric.compute().items()}
    assert values == {"accuracy": 0.5, "accuracy/exist": pytest.approx(2 / 3), "accuracy/query": 0.0}


def test_soft_accuracy_also_counts_answers_outside_the_list():
    task = vqa(loss="soft_bce")
    scores = [{"yes": 0.9, "no": 0.3}, {"yes": 1.0}, {"red": 0.3, "dark red": 1.0}, {}]
    metric = task.metric()
    task.measure(metric, {"answer": LOGITS}, batch([None] * 4, scores, ["a", "a", "b", "b"]))
    values = {name: float(value) for name, value in metric.compute().items()}
    assert values == pytest.approx({"accuracy": 0.3, "accuracy/a": 0.45, "accuracy/b": 0.15})


def test_an_answer_holds_the_likeliest_with_their_shares():
    answers = decode(vqa(), LOGITS)
    assert [answer.answer for answer in answers] == SAID
    assert all(answer.answers[0][1] == pytest.approx(math.exp(3) / (math.exp(3) + 2)) for answer in answers)
    assert all(sum(share for _, share in answer.answers) == pytest.approx(1.0) for answer in answers)
    assert all(answer.box is answer.mask is answer.no_target is None for answer in answers)


def test_at_most_five_answers_are_told():
    (answer,) = decode(vqa(answers=list("abcdefg")), torch.arange(7.0)[None])
    assert [said for said, _ in answer.answers] == list("gfedc")
    assert answer.answers[0][1] == pytest.approx(1 / sum(math.exp(-n) for n in range(7)))


def test_the_best_answers_come_in_order():
    logits = torch.tensor([[0.0, math.log(5.0), math.log(2.0)]], dtype=torch.float64)
    (two,) = best_answers(logits, ANSWERS, 2)
    assert two == [("no", pytest.approx(5 / 8)), ("red", pytest.approx(2 / 8))]
    (all_of_them,) = best_answers(logits, ANSWERS, 5)
    assert [answer for answer, _ in all_of_them] == ["no", "red", "yes"]
    assert sum(share for _, share in all_of_them) == pytest.approx(1.0)


def test_records_need_the_labels_of_the_loss():
    assert vqa().labels == ("answer",)
    assert vqa(loss="soft_bce").labels == ("answers",)
    looking = vqa(mask_weight=1.0)
    assert looking.labels == ("answer", "masks") and looking.outputs == looking.heads == ("answer", "res")
    attending = vqa(attention_weight=1.0)
    assert attending.labels == ("answer", "masks") and attending.heads == ("answer",)
    assert attending.outputs == ("answer", "answer_attention")


def test_it_serves_questions_and_answers_what_asks():
    task = vqa()
    box = ((0.0, 0.0, 4.0, 4.0),)
    assert task.serves(Record("a", "a.png", 8, 8, "is it", answer="yes"))
    assert task.serves(Record("a", "a.png", 8, 8, "it", boxes=box, answers={"yes": 1.0}))
    assert not task.serves(Record("a", "a.png", 8, 8, "it", boxes=box))
    assert task.answers_text("is it red? ") and not task.answers_text("the red one")


def test_remarks_count_what_cannot_be_known_and_what_is_said_in_vain():
    records = [
        Record("a", "a.png", 8, 8, "is it", answer="yes"),
        Record("b", "a.png", 8, 8, "is it", answer="blue"),
        Record("c", "a.png", 8, 8, "is it", answers={"green": 1.0, "no": 0.3}),
        Record("d", "a.png", 8, 8, "is it", answers={"green": 1.0}),
    ]
    said = [Answer(answers=((text, 1.0),)) for text in ("yes", "red", "no", "red")]
    assert vqa().remarks(said, records) == {
        "right answers that the network does not know": 2,
        "answers given that are right nowhere in the data": 2,
    }
    assert vqa().remarks(said[:1], records[:1]) == {}


def test_answers_of_the_data_are_listed_only_where_none_are_given():
    def refuse():
        raise AssertionError("the data were searched all the same")

    given = AnsweringOptions(answers=("yes", "no"), mask_weight=2.0)
    assert Answering.complete(given, refuse) == given
    completed = Answering.complete(AnsweringOptions(mask_weight=2.0), lambda: ["red", "blue"])
    assert completed == AnsweringOptions(answers=("red", "blue"), mask_weight=2.0)
    assert Answering(completed).answers == ("red", "blue")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"answers": ()}, "task vqa needs a list of answers: at least one"),
        ({}, "task vqa needs a list of answers: at least one"),
        ({"answers": ["yes", "no", "yes"]}, "answers must be different, got 'yes' twice"),
        ({"answers": ANSWERS, "loss": "hinge"}, "vqa.loss is 'hinge', allowed: 'cross_entropy' or 'soft_bce'"),
        ({"answers": ANSWERS, "mask_weight": -1.0}, "vqa.mask_weight is -1.0, allowed: greater than or equal to 0"),
        (
            {"answers": ANSWERS, "attention_weight": -2.0},
            "vqa.attention_weight is -2.0, allowed: greater than or equal",
        ),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(ValueError, match=message):
        build_task("vqa", options)
