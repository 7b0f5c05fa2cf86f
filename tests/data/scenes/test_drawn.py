"""Records of drawn scenes: boxes are the extents of masks, and masks are the pixels that show an object."""

from __future__ import annotations

import numpy as np
import pytest

from laconvnet.data import DrawnScene, draw_scenes
from laconvnet.processing.masks import decode_mask
from laconvnet.scenes import SceneSource, execute, render

SOURCE = SceneSource(seed=3, sentences={"rec": 2, "gres": 2, "vqa": 1})


@pytest.fixture(scope="module")
def drawn() -> list[DrawnScene]:
    return draw_scenes([SOURCE.sample("val", number) for number in range(6)], "val", range(6), (128, 96))


def test_boxes_are_the_extents_of_the_targets_pixels(drawn: list[DrawnScene]) -> None:
    for number, scene in enumerate(drawn):
        world = SOURCE.sample("val", number).scene
        instances = render([world], (128, 96)).instances[0].numpy()
        for place, sentence in enumerate(scene.sentences[:4]):
            record = scene.record(place, with_masks=True)
            targets = execute(sentence.program, world)
            assert isinstance(targets, tuple) and record.boxes is not None and record.masks is not None
            assert len(record.boxes) == len(record.masks) == len(targets)
            for target, box, mask in zip(targets, record.boxes, record.masks, strict=True):
                pixels = np.argwhere(instances == target)
                (y0, x0), (y1, x1) = pixels.min(0), pixels.max(0) + 1
                assert box == (x0, y0, x1, y1)
                assert np.array_equal(decode_mask(mask), instances == target)


def test_a_question_has_an_answer_masks_of_what_it_asks_about_and_no_boxes(drawn: list[DrawnScene]) -> None:
    record, sentence = drawn[0].record(4, with_masks=True), drawn[0].sentences[4]
    assert record.answer == sentence.answer is not None and record.boxes is None and record.masks is not None
    shown = [decode_mask(mask) for mask in record.masks]
    expected = [drawn[0].instances == target for target in sentence.targets]
    assert len(shown) == len(expected) and all(map(np.array_equal, shown, expected))
    assert drawn[0].record(4).masks is None
    assert record.program is not None and record.group in SOURCE.families


def test_records_keep_the_contract(drawn: list[DrawnScene]) -> None:
    for scene in drawn:
        for number in range(len(scene.sentences)):
            record = scene.record(number, with_masks=True)
            assert type(record).from_json(record.to_json()) == record
            assert (record.width, record.height) == (128, 96)


def test_no_object_is_lost_in_the_smallest_picture() -> None:
    source = SceneSource(seed=9)
    numbers = range(60)
    samples = [source.sample("train", number) for number in numbers]
    for sample, scene in zip(samples, draw_scenes(samples, "train", numbers, 64), strict=True):
        assert set(range(len(sample.scene.objects))) <= set(np.unique(scene.instances).tolist())
