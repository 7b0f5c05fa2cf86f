"""What each stage of a network still knows of the things that questions are about.

    python tools/probe_stages.py runs/scenes_t/2_relations/final data/near_query

The folder is one of questions about single attributes (`data generate --family query_attribute`). For each map,
its features are averaged over the thing asked about, and a linear classifier of the answer from them is fitted on the
training split and scored on the validation split. Printed in Markdown: accuracy by map and attribute.
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from laconvnet.data import Collator, FolderDataset, ImageBatchSampler, build_loader
from laconvnet.models import Checkpoint
from laconvnet.tables import markdown, percent

WEIGHT_DECAY = 1e-3


def main() -> None:
    """Read the arguments, look at the pictures and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="checkpoint folder, or the name of a shipped one, whose network has a neck")
    parser.add_argument("data", type=Path, help="dataset folder of questions")
    parser.add_argument("--attributes", nargs="+", default=["color", "material", "shape", "size"])
    parser.add_argument("--questions", type=int, default=2000, help="questions of each attribute to learn from")
    arguments = parser.parse_args()
    checkpoint = Checkpoint.load(arguments.model)
    rows: dict[str, dict[str, str]] = {}
    for attribute in arguments.attributes:
        (learned, right), (tested, truth) = (
            features(checkpoint, arguments.data, split, attribute, arguments.questions) for split in ("train", "val")
        )
        for name, values in learned.items():
            share = accuracy(values, right, tested[name], truth)
            rows.setdefault(name, {"map": name})[attribute] = percent(share)
    print(markdown(list(rows.values())))


@torch.no_grad()
def features(
    checkpoint: Checkpoint, root: Path, split: str, attribute: str, limit: int
) -> tuple[dict[str, Tensor], list[str]]:
    """Every map, averaged over the things that questions of an attribute are about, (N, channels), and the answers."""
    network, preprocess = checkpoint.network, checkpoint.processor.preprocess
    whole = FolderDataset(root, split, size=preprocess.size, resize=preprocess.resize, with_masks=True)
    about = [n for n, r in enumerate(whole.records) if re.match(rf"query_{attribute}\(", r.program or "")]
    dataset = whole.select(about[:limit])
    parts: dict[str, list[Tensor]] = {}
    answers: list[str] = []
    for batch in build_loader(
        dataset, ImageBatchSampler(dataset, 64, shuffle=False), Collator(checkpoint.processor.encode)
    ):
        images, targets = batch["images"].float() / 255, batch["target_masks"][:, None].float()
        stages = network.backbone(images, network.read(batch["tokens"]).memories)
        maps = {"pixels": images} | {f"stage {number}": stage for number, stage in enumerate(stages.values(), 1)}
        pyramid = network.neck(*(stages[stride] for stride in network.pyramid_strides))
        levels = zip(network.pyramid_strides, pyramid, strict=True)
        maps |= {f"pyramid, stride {stride}": level for stride, level in levels}
        for name, values in maps.items():
            weights = F.adaptive_avg_pool2d(targets, values.shape[2:])
            sums = (values * weights).sum((2, 3)) / weights.sum((2, 3)).clamp(min=1e-6)
            parts.setdefault(name, []).append(sums)
        answers += batch["answer"]
    return {name: torch.cat(values) for name, values in parts.items()}, answers


def accuracy(learned: Tensor, right: list[str], tested: Tensor, truth: list[str]) -> float:
    """The share of right answers of a logistic regression of standardised features."""
    names = sorted({*right})
    mean, spread = learned.mean(0), learned.std(0) + 1e-6
    x, y = (learned - mean) / spread, torch.tensor([names.index(answer) for answer in right])
    weight = torch.zeros(len(names), x.shape[1] + 1, requires_grad=True)
    optimizer = torch.optim.LBFGS([weight], max_iter=200, line_search_fn="strong_wolfe")

    def logits(values: Tensor) -> Tensor:
        return F.linear(values, weight[:, 1:], weight[:, 0])

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = F.cross_entropy(logits(x), y) + WEIGHT_DECAY * weight[:, 1:].square().sum()
        loss.backward()
        return loss

    optimizer.step(closure)
    with torch.no_grad():
        found = logits((tested - mean) / spread).argmax(1).tolist()
    return sum(names[number] == answer for number, answer in zip(found, truth, strict=True)) / len(truth)


if __name__ == "__main__":
    main()
