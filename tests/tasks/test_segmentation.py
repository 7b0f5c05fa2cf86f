"""RES and GRES: losses by hand, decoding, and metrics against those of whole masks."""

import math

import numpy as np
import pytest
import torch
from pycocotools import mask as coco

from laconvnet.data import Collator, Example, Record, Sample, resize_to_input
from laconvnet.processing import encode_mask
from laconvnet.processing.masks import decode_mask
from laconvnet.tasks import GeneralizedSegmentation, Segmentation, build_task, dice_loss, mask_loss
from laconvnet.tasks.masks import attention_loss

SIZES = [(40, 30), (40, 30), (25, 60), (64, 64), (90, 20), (33, 32)]  # width, height


def blob(width, height, seed):
    """An ellipse somewhere in a picture."""
    rng = np.random.default_rng(seed)
    x, y, a, b = rng.uniform((0.3, 0.3, 0.2, 0.2), (0.7, 0.7, 0.45, 0.45)) * (width, height, width, height)
    rows, columns = np.mgrid[:height, :width]
    return ((columns - x) / a) ** 2 + ((rows - y) / b) ** 2 < 1


def example(number, masks, size):
    width, height = size
    record = Record(
        f"r{number}", "a.png", width, height, "x", masks=tuple(map(encode_mask, masks)), group="ab"[number % 2]
    )
    sample = Sample(np.zeros((height, width, 3), np.uint8), np.zeros((0, 4), np.float32), "x", masks=masks)
    return Example(number, record, resize_to_input(sample, 64))


@pytest.fixture
def batch():
    """The fifth record has no target, the second has two."""
    masks = [[blob(*size, seed)] for seed, size in enumerate(SIZES)]
    masks[1].append(blob(*SIZES[1], 99))
    masks[4] = []
    return Collator(lambda text: [1])([example(n, *pair) for n, pair in enumerate(zip(masks, SIZES, strict=True))])


@pytest.fixture
def outputs(batch):
    """Right in most pixels, and the last but one is nearly empty, as it should be."""
    torch.manual_seed(0)
    noise = torch.nn.functional.interpolate(torch.randn(6, 1, 8, 8), size=64, mode="bilinear")
    logits = batch["target_masks"][:, None] * 3 - 1.5 + noise
    logits[4] = -3.0
    logits[4, 0, 30:34, 30:34] = 3.0
    return {"res": logits, "no_target": torch.tensor([-1.0, 2.0, -3.0, -1.0, 4.0, -0.5])}


def areas(outputs, batch, task):
    """Pixels of predicted and true masks, of both and of either, by pycocotools."""
    rows = []
    for answer, encodings, (width, height) in zip(
        task.predictions(outputs, batch), batch["record_masks"], batch["sizes"].tolist(), strict=True
    ):
        assert answer["mask"]["size"] == [height, width]
        empty = encode_mask(np.zeros((height, width), bool))
        true = coco.merge([as_bytes(mask) for mask in (*encodings, empty)])
        predicted = as_bytes(answer["mask"])
        both, either = (coco.merge([predicted, true], intersect=intersect) for intersect in (True, False))
        rows.append([int(coco.area(mask)) for mask in (predicted, true, both, either)])
        assert rows[-1][3] == 0 or coco.iou([predicted], [true], [False])[0, 0] == rows[-1][2] / rows[-1][3]
    return np.array(rows).T


def as_bytes(mask):
    return {"size": mask["size"], "counts": mask["counts"].encode()}


def test_by_hand_and_independent_of_batch_size():
    logits = torch.tensor([[[[0.0, math.log(3.0)]]]])
    targets = torch.tensor([[[[1.0, 0.0]]]])
    expected = (math.log(2) + math.log(4)) / 2
    assert mask_loss(logits, targets) == pytest.approx(expected)
    assert mask_loss(logits.repeat(5, 1, 1, 1), targets.repeat(5, 1, 1, 1)) == pytest.approx(expected)


def test_dice_by_hand_and_independent_of_batch_size():
    logits = torch.tensor([[[[0.0, math.log(3.0)]]]])  # shares 1/2 and 3/4
    targets = torch.tensor([[[[1.0, 0.0]]]])
    expected = 1 - (2 * 0.5 + 1) / (1.25 + 1 + 1)
    assert dice_loss(logits, targets) == pytest.approx(expected)
    assert dice_loss(logits.repeat(5, 1, 1, 1), targets.repeat(5, 1, 1, 1)) == pytest.approx(expected)
    nothing = torch.zeros(1, 1, 8, 8)
    assert dice_loss(nothing - 50, nothing) == pytest.approx(0.0)
    assert dice_loss(nothing + 50, nothing) == pytest.approx(1 - 1 / 65)
    # Each sample counts alike, however large its mask.
    mixed = dice_loss(torch.cat([logits, logits + 5]), torch.cat([targets, targets * 0 + 1]))
    assert mixed == pytest.approx((expected + dice_loss(logits + 5, targets * 0 + 1).item()) / 2)


def test_the_loss_is_a_weighted_sum(batch, outputs):
    targets = batch["target_masks"][:, None]
    plain, both = Segmentation().loss(outputs, batch), Segmentation(dice_weight=2.5).loss(outputs, batch)
    assert set(plain) == {"loss", "mask_loss"} and set(both) == {"loss", "mask_loss", "dice_loss"}
    assert plain["loss"] == pytest.approx(mask_loss(outputs["res"], targets).item())
    expected = mask_loss(outputs["res"], targets) + 2.5 * dice_loss(outputs["res"], targets)
    assert both["loss"] == pytest.approx(expected.item())


@pytest.mark.parametrize("options", [{}, {"mask_rule": "dilate"}])
def test_the_metric_is_that_of_whole_masks(batch, outputs, options):
    task = Segmentation(**options)
    metric = task.metric()
    for rows in (slice(0, 4), slice(4, 6)):  # counted in two batches
        part = {name: value[rows] for name, value in batch.items()}
        task.update(metric, {"res": outputs["res"][rows]}, part)
    predicted, _, both, either = areas(outputs, batch, task)
    assert predicted.min() > 0 and 0 < (both / either).mean() < 0.9
    iou = both / either
    values = {name: float(value) for name, value in metric.compute().items()}
    assert values["mean_iou"] == pytest.approx(iou.mean())
    assert values["oIoU"] == pytest.approx(both.sum() / either.sum())
    assert values["Pr@0.5"] == pytest.approx((iou >= 0.5).mean())
    assert values["mean_iou/a"] == pytest.approx(iou[::2].mean())
    assert values["oIoU/b"] == pytest.approx(both[1::2].sum() / either[1::2].sum())


def test_dilated_masks_are_larger(batch, outputs):
    small, large = (areas(outputs, batch, Segmentation(mask_rule=rule))[0] for rule in ("interpolate", "dilate"))
    assert (large >= small).all() and large.sum() > small.sum()


def test_predictions_have_the_size_of_the_record(batch, outputs):
    answers = Segmentation().predictions(outputs, batch)
    assert [decode_mask(answer["mask"]).shape for answer in answers] == [(height, width) for width, height in SIZES]
    assert all(set(answer) == {"mask"} for answer in answers)
    # A perfect answer for a picture that the network saw as it is gives the record's mask back.
    perfect = {"res": batch["target_masks"][:, None] * 8.0 - 4.0}
    assert Segmentation().predictions(perfect, batch)[3]["mask"] == batch["record_masks"][3][0]


@pytest.mark.parametrize(
    ("options", "absent"),
    [
        ({}, lambda predicted, logits: predicted < 50),
        ({"min_pixels": 1}, lambda predicted, logits: predicted < 1),
        ({"no_target": "classifier"}, lambda predicted, logits: logits > 0),
    ],
)
def test_metrics_of_gres(batch, outputs, options, absent):
    task = GeneralizedSegmentation(**options)
    metric = task.metric()
    task.update(metric, outputs, batch)
    predicted, true, both, either = areas(outputs, batch, task)
    found_none = absent(predicted, outputs["no_target"].numpy())
    none = true == 0
    assert none.sum() == 1 and 0 < predicted[4] < 50
    assert [answer["no_target"] for answer in task.predictions(outputs, batch)] == found_none.tolist()
    iou = np.where(none, found_none, np.where(found_none, 0, both / either.clip(min=1)))
    unions = np.where(none & found_none, 0, either)
    values = {name: float(value) for name, value in metric.compute().items()}
    assert values["gIoU"] == pytest.approx(iou.mean())
    assert values["cIoU"] == pytest.approx(np.where(found_none, 0, both).sum() / unions.sum())
    assert values["N-acc"] == found_none[none].mean()
    assert values["T-acc"] == pytest.approx(1 - found_none[~none].mean())


def test_pixels_and_classifier_decide_differently(batch, outputs):
    by_pixels, by_classifier = (
        [answer["no_target"] for answer in GeneralizedSegmentation(no_target=rule).predictions(outputs, batch)]
        for rule in ("pixels", "classifier")
    )
    assert by_pixels == [False] * 4 + [True, False]
    assert by_classifier == [False, True, False, False, True, False]


def test_loss_of_the_classifier_by_hand(batch, outputs):
    assert GeneralizedSegmentation().loss(outputs, batch).keys() == {"loss", "mask_loss"}
    task = GeneralizedSegmentation(no_target="classifier", no_target_weight=0.5, dice_weight=1.0)
    losses = task.loss(outputs, batch)
    wrong_way = [-1, 1, -1, -1, 1, -1]  # only the fifth sample has none
    terms = [math.log1p(math.exp(-way * x)) for way, x in zip(wrong_way, outputs["no_target"].tolist(), strict=True)]
    terms[1] = math.log1p(math.exp(2.0))
    assert losses["no_target_loss"] == pytest.approx(sum(terms) / 6)
    assert losses["loss"] == pytest.approx(float(losses["mask_loss"] + losses["dice_loss"]) + 0.5 * sum(terms) / 6)


def test_sentences_without_a_target_may_count_more(batch, outputs):
    plain = GeneralizedSegmentation(no_target="classifier").loss(outputs, batch)["no_target_loss"]
    more = GeneralizedSegmentation(no_target="classifier", no_target_pos_weight=4.0).loss(outputs, batch)
    fifth = math.log1p(math.exp(-4.0))  # the only one without
    assert more["no_target_loss"].item() == pytest.approx(plain.item() + 3 * fifth / 6)


def test_attention_of_the_classifier_adds_its_loss(batch, outputs):
    plain = GeneralizedSegmentation(no_target="classifier").loss(outputs, batch)["loss"].item()
    scores = torch.randn(6, 2, 2)
    task = GeneralizedSegmentation(no_target="classifier", attention_weight=0.5)
    losses = task.loss(outputs | {"no_target_attention": scores}, batch)
    strays = attention_loss(scores, batch["target_masks"]).item()
    assert losses["attention_loss"].item() == pytest.approx(strays)
    assert losses["loss"].item() == pytest.approx(plain + 0.5 * strays)


def test_heads_follow_the_rule():
    assert GeneralizedSegmentation().heads == ("res",)
    assert GeneralizedSegmentation(no_target="classifier").heads == ("res", "no_target")
    attending = GeneralizedSegmentation(no_target="classifier", attention_weight=1.0)
    assert attending.heads == ("res", "no_target", "no_target_attention")


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("res", {"dice_weight": -1}, "dice_weight must be 0 or more, got -1"),
        ("res", {"dice_weight": math.nan}, "dice_weight must be 0 or more, got nan"),
        ("res", {"mask_rule": "round"}, r"mask_rule must be one of \('interpolate', 'dilate'\), got 'round'"),
        ("res", {"no_target": "pixels"}, "options of task 'res'.*no_target"),
        ("gres", {"no_target": "guess"}, r"no_target must be one of \('pixels', 'classifier'\), got 'guess'"),
        ("gres", {"min_pixels": 0}, "min_pixels must be 1 or more, got 0"),
        ("gres", {"no_target_weight": -2}, "no_target_weight must be 0 or more, got -2"),
        ("gres", {"no_target_pos_weight": -2}, "no_target_pos_weight must be 0 or more, got -2"),
        ("gres", {"attention_weight": math.nan}, "attention_weight must be 0 or more, got nan"),
        ("gres", {"attention_weight": 0.1}, "attention_weight is 0.1, and only no_target='classifier' has attention"),
    ],
)
def test_bad_options(name, options, message):
    with pytest.raises(ValueError, match=message):
        build_task(name, **options)
