"""Batches of scenes that are drawn where the network is: workers make scenes and sentences, the device pictures."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.utils.data import Dataset

from laconvnet.data.batch import Asked, Batch, start_batch
from laconvnet.data.loader import build_loader
from laconvnet.data.sampler import ImageBatchSampler
from laconvnet.data.scenes.dataset import SceneDataset
from laconvnet.data.scenes.drawn import scene_name, sentence_record
from laconvnet.scenes import Scene, render


class _Plan(NamedTuple):
    """One sentence about a scene that is still to be drawn."""

    asked: Asked
    scene: Scene
    targets: tuple[int, ...]


class _PlannedBatch(NamedTuple):
    """A batch of sentences whose pictures and labels are still to be drawn."""

    batch: Batch
    scenes: list[Scene]
    targets: list[tuple[int, ...]]


class _Plans(Dataset[_Plan]):
    """What a `SceneDataset` would draw."""

    def __init__(self, dataset: SceneDataset) -> None:
        self.dataset = dataset

    def set_epoch(self, epoch: int) -> None:
        self.dataset.set_epoch(epoch)

    def __getitems__(self, indices: Sequence[int]) -> list[_Plan]:
        dataset, size = self.dataset, self.dataset.size
        numbers = {dataset.scene_number(index) for index in indices}
        samples = {number: dataset.source.sample(dataset.split, number) for number in sorted(numbers)}
        plans = []
        for index in indices:
            number, place = dataset.scene_number(index), index % len(dataset.source)
            sentence = samples[number].sentences[place]
            record = sentence_record(scene_name(dataset.split, number), place, sentence, size, size)
            asked = Asked(index, record, sentence.text, (1.0, 1.0, 0.0, 0.0), dataset.tasks_of(place))
            plans.append(_Plan(asked, samples[number].scene, sentence.targets))
        return plans


@dataclass(frozen=True, slots=True)
class _PlanCollator:
    """Encodes the sentences of a batch; pictures and labels are added on the device."""

    encode: Callable[[str], list[int]]

    def __call__(self, plans: Sequence[_Plan]) -> _PlannedBatch:
        batch = start_batch([plan.asked for plan in plans], self.encode)
        return _PlannedBatch(batch, [plan.scene for plan in plans], [plan.targets for plan in plans])


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
        self._plans = build_loader(_Plans(dataset), sampler, _PlanCollator(encode), num_workers)

    def __len__(self) -> int:
        """Number of batches of an epoch on this process."""
        return len(self._plans)

    def __iter__(self) -> Iterator[Batch]:
        return map(self._draw, self._plans)

    def _draw(self, planned: _PlannedBatch) -> Batch:
        """Draws pictures and labels, all tensors on the device."""
        batch, scenes, targets = planned
        for name in ("tokens", "frames", "sizes"):
            batch[name] = batch[name].to(self.device)
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
