"""Pairs of expressions about a scene that differ in the order of their words, or in one, and in their meaning."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice, permutations
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np
import torch
from PIL import Image

from laconvnet.data import DatasetInfo, DatasetWriter, Record, draw_scenes
from laconvnet.evaluation.score import Score
from laconvnet.metrics import AnswerAccuracy
from laconvnet.scenes import Program, Scene, SceneSample, SceneSource, Sentence
from laconvnet.scenes.chance import pick
from laconvnet.scenes.facts import facts_about
from laconvnet.scenes.grammar import expression
from laconvnet.scenes.programs import SCENE, find_targets
from laconvnet.scenes.scene import DIRECTIONS, SHAPES

Pair: TypeAlias = tuple[Sentence, Sentence]

_SCENES_PER_PAIR: Final = 10  # that are searched at most
_SCENES_AT_ONCE: Final = 8  # that are drawn
_FOUND: Final = 0.5  # a sentence is answered right above this value of its main metric


def _only(shape: str) -> Program:
    return Program("unique", (Program("filter_shape", (SCENE,), shape),))


def _beside(shape: str, direction: str, anchor: str) -> Program:
    """The things of a shape that lie in a direction from the only thing of another shape."""
    return Program("filter_shape", (Program("relate", (_only(anchor),), direction),), shape)


def _targets(program: Program, scene: Scene) -> tuple[int, ...]:
    return find_targets(program, facts_about(scene))


def _single_shapes(scene: Scene) -> list[str]:
    """The shapes that exactly one object of a scene has."""
    shapes = [item.shape for item in scene.objects]
    return [shape for shape in SHAPES if shapes.count(shape) == 1]


def _sentence(text: str, program: Program, group: str, scene: Scene) -> Sentence:
    return Sentence(text, program, group, None, _targets(program, scene), hops=1)


def swapped_nouns(scene: Scene, rng: np.random.Generator) -> Pair | None:
    """Two expressions that differ in the order of their nouns alone, of which the first one is true.

    "the cube left of the sphere" names one thing, and "the sphere left of the cube" then names nothing.

    Args:
        scene: what they are about.
        rng: where shapes, direction and wording are drawn from.

    Returns:
        The expressions, or None where no two shapes occur exactly once each.
    """
    facts = [
        (first, direction, second)
        for first, second in permutations(_single_shapes(scene), 2)
        for direction in DIRECTIONS
        if _targets(_beside(first, direction, second), scene)
    ]
    if not facts:
        return None
    first, direction, second = pick(rng, facts)
    true, false = _beside(first, direction, second), _beside(second, direction, first)
    text = expression(true, rng)
    article, noun, *middle, other = text.split()
    swapped = " ".join([article, other, *middle, noun])
    group = "swapped nouns"
    return _sentence(text, true, group, scene), _sentence(swapped, false, group, scene)


def opposite_directions(scene: Scene, rng: np.random.Generator) -> Pair | None:
    """Two expressions that differ in the direction alone, each of which names exactly one thing.

    "the cube left of the sphere", and "the cube right of the sphere".

    Args:
        scene: what they are about.
        rng: where shapes, directions and wording are drawn from.

    Returns:
        The expressions, or None where no shape occurs once on either side of something of another shape.
    """
    programs = [
        (one, other)
        for anchor in _single_shapes(scene)
        for shape in SHAPES
        if shape != anchor
        for one, other in [
            (_beside(shape, "left", anchor), _beside(shape, "right", anchor)),
            (_beside(shape, "behind", anchor), _beside(shape, "front", anchor)),
        ]
        if len(_targets(one, scene)) == len(_targets(other, scene)) == 1
    ]
    if not programs:
        return None
    wording = int(rng.integers(2**32))
    first, second = (
        _sentence(expression(program, np.random.default_rng(wording)), program, "opposite directions", scene)
        for program in pick(rng, programs)
    )
    return first, second


PAIRS: Final[dict[str, tuple[Callable[[Scene, np.random.Generator], Pair | None], str]]] = {
    "swapped nouns": (swapped_nouns, "gres"),
    "opposite directions": (opposite_directions, "rec"),
}
"""Makers of pairs by name, each with the sort of sentences that a network must have learned from to tell them apart."""


def find_pairs(
    source: SceneSource, make: Callable[[Scene, np.random.Generator], Pair | None], count: int
) -> list[SceneSample]:
    """Scenes with a pair of expressions each.

    Args:
        source: where the scenes come from; its split "pairs" is searched from the beginning.
        make: `swapped_nouns` or `opposite_directions`.
        count: how many pairs are wanted.

    Returns:
        At most `count` scenes, fewer where ten times as many hold no more.
    """

    def pairs() -> Iterator[SceneSample]:
        for number in range(_SCENES_PER_PAIR * count):
            scene = source.sample("pairs", number).scene
            pair = make(scene, np.random.default_rng([source.seed, number]))
            if pair is not None:
                yield SceneSample(scene, pair)

    return list(islice(pairs(), count))


def write_pairs(out: Path, samples: Sequence[SceneSample], size: int) -> None:
    """Write scenes with pairs of expressions as the split "pairs" of a dataset folder.

    Args:
        out: the folder to make; must not exist.
        samples: of `find_pairs`.
        size: side of a picture, 64 to 2048 pixels.

    Raises:
        FileExistsError: `out` exists.
        ValueError: the size is out of range.
    """

    def records(images: Path) -> Iterator[Record]:
        for begin in range(0, len(samples), _SCENES_AT_ONCE):
            some = samples[begin : begin + _SCENES_AT_ONCE]
            for scene in draw_scenes(some, "pairs", range(begin, begin + len(some)), size):
                Image.fromarray(scene.image).save(images / f"{scene.name}.png", compress_level=1)
                yield from (scene.record(number, with_masks=True) for number in range(len(scene.sentences)))

    info = DatasetInfo("word order pairs", "laconvnet.evaluation.pairs", "CC0-1.0", ())
    with DatasetWriter(out, info) as writer:
        writer.write_split("pairs", records(writer.aside / "images"))


def summarize_pairs(outcome: Score, metric: str) -> dict[str, Any]:
    """Count pairs, such as records 2k and 2k + 1, of which both are answered right.

    Args:
        outcome: how a network did on them.
        metric: the value that is above 0.5 where a record is answered right.

    Returns:
        "n" pairs; "first", "second" and "both", the shares of pairs of which these are right; "interval" of "both".
    """
    right = torch.tensor(outcome.value_of_each(metric)) > _FOUND
    first, second = right[0::2], right[1::2]
    both = (first & second).double()
    counted = Score(outcome.records[0::2], AnswerAccuracy(), torch.stack([torch.ones_like(both), both], 1))
    return {
        "n": len(both),
        "first": float(first.double().mean()),
        "second": float(second.double().mean()),
        "both": float(both.mean()),
        "interval": counted.intervals()["accuracy"],
    }
