"""A tiny world: pictures of a bright square, a network of three layers, the task of pointing at it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from laconvnet.data import Augmentation, Collator, FolderDataset, ImageBatchSampler, build_loader
from laconvnet.language import Vocabulary
from laconvnet.metrics import GroundingAccuracy
from laconvnet.processing import Preprocess, Processor
from laconvnet.tasks import Answer, Task, TaskOptions
from laconvnet.training import TrainConfig
from laconvnet.training.setup import Begun, Parts

SIZE = 32
TEXTS = ("the red square", "a bright thing on the left")


def write_world(root: Path, *, images: int = 6, val_images: int = 2) -> Path:
    """Write a dataset folder with two sentences per picture."""
    rng = np.random.default_rng(0)
    (root / "images").mkdir(parents=True)
    info = {"name": "toy", "source": "made up", "licence": "CC0", "tasks": ["rec"]}
    (root / "dataset.json").write_text(json.dumps(info))
    for split, count in (("train", images), ("val", val_images)):
        lines = []
        for number in range(count):
            x, y = (int(v) for v in rng.integers(0, 20, size=2))
            picture = rng.integers(0, 60, size=(SIZE, SIZE, 3), dtype=np.uint8)
            picture[y : y + 10, x : x + 10] = (250, 40, 40)
            name = f"images/{split}{number}.png"
            Image.fromarray(picture).save(root / name)
            for index, text in enumerate(TEXTS):
                lines.append(
                    {
                        "id": f"{split}-{number}-{index}",
                        "image": name,
                        "width": SIZE,
                        "height": SIZE,
                        "text": f"{text} {number}",
                        "boxes": [[x, y, x + 10, y + 10]],
                        "group": f"g{index}",
                    }
                )
        (root / f"{split}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return root


class ToyModel(nn.Module):
    """Pooled words and pooled picture to a box; batch normalisation and dropout optional."""

    def __init__(self, rows: int, *, norm: bool = True, dropout: float = 0.2) -> None:
        super().__init__()
        self.words = nn.Embedding(rows, 8, padding_idx=0)
        self.words.weight.requires_grad_(False)
        self.conv = nn.Conv2d(3, 8, 8, stride=8)
        self.norm = nn.BatchNorm2d(8) if norm else nn.Identity()
        self.dropout = nn.Dropout(dropout)
        self.out = nn.Linear(16 * 8 + 8, 4)

    def forward(self, images: Tensor, tokens: Tensor) -> dict[str, Tensor]:
        seen = self.norm(self.conv(images)).relu().flatten(1)
        return {"toy": self.out(self.dropout(torch.cat([seen, self.words(tokens).sum(1) / 8], 1))) * SIZE}


class ToyTask(Task[TaskOptions]):
    """Point at the square with the one box that the toy network gives."""

    name = "toy"
    job = "point at it"
    Options = TaskOptions
    headline = ("accuracy@0.5",)

    def __init__(self) -> None:
        super().__init__(TaskOptions())

    @property
    def outputs(self) -> tuple[str, ...]:
        return ("toy",)

    @property
    def labels(self) -> tuple[str, ...]:
        return ("boxes",)

    def loss(self, outputs: dict[str, Any], batch: Any) -> dict[str, Tensor]:
        loss = ((outputs["toy"] - batch["target_boxes"]) / SIZE).square().mean()
        return {"loss": loss, "loss_box": loss}

    def metric(self) -> GroundingAccuracy:
        return GroundingAccuracy()

    def decode(self, outputs: dict[str, Any], frames: Tensor, sizes: Tensor, **_: Any) -> list[Answer]:
        return [Answer(boxes=(tuple(box),), scores=(1.0,)) for box in outputs["toy"].tolist()]

    def update(self, metric: Any, answers: Sequence[Answer], batch: Any) -> None:
        boxes = torch.tensor([answer.box for answer in answers])
        metric.update(boxes, batch["target_boxes"], batch["groups"])

    def blind(self, train: Any, records: Any) -> Any:
        return {}


def toy_config(root: Path, output: Path, **changes: Any) -> TrainConfig:
    """Settings of a short run; a section's changes are a dict."""
    settings: dict[str, Any] = {
        "preset": "n",
        "data": {
            "root": root,
            "size": SIZE,
            "batch_size": 4,
            "eval_batch_size": 3,
            "num_workers": 0,
            "flip": 0.5,
        },
        "optimizer": {"lr": 1e-2},
        "schedule": {"warmup": 0.5},
        "ema": {"decay": 0.9},
        "epochs": 4,
        "log_every": 1,
        "device": "cpu",
        "keep_freed_memory": False,
        "seed": 7,
        "output": output,
    }
    for name, value in changes.items():
        settings[name] = {**settings.get(name, {}), **value} if isinstance(value, dict) else value
    return TrainConfig(**settings)


@dataclass(frozen=True)
class ToyParts(Parts):
    """Parts whose network is no LaConvNet, and is written as it is."""

    def export(self, folder: Path, network: nn.Module, metrics: dict[str, float]) -> None:
        folder.mkdir(exist_ok=True)
        torch.save(network.state_dict(), folder / "weights.pt")


def toy_parts(
    config: TrainConfig,
    begun: Begun | None = None,
    *,
    rank: int = 0,
    world_size: int = 1,
    norm: bool = True,
    dropout: float = 0.2,
    task: ToyTask | None = None,
) -> Parts:
    """The toy counterpart of `build_parts`."""
    data, task = config.data, task or ToyTask()
    assert data.root is not None
    augment = Augmentation(flip=data.flip)
    train = FolderDataset(
        data.root, data.train_split, size=data.size, augment=augment, tasks=[ToyTask()], seed=config.seed
    )
    val = FolderDataset(data.root, data.val_split, size=data.size, tasks=[ToyTask()])
    vocabulary = Vocabulary.from_texts([record.text for record in train.records], 1, 2)
    if begun is not None:
        vocabulary = begun.vocabulary
    processor = Processor(Preprocess(size=SIZE, resize="letterbox", max_length=config.words_kept), vocabulary)
    collator = Collator(processor.encode)
    sampler = ImageBatchSampler(train, data.batch_size, seed=config.seed, rank=rank, world_size=world_size)
    val_sampler = ImageBatchSampler(val, data.eval_batch_size, shuffle=False, rank=rank, world_size=world_size)
    return ToyParts(
        model=ToyModel(len(vocabulary), norm=norm, dropout=dropout),
        task=task,
        options={"toy": {}},
        processor=processor,
        train_loader=build_loader(train, sampler, collator, data.num_workers),
        eval_loader=build_loader(val, val_sampler, collator, data.num_workers),
        card=lambda metrics: "",
    )


def load_state(output: Path) -> dict[str, Any]:
    """The saved state of a run."""
    return torch.load(output / "last" / "state.pt", weights_only=True)


def same(left: Any, right: Any) -> bool:
    """Whether two nested containers are equal, tensors bit for bit."""
    if isinstance(left, Tensor):
        return torch.equal(left, right)
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
    if isinstance(left, list | tuple):
        return len(left) == len(right) and all(same(*pair) for pair in zip(left, right, strict=True))
    return left == right
