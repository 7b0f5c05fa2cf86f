"""Batches of scenes that are drawn where the network is: workers make scenes and sentences, the device pictures."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.utils.data import Dataset

from laconvnet.data.answers import as_scores
from laconvnet.data.collate import Batch, pad_tokens
from laconvnet.data.drawn_scene import SERVED, scene_name
from laconvnet.data.loader import build_loader
from laconvnet.data.sampler import ImageBatchSampler
from laconvnet.data.scene_dataset import SceneDataset
from laconvnet.scenes import Scene, Sentence, render


@dataclass(frozen=True, slots=True)
class _Planned:
    """One sentence about a scene that is still to be drawn."""

    index: int
    id: str
    scene: Scene
    sentence: Sentence
    tasks: tuple[str, ...]


class _Plans(Dataset[_Planned]):
    """What a `SceneDataset` would draw."""

    def __init__(self, dataset: SceneDataset) -> None:
        self.dataset = dataset

    def set_epoch(self, epoch: int) -> None:
        self.dataset.set_epoch(epoch)

    def __getitems__(self, indices: Sequence[int]) -> list[_Planned]:
        dataset = self.dataset
        numbers = {dataset.scene_number(index) for index in indices}
        samples = {number: dataset.source.sample(dataset.split, number) for number in sorted(numbers)}
        plans = []
        for index in indices:
            number, place = dataset.scene_number(index), index % len(dataset.source)
            name = f"{scene_name(dataset.split, number)}_{place}"
            sample, tasks = samples[number], SERVED[dataset.source.sorts[place]]
            plans.append(_Planned(index, name, sample.scene, sample.sentences[place], tasks))
        return plans


@dataclass(frozen=True, slots=True)
class _PlanCollator:
    """Encodes the sentences of a batch; pictures and labels are added on the device."""

    encode: Callable[[str], list[int]]
    size: int

    def __call__(self, plans: Sequence[_Planned]) -> Batch:
        sentences = [plan.sentence for plan in plans]
        return {
            "tokens": pad_tokens([self.encode(sentence.text) for sentence in sentences]),
            "frames": torch.tensor([(1.0, 1.0, 0.0, 0.0)] * len(plans)),
            "sizes": torch.full((len(plans), 2), self.size),
            "ids": [plan.id for plan in plans],
            "groups": [sentence.group for sentence in sentences],
            "indices": [plan.index for plan in plans],
            "texts": [sentence.text for sentence in sentences],
            "tasks": [plan.tasks for plan in plans],
            "answer": [sentence.answer for sentence in sentences],
            "answers": [as_scores(sentence.answer) for sentence in sentences],
            "scenes": [plan.scene for plan in plans],
            "targets": [sentence.targets for sentence in sentences],
        }


class SceneLoader:
    """A loader for a `SceneDataset` that draws each batch, and its labels from the instance map, on a device.

    Batches are those of `build_loader` with `Collator`, only that their tensors are on the device already.

    Args:
        dataset: what to load; without augmentation, cache and shuffled sentences.
        sampler: which sentences to batch.
        encode: turns a text into word ids of at least 1; picklable if there are workers.
        num_workers: processes that make scenes and sentences; 0 makes them in this one.
        device: where to draw.

    Raises:
        ValueError: the dataset does what only pictures on a CPU can have done to them.
    """

    def __init__(
        self,
        dataset: SceneDataset,
        sampler: ImageBatchSampler,
        encode: Callable[[str], list[int]],
        num_workers: int = 0,
        *,
        device: torch.device | str,
    ) -> None:
        if not dataset.is_plain:
            raise ValueError("scenes drawn on a device can be neither augmented, cached nor asked other sentences")
        self.dataset, self.batch_sampler, self.device = dataset, sampler, torch.device(device)
        self._plans = build_loader(_Plans(dataset), sampler, _PlanCollator(encode, dataset.size), num_workers)

    def __len__(self) -> int:
        """Number of batches of an epoch on this process."""
        return len(self._plans)

    def __iter__(self) -> Iterator[Batch]:
        return map(self._draw, self._plans)

    def _draw(self, batch: Batch) -> Batch:
        """Puts pictures and labels in the place of scenes and targets, all tensors on the device."""
        scenes, targets = batch.pop("scenes"), batch.pop("targets")
        for name, value in batch.items():
            if isinstance(value, Tensor):
                batch[name] = value.to(self.device)
        places = {scene: place for place, scene in enumerate(dict.fromkeys(scenes))}
        rendering = render(list(places), self.dataset.size, device=self.device)
        place = torch.tensor([places[scene] for scene in scenes], device=self.device)
        masks = _target_masks(rendering.instances[place], targets)
        batch["images"] = rendering.images[place].permute(0, 3, 1, 2).contiguous()
        points = torch.tensor([answer is None for answer in batch["answer"]], device=self.device)
        batch["target_boxes"] = _extents(masks).where(points[:, None], torch.nan)
        if self.dataset.with_masks:
            batch["target_masks"] = masks
            batch["record_masks"] = [None] * len(masks)
        return batch


def _target_masks(instances: Tensor, targets: Sequence[tuple[int, ...]]) -> Tensor:
    """Where (N, S, S) instance maps show one of the targets of their sentence, bool."""
    wanted = torch.zeros(len(targets), int(instances.max()) + 2, dtype=torch.bool)
    for row, numbers in zip(wanted, targets, strict=True):
        row[[number + 1 for number in numbers]] = True  # column 0 is the ground
    return wanted.to(instances.device).gather(1, instances.flatten(1) + 1).view_as(instances)


def _extents(masks: Tensor) -> Tensor:
    """The boxes (N, 4) around masks (N, S, S), float32 xyxy; NaN where a mask is empty."""
    size = masks.shape[-1]
    sides = torch.stack([masks.any(1), masks.any(2)], 1).int()  # (N, xy, S)
    boxes = torch.cat([sides.argmax(2), size - sides.flip(2).argmax(2)], 1).float()
    return boxes.where(sides.any(2).all(1, keepdim=True), torch.nan)
