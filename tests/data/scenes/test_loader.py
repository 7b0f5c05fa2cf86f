"""Batches drawn on a device are those of the CPU's loader."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from laconvnet.data import Augmentation, Collator, ImageBatchSampler, SceneDataset, SceneLoader, build_loader, set_epoch
from laconvnet.scenes import WORLDS, SceneSource

SOURCE = SceneSource(seed=1, world=WORLDS["hard"], sentences={"rec": 1, "gres": 3, "vqa": 1})


def encode(text: str) -> list[int]:
    return [len(word) for word in text.split()]


def sampler(data: SceneDataset) -> ImageBatchSampler:
    return ImageBatchSampler(data, 8, sentences_per_image=3, seed=2)


@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
@pytest.mark.parametrize("workers", [0, 2])
def test_batches_are_those_of_the_other_loader(device: str, workers: int, learner: Callable[..., Any]) -> None:
    if device == "cuda" and not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
    tasks = [
        learner("gres", labels=("boxes", "masks"), scene_sorts=("rec", "gres")),
        learner("vqa", labels=("answer",), scene_sorts=("vqa",)),
    ]
    data = SceneDataset(SOURCE, "train", 5, size=64, fresh=True, tasks=tasks)
    plain = build_loader(data, sampler(data), Collator(encode))
    drawn = SceneLoader(data, sampler(data), encode, workers, device=device)
    assert len(drawn) == len(plain)
    for epoch, start in ((0, 0), (1, 2)):
        set_epoch(plain, epoch, start)
        expected = list(plain)
        set_epoch(drawn, epoch, start)
        for batch, other in zip(drawn, expected, strict=True):
            assert set(batch) == set(other)
            for name, value in other.items():
                if not isinstance(value, torch.Tensor):
                    assert batch[name] == value, name
                    continue
                assert batch[name].device.type == device and batch[name].dtype == value.dtype, name
                difference = (batch[name].cpu().nan_to_num(-1).float() - value.nan_to_num(-1).float()).abs()
                if device == "cpu" or name in ("tokens", "frames", "sizes"):
                    assert difference.max() == 0, name
                elif name == "target_boxes":
                    assert difference.max() <= 1  # a pixel on the edge may fall to the other side
                else:
                    assert (difference > 1).float().mean() < 1e-3, name


def test_what_only_a_cpu_can_do_is_refused(tmp_path: Path) -> None:
    for options in ({"augment": Augmentation(flip=0.5)}, {"cache": tmp_path}, {"shuffle_sentences": True}):
        data = SceneDataset(SOURCE, "train", 2, size=64, **options)  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="neither augmented, cached nor asked other sentences"):
            SceneLoader(data, sampler(data), encode, device="cpu")
