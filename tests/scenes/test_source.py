"""Numbered samples: what they depend on, and what is refused."""

from __future__ import annotations

import subprocess
import sys
import zlib
from typing import Any

import pytest

from laconvnet.scenes import FAMILIES, KINDS, VERSION, SceneSource, World
from laconvnet.scenes.programs import Program, count_hops

SCRIPT = "from laconvnet.scenes import SceneSource; print(SceneSource(seed=4).sample('train', 77))"


def test_a_sample_is_the_same_in_any_order_and_process() -> None:
    source = SceneSource(seed=4)
    expected = source.sample("train", 77)
    source.sample("train", 3)
    assert source.sample("train", 77) == expected
    other = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True).stdout
    assert other.strip() == str(expected)


def test_numbers_splits_and_seeds_give_other_samples() -> None:
    source = SceneSource(seed=4)
    samples = [
        source.sample("train", 0),
        source.sample("train", 1),
        source.sample("val", 0),
        SceneSource(seed=5).sample("train", 0),
    ]
    assert len({str(sample) for sample in samples}) == 4


def test_sentences_come_in_the_numbers_asked_for() -> None:
    source = SceneSource(sentences={"vqa": 3, "rec": 2, "gres": 0})
    assert len(source) == 5
    for number in range(10):
        sentences = source.sample("train", number).sentences
        assert [sentence.answer is not None for sentence in sentences] == [False] * 2 + [True] * 3
        assert all(sentence.targets and len(sentence.targets) == 1 for sentence in sentences[:2])
        assert all(s.group in KINDS for s in sentences[:2]) and all(s.group in FAMILIES for s in sentences[2:])


def test_the_order_in_which_sorts_are_named_does_not_matter() -> None:
    one, other = ({"rec": 1, "vqa": 1}, {"vqa": 1, "rec": 1})
    assert SceneSource(sentences=one).sample("train", 0) == SceneSource(sentences=other).sample("train", 0)


def test_kinds_and_families_are_kept() -> None:
    source = SceneSource(sentences={"rec": 2, "vqa": 2}, kinds=("ordinal",), families=("count", "exist"))
    groups = {s.group for number in range(10) for s in source.sample("train", number).sentences}
    assert groups == {"ordinal", "count", "exist"}


def test_sentences_of_a_scene_differ() -> None:
    source = SceneSource(sentences={"rec": 4, "vqa": 4})
    same = 0
    for number in range(30):
        texts = [sentence.text for sentence in source.sample("train", number).sentences]
        same += len(texts) - len(set(texts))
    assert same <= 2


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"seed": -1}, "seed of scenes must be at least 0, got -1"),
        ({"kinds": ("attribute", "colour")}, r"kinds of scenes: unknown \['colour'\]; allowed are attribute"),
        ({"families": ("sum",)}, r"families of scenes: unknown \['sum'\]; allowed are count"),
        ({"sentences": {"res": 1}}, r"unknown \['res'\]; allowed are rec, gres, vqa"),
        ({"sentences": {"rec": 0}}, "sum of 1 or more, got {'rec': 0}"),
        ({"kinds": ()}, "kinds and families of scenes must name at least one each"),
        ({"world": World(objects=(1, 2))}, r"need 3 objects or more, got objects=\(1, 2\)"),
    ],
)
def test_bad_settings(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SceneSource(**settings)


def test_a_negative_number() -> None:
    with pytest.raises(ValueError, match="numbered from 0, got -1"):
        SceneSource().sample("train", -1)


def test_the_version_changes_when_samples_do() -> None:
    """Caches are told apart by `VERSION`: whoever changes what a number gives raises it, and this sum with it."""
    source = SceneSource(seed=4, sentences={"rec": 2, "gres": 2, "vqa": 2})
    texts = [str(source.sample("train", number)) for number in range(8)]
    assert (VERSION, zlib.crc32("".join(texts).encode())) == (2, 1152838045)


def chains(program: Program) -> tuple[Program, ...]:
    """What a question is about: two descriptions where it compares, else one."""
    return program.inputs if len(program.inputs) == 2 else (program,)


@pytest.mark.parametrize("max_hops", [0, 1, 2])
def test_descriptions_of_questions_follow_few_enough_relations(max_hops: int) -> None:
    source = SceneSource(seed=3, sentences={"vqa": 8}, max_hops=max_hops)
    asked = [sentence for number in range(40) for sentence in source.sample("train", number).sentences]
    hops = [max(map(count_hops, chains(sentence.program))) for sentence in asked]
    assert max(hops) == max_hops and min(hops) == 0
    assert max(sentence.hops for sentence in asked) <= 2 * max_hops
    assert {sentence.group for sentence in asked} == set(FAMILIES)


def test_no_limit_of_relations_changes_nothing() -> None:
    sentences = {"rec": 1, "gres": 1, "vqa": 3}
    plain = SceneSource(seed=3, sentences=sentences)
    for max_hops in (None, 3, 7):
        source = SceneSource(seed=3, sentences=sentences, max_hops=max_hops)
        assert all(source.sample("train", number) == plain.sample("train", number) for number in range(10))


def test_fewer_than_no_relations_are_refused() -> None:
    with pytest.raises(ValueError, match="max_hops of scenes must be 0 or more, got -1"):
        SceneSource(max_hops=-1)
