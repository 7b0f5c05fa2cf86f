"""Pairs of expressions whose words are the same, or all but one, and whose meaning is not."""

import math
from dataclasses import replace

import torch

from laconvnet.data import FolderDataset, Record, read_records
from laconvnet.evaluation import Score
from laconvnet.evaluation.pairs import find_pairs, opposite_directions, summarize_pairs, swapped_nouns, write_pairs
from laconvnet.metrics import AnswerAccuracy
from laconvnet.scenes import WORLDS, SceneSource, words
from laconvnet.tasks import build_tasks

NEAR = WORLDS["near"]
SHAPE_OF = {"cube": "cube", "block": "cube", "sphere": "sphere", "ball": "sphere", "cylinder": "cylinder"}


def meant(text, scene):
    """The objects that "the NOUN ... DIRECTION ... the NOUN" names, from the words and the places of the objects."""
    spoken = text.split()
    first, second = (SHAPE_OF[spoken[place]] for place in (1, -1))
    (direction,) = {"left", "right", "behind", "front"} & set(spoken)
    length = math.hypot(*scene.eye[:2])
    away = (-scene.eye[0] / length, -scene.eye[1] / length)
    x, y = {
        "behind": away,
        "front": (-away[0], -away[1]),
        "right": (away[1], -away[0]),
        "left": (-away[1], away[0]),
    }[direction]
    (anchor,) = [item for item in scene.objects if item.shape == second]
    return tuple(
        number
        for number, item in enumerate(scene.objects)
        if item.shape == first and (item.x - anchor.x) * x + (item.y - anchor.y) * y > 0.2
    )


def test_swapped_nouns_name_one_thing_and_then_nothing():
    samples = find_pairs(SceneSource(5, NEAR), swapped_nouns, 30)
    assert len(samples) == 30
    for scene, (true, false) in ((sample.scene, sample.sentences) for sample in samples):
        assert len(true.targets) == 1 and false.targets == ()
        assert meant(true.text, scene) == true.targets
        assert meant(false.text, scene) == ()
        one, other = true.text.split(), false.text.split()
        assert (one[1], one[-1]) == (other[-1], other[1]) and one[2:-1] == other[2:-1]
        assert set(one) <= set(words(NEAR.values))


def test_opposite_directions_name_two_things():
    samples = find_pairs(SceneSource(5, NEAR), opposite_directions, 30)
    assert len(samples) == 30
    opposite = {"left": "right", "behind": "front"}
    for scene, (first, second) in ((sample.scene, sample.sentences) for sample in samples):
        assert len(first.targets) == len(second.targets) == 1 and first.targets != second.targets
        assert meant(first.text, scene) == first.targets
        assert meant(second.text, scene) == second.targets
        (direction,) = opposite.keys() & set(first.text.split())
        said = first.text.replace("behind", "in front of").replace(direction, opposite[direction])
        assert second.text == said


def test_pairs_are_the_same_each_time_and_end_where_there_are_none():
    source = SceneSource(5, NEAR)
    assert find_pairs(source, swapped_nouns, 3) == find_pairs(source, swapped_nouns, 3)
    assert find_pairs(SceneSource(5, replace(NEAR, shapes=("cube",))), swapped_nouns, 2) == []


def test_written_pairs_are_records_of_one_picture(tmp_path):
    samples = find_pairs(SceneSource(5, NEAR), swapped_nouns, 9)
    write_pairs(tmp_path / "pairs", samples, 64)
    records = read_records(tmp_path / "pairs" / "pairs.jsonl")
    assert [record.text for record in records] == [s.text for sample in samples for s in sample.sentences]
    assert [len(record.boxes) for record in records] == [1, 0] * 9
    assert [len(record.masks) for record in records] == [1, 0] * 9
    assert all(one.image == other.image for one, other in zip(records[::2], records[1::2], strict=True))
    tasks = build_tasks({"rec": {}, "gres": {}})
    assert len(FolderDataset(tmp_path / "pairs", "pairs", size=64, tasks=tasks)) == 18


def test_pairs_count_as_right_only_together():
    records = [Record(str(number), f"{number // 2}.png", 9, 9, "a") for number in range(8)]
    right = torch.tensor([1, 1, 1, 0, 0, 1, 0, 0], dtype=torch.float64)
    outcome = Score(records, AnswerAccuracy(), torch.stack([torch.ones_like(right), right], 1))
    summary = summarize_pairs(outcome, "accuracy")
    assert (summary["n"], summary["first"], summary["second"], summary["both"]) == (4, 0.5, 0.5, 0.25)
