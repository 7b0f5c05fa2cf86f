"""The embedded world as a PyTorch dataset: scenes are made and drawn when they are asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch.utils.data import Dataset

from laconvnet.data.batch import Example
from laconvnet.data.dataset import Learner
from laconvnet.data.folder.schema import Record
from laconvnet.data.scenes.cache import SceneCache
from laconvnet.data.scenes.drawn import DrawnScene, draw_scenes
from laconvnet.data.transforms import Augmentation, Sample, resize_to_input
from laconvnet.scenes import SceneSample, SceneSource, picture_size


class SceneLearner(Learner, Protocol):
    """What learns from sentences about scenes.

    Attributes:
        scene_sorts: the sorts of sentences, see `scenes.SceneSource`.
    """

    @property
    def scene_sorts(self) -> tuple[str, ...]: ...


class SceneDataset(Dataset[Example]):
    """One split of a scene source: sentence k of scene s of an epoch has the index s * len(source) + k.

    What an example looks like depends on the source, the split, (seed, epoch, index) and the size alone: not on the
    worker that makes it, on the batch it is in, or on what was asked for before.

    Args:
        source: which scenes and sentences.
        split: name of the split.
        scenes: scenes of an epoch, at least 1.
        size: side of the square picture, 64 to 2048 pixels.
        fresh: whether every epoch has new scenes; otherwise all have the first ones.
        augment: random changes for training, None for none.
        tasks: those that learn from it, each from the sorts of sentences that it names; masks are drawn if one needs
            them.
        shuffle_sentences: control experiment, a scene is asked the sentences of the next one.
        seed: seed of the augmentation.
        cache: folder for drawn scenes, made if needed; None draws them anew.

    Raises:
        ValueError: a number is out of range, or the cache holds scenes of other settings.
    """

    def __init__(
        self,
        source: SceneSource,
        split: str,
        scenes: int,
        *,
        size: int,
        fresh: bool = False,
        augment: Augmentation | None = None,
        tasks: Sequence[SceneLearner] = (),
        shuffle_sentences: bool = False,
        seed: int = 0,
        cache: Path | None = None,
    ) -> None:
        if scenes < 1:
            raise ValueError(f"split {split!r} needs at least 1 scene, got {scenes}")
        picture_size(size)
        if seed < 0:
            raise ValueError(f"the seed must be 0 or more, got {seed}")
        self.source, self.split, self.scenes, self.size = source, split, scenes, size
        self.fresh, self.tasks, self.shuffle_sentences, self.seed = fresh, tuple(tasks), shuffle_sentences, seed
        self.with_masks = any("masks" in task.labels for task in tasks)
        self._transform = augment.build() if augment is not None and augment.changes else None
        self._cache = None if cache is None else SceneCache(cache, source, size)
        # Shared memory: workers that outlive an epoch see the new number too.
        self._epoch = torch.zeros((), dtype=torch.int64).share_memory_()  # type: ignore[no-untyped-call]

    def __len__(self) -> int:
        return self.scenes * len(self.source)

    def tasks_of(self, place: int) -> tuple[str, ...]:
        """The names of the tasks that the sentence at a place of every scene serves."""
        sort = self.source.sorts[place]
        return tuple(task.name for task in self.tasks if sort in task.scene_sorts)

    @property
    def is_plain(self) -> bool:
        """Whether examples are the scenes as they are, drawn anew each time."""
        return self._transform is None and self._cache is None and not self.shuffle_sentences

    @property
    def groups(self) -> list[list[int]]:
        """The indices of the sentences of each scene."""
        count = len(self.source)
        return [list(range(first, first + count)) for first in range(0, len(self), count)]

    def set_epoch(self, epoch: int) -> None:
        """Chooses the scenes and random changes of an epoch, in running workers too; call it between epochs."""
        self._epoch.fill_(epoch)

    def scene_number(self, index: int) -> int:
        """The number in its split of the scene that an index of this epoch means."""
        first = int(self._epoch) * self.scenes if self.fresh else 0
        return first + index // len(self.source)

    def __getitem__(self, index: int) -> Example:
        return self.__getitems__([index])[0]

    def __getitems__(self, indices: Sequence[int]) -> list[Example]:
        """Makes the examples of a batch, drawing every scene once.

        Raises:
            IndexError: there is no such example.
            ImageError: a kept scene is damaged; names the file.
        """
        for index in indices:
            if not 0 <= index < len(self):
                raise IndexError(f"split {self.split!r} has the examples 0 to {len(self) - 1}, got {index}")
        numbers = sorted({self.scene_number(index) for index in indices})
        scenes = self._scenes(numbers)
        others = self._neighbours(numbers) if self.shuffle_sentences else {}
        examples = []
        for index in indices:
            number, place = self.scene_number(index), index % len(self.source)
            record = scenes[number].record(place)
            if self.shuffle_sentences:
                other = others[number].sentences[place]
                record = replace(record, text=other.text, group=other.group, program=str(other.program))
            examples.append(self._example(index, record, scenes[number]))
        return examples

    def _neighbours(self, numbers: Sequence[int]) -> dict[int, SceneSample]:
        """The scenes whose sentences these scenes are asked in the control experiment."""
        return {number: self.source.sample(self.split, number + 1) for number in numbers}

    def _scenes(self, numbers: Sequence[int]) -> dict[int, DrawnScene]:
        """Scenes by number, from the cache where they are there."""
        scenes: dict[int, DrawnScene] = {}
        if self._cache is not None:
            kept = ((number, self._cache.load(self.split, number)) for number in numbers)
            scenes = {number: scene for number, scene in kept if scene is not None}
        missing = [number for number in numbers if number not in scenes]
        if missing:
            samples = [self.source.sample(self.split, number) for number in missing]
            for number, scene in zip(missing, draw_scenes(samples, self.split, missing, self.size), strict=True):
                scenes[number] = scene
                if self._cache is not None:
                    self._cache.save(self.split, number, scene)
        return scenes

    def _example(self, index: int, record: Record, scene: DrawnScene) -> Example:
        boxes = np.array(record.boxes or (), dtype=np.float32).reshape(-1, 4)
        masks = scene.masks(index % len(self.source)) if self.with_masks else None
        sample = Sample(scene.image, boxes, record.text, masks=masks)
        if self._transform is not None:
            sample = self._transform(sample, np.random.default_rng([self.seed, int(self._epoch), index]))
            sample = resize_to_input(sample, self.size)
        return Example(index, record, sample, self.tasks_of(index % len(self.source)))
