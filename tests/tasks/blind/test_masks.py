"""The blind masks, on records where the best one is known."""

from dataclasses import replace

import numpy as np
import pytest

from laconvnet.data import Record
from laconvnet.processing import encode_mask
from laconvnet.tasks import build_task
from laconvnet.tasks.blind.masks import BlindMasks

WIDTH, HEIGHT = 128, 64


def record(number, *boxes, group="g"):
    masks = []
    for x0, y0, x1, y1 in boxes:
        mask = np.zeros((HEIGHT, WIDTH), bool)
        mask[y0:y1, x0:x1] = True
        masks.append(encode_mask(mask))
    return Record(f"r{number}", "x.jpg", WIDTH, HEIGHT, "it", masks=tuple(masks), group=group)


LEFT, RIGHT = (0, 0, 64, 64), (64, 0, 128, 64)


@pytest.fixture
def records():
    """Three quarters lie in the left half."""
    return [record(number, RIGHT if number % 4 == 0 else LEFT, group="gh"[number % 2]) for number in range(40)]


def test_the_constant_mask_is_the_usual_place(records):
    blind = BlindMasks.fit(records)
    assert blind.constant.shape == (64, 64) and blind.constant.dtype == bool
    assert blind.constant[:, :32].all() and not blind.constant[:, 32:].any()


def test_each_baseline_scores_what_it_must(records):
    scores = BlindMasks.fit(records).score(records)
    assert set(scores) == {"whole image", "best constant mask"}
    assert scores["whole image"]["mean_iou"] == 0.5 and scores["whole image"]["Pr@0.6"] == 0.0
    best = scores["best constant mask"]
    assert best["mean_iou"] == 0.75 and best["Pr@0.9"] == 0.75
    assert best["oIoU"] == pytest.approx(30 / (30 + 10 + 10))  # in halves of a picture
    assert best["mean_iou/g"] == 0.5 and best["mean_iou/h"] == 1.0  # all that lie right are even


def test_several_masks_are_one(records):
    scores = BlindMasks.fit(records).score([record(0, LEFT, RIGHT)])
    assert scores["whole image"]["mean_iou"] == 1.0 and scores["best constant mask"]["mean_iou"] == 0.5


def test_in_gres_no_target_is_an_answer_too(records):
    """Those without a target count for nothing in the choice of the mask."""
    mixed = [*records, *(record(number) for number in range(40, 50))]
    scores = build_task("gres").blind(mixed, mixed)
    assert set(scores) == {"whole image", "best constant mask", "no target"}
    nothing = scores["no target"]
    assert (nothing["gIoU"], nothing["cIoU"], nothing["N-acc"], nothing["T-acc"]) == (0.2, 0.0, 1.0, 0.0)
    best = scores["best constant mask"]
    assert (best["gIoU"], best["N-acc"], best["T-acc"]) == (0.6, 0.0, 1.0)
    assert best["cIoU"] == pytest.approx(30 / (30 + 10 + 10 + 10))


def test_the_level_with_the_highest_iou_is_taken():
    """A core that all masks share and a rim that each eighth has: the core alone is the best mask."""
    train = [record(n, (32, 16, 96, 48), *([(0, 0, 128, 16)] if n % 8 == 0 else [])) for n in range(16)]
    constant = BlindMasks.fit(train).constant
    assert constant[16:48, 16:48].all() and constant.sum() == 32 * 32


def test_the_choice_is_that_of_the_seed_and_the_records(records):
    one, other = (BlindMasks.fit(records, seed=3) for _ in range(2))
    np.testing.assert_array_equal(one.constant, other.constant)
    flipped = [record(number, LEFT if number % 4 == 0 else RIGHT) for number in range(40)]
    assert BlindMasks.fit(flipped).constant[:, 32:].all()


@pytest.mark.parametrize("task", ["res", "gres"])
def test_records_without_masks_are_refused(task):
    plain = Record("r", "x.jpg", 9, 9, "it", boxes=((0.0, 0.0, 9.0, 9.0),))
    for train in ([plain], [record(0)], []):
        with pytest.raises(ValueError, match="need records with masks in the training split"):
            build_task(task).blind(train, [record(0, LEFT)])


def test_masks_of_questions_show_where_to_look_and_do_not_count(records):
    asked = [replace(each, id=f"q{each.id}", answer="yes") for each in [record(n, RIGHT) for n in range(99)]]
    blind = build_task("res").blind
    assert blind([*asked, *records], records) == blind(records, records)
    with pytest.raises(ValueError, match="need records with masks in the training split"):
        blind(asked, records)
