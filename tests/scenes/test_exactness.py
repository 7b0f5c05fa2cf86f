"""Ten thousand generated sentences: every answer and every target is recomputed from the exported files alone."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import brute_force
import numpy as np
import pytest

from laconvnet.scenes.clevr import questions_json, refexps_json, scenes_json
from laconvnet.scenes.expressions import KINDS, MIX, refer
from laconvnet.scenes.questions import FAMILIES, ask
from laconvnet.scenes.scene import COLORS, SHAPES, TEXTURES, Scene
from laconvnet.scenes.sentence import NoSentenceError, Sentence
from laconvnet.scenes.world import World

SAMPLES = 2_500
WORLDS = {
    "clevr": World(),
    "crowded": World(objects=(8, 10)),
    "cogent": World(objects=(3, 6), condition="A"),
    "hard": World(shapes=SHAPES, colors=tuple(COLORS), textures=TEXTURES, clutter=6),
}


def sentences(scene: Scene, rng: np.random.Generator, world: World) -> list[Sentence]:
    """A question of each family and an expression of each kind for one, several and no object, where there is one."""
    said = []
    for family in FAMILIES:
        said += attempt(ask, scene, rng, families=[family], values=world.values)
    for kind in KINDS:
        for targets in MIX:
            found = attempt(refer, scene, rng, kinds=[kind], targets=targets, values=world.values)
            assert [number_of(sentence.targets) for sentence in found] == [targets] * len(found)
            said += found
    return [*said, ask(scene, rng, values=world.values), refer(scene, rng, values=world.values)]


def attempt(draw: Callable[..., Sentence], *args: Any, **choices: Any) -> list[Sentence]:
    try:
        return [draw(*args, **choices)]
    except NoSentenceError:
        return []


def number_of(targets: Sequence[int]) -> str:
    return ("none", "one", "several")[min(len(targets), 2)]


def reread(data: dict[str, Any], key: str) -> list[dict[str, Any]]:
    return json.loads(json.dumps(data))[key]


@pytest.mark.slow
@pytest.mark.parametrize("name", WORLDS)
def test_every_answer_and_every_target_is_recomputed(name: str) -> None:
    world, rng = WORLDS[name], np.random.default_rng(list(WORLDS).index(name))
    picture = {"image_names": ["0.png"]}
    seen: Counter[tuple[str, str]] = Counter()
    while seen.total() < SAMPLES:
        scene = world.scene(rng)
        said = [sentences(scene, rng, world)]
        (file,) = reread(scenes_json([scene], name, width=224, height=224, **picture), "scenes")
        assert file["relationships"] == brute_force.relationships(file)
        asked = [sentence for sentence in said[0] if sentence.answer is not None]
        questions = reread(questions_json(said, name, **picture), "questions")
        for question, sentence in zip(questions, asked, strict=True):
            assert sorted(brute_force.asked_about(file, question["program"])) == list(sentence.targets)
            assert brute_force.answer(file, question["program"]) == question["answer"], (scene, question)
            seen[question["group"], "question"] += 1
        for refexp in reread(refexps_json(said, name, **picture), "refexps"):
            targets = refexp["program"][-1].pop("_output")
            assert targets == sorted(brute_force.evaluate(file, refexp["program"])), (scene, refexp)
            seen[refexp["group"], number_of(targets)] += 1
    # Nothing that can be said is missing from what was compared.
    wanted = [(family, "question") for family in FAMILIES] + [(kind, targets) for kind in KINDS for targets in MIX]
    assert {each: seen[each] for each in wanted if seen[each] < 5} == {}
