"""Scenes with their sentences, numbered: sample i of a split is a pure function of the seed, the split and i."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final

import numpy as np

from laconvnet.scenes.expressions import KINDS, refer
from laconvnet.scenes.questions import FAMILIES, ask
from laconvnet.scenes.scene import Scene
from laconvnet.scenes.sentence import NoSentenceError, Sentence
from laconvnet.scenes.world import WORLDS, World

SENTENCES: Final = ("rec", "gres", "vqa")
"""What can be said of a scene: an expression with one target, one with any number of targets, a question."""

_TRIES_NEW: Final = 8  # for a sentence that the scene does not have yet
_TRIES_SCENE: Final = 100


@dataclass(frozen=True, slots=True)
class SceneSample:
    """A scene and what is said of it.

    Attributes:
        scene: The scene.
        sentences: Its sentences, in the order of `SENTENCES`.
    """

    scene: Scene
    sentences: tuple[Sentence, ...]


@dataclass(frozen=True)
class SceneSource:
    """Scenes of a world with their sentences, as many as are wanted.

    Attributes:
        seed: Names the source, at least 0.
        world: Which scenes occur.
        sentences: How many sentences of a scene are of which sort, of `SENTENCES`; every scene has all of them.
        kinds: Kinds of referring expressions, of `expressions.KINDS`.
        families: Families of questions, of `questions.FAMILIES`.
        max_hops: Most relations that a description of a question follows, 0 to 3; None for CLEVR's, which is 3.

    Raises:
        ValueError: A value is unknown or out of range; names it and what is allowed.
    """

    seed: int = 0
    world: World = field(default_factory=World)
    sentences: Mapping[str, int] = field(default_factory=lambda: {"rec": 4})
    kinds: tuple[str, ...] = KINDS
    families: tuple[str, ...] = FAMILIES
    max_hops: int | None = None

    def __post_init__(self) -> None:
        if self.seed < 0:
            raise ValueError(f"the seed of scenes must be at least 0, got {self.seed}")
        for name, allowed in {"sentences": SENTENCES, "kinds": KINDS, "families": FAMILIES}.items():
            if unknown := [value for value in getattr(self, name) if value not in allowed]:
                raise ValueError(f"{name} of scenes: unknown {unknown}; allowed are {', '.join(allowed)}")
        if not self.kinds or not self.families:
            raise ValueError("kinds and families of scenes must name at least one each")
        if min(self.sentences.values(), default=0) < 0 or sum(self.sentences.values()) < 1:
            raise ValueError(
                f"sentences of scenes must be counts of at least 0 with a sum of 1 or more, got {dict(self.sentences)}"
            )
        if self.max_hops is not None and self.max_hops < 0:
            raise ValueError(f"max_hops of scenes must be 0 or more, got {self.max_hops}")
        if self.world.objects[0] < 3:
            raise ValueError(f"scenes with sentences need 3 objects or more, got objects={self.world.objects}")

    def __len__(self) -> int:
        """Sentences of one scene."""
        return sum(self.sentences.values())

    @property
    def sorts(self) -> tuple[str, ...]:
        """The sort of each sentence of a scene."""
        return tuple(sort for sort in SENTENCES for _ in range(self.sentences.get(sort, 0)))

    def sample(self, split: str, index: int) -> SceneSample:
        """Makes sample `index` of a split: the same in any worker, process or machine, and of any other order.

        Args:
            split: Name of the split; splits are independent.
            index: Number of the sample, from 0 without end.

        Raises:
            ValueError: The index is negative, or the world leaves no room for a scene.
        """
        if index < 0:
            raise ValueError(f"scenes are numbered from 0, got {index}")
        rng = np.random.default_rng([self.seed, zlib.crc32(split.encode()), index])
        for _ in range(_TRIES_SCENE):
            scene = self.world.scene(rng)
            try:
                return SceneSample(scene, self._say(scene, rng))
            except NoSentenceError:
                continue
        raise ValueError(
            f"{_TRIES_SCENE} scenes in a row had no sentence of kinds {self.kinds} or families {self.families}; "
            "allow more of them, or a world with more variety"
        )

    def _say(self, scene: Scene, rng: np.random.Generator) -> tuple[Sentence, ...]:
        said: set[str] = set()
        sentences = []
        for sort in self.sorts:
            for _ in range(_TRIES_NEW):
                sentence = self._one(sort, scene, rng)
                if sentence.text not in said:
                    break
            said.add(sentence.text)
            sentences.append(sentence)
        return tuple(sentences)

    def _one(self, sort: str, scene: Scene, rng: np.random.Generator) -> Sentence:
        values = self.world.values
        if sort == "vqa":
            return ask(scene, rng, families=self.families, values=values, max_hops=self.max_hops)
        return refer(scene, rng, kinds=self.kinds, targets="one" if sort == "rec" else "any", values=values)

    def describe(self) -> dict[str, Any]:
        """All settings as plain values, JSON-ready."""
        settings: dict[str, Any] = asdict(self)
        return settings

    def changed(self) -> dict[str, Any]:
        """The settings that are not at their defaults, JSON-ready; a world of `WORLDS` by its name."""
        plain = SceneSource().describe()
        settings = {name: value for name, value in self.describe().items() if value != plain[name]}
        if "world" in settings:
            named = {world: name for name, world in WORLDS.items()}
            own = {name: value for name, value in settings["world"].items() if value != plain["world"][name]}
            settings["world"] = named.get(self.world, own)
        return settings
