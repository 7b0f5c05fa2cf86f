"""Turn a finished run into a checkpoint folder to give away: small, with what a user must know in its card.

    python tools/release_weights.py runs/scenes_t/7_same src/laconvnet/weights/scenes-t --limits LIMITS.md

Writes the weights in half precision, or with `--dtype int8` in 8 bits, beside the run's configuration, vocabulary and
preprocessing, its tasks, and a model card: the data and settings of the run, the curves of its evaluations and of those
that it started from, what the written weights reach on the run's validation data, and the text of LIMITS.md. With
`--balance FOLDER`, the decision that nothing is meant is first moved to where it errs as often either way on the split
val of that dataset folder.

Before anything is written, the network is compared with its rounded self on random pictures and sentences; they must
agree.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from laconvnet.data import Collator, FolderDataset, ImageBatchSampler, build_loader
from laconvnet.evaluation.evaluate import evaluate
from laconvnet.models import Checkpoint, LaConvNet
from laconvnet.models.storage import as_computed, as_stored
from laconvnet.tables import markdown
from laconvnet.tasks import build_tasks, together
from laconvnet.training import TrainConfig, load_config
from laconvnet.training.card import model_card
from laconvnet.training.datasets import dataset_infos, eval_dataset, load

PAIRS, WORDS = 32, 8  # of random pictures and words that are compared
TOLERANCE = {"float16": 0.01, "int8": 0.1}  # of the largest number of an output
MAIN = ("accuracy@0.5", "mean_iou", "gIoU", "N-acc", "T-acc", "accuracy")  # columns of the curve


def main() -> None:
    """Read the arguments and write the folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="folder of a finished run")
    parser.add_argument("out", type=Path, help="checkpoint folder to write")
    parser.add_argument("--limits", type=Path, required=True, help="Markdown: what the weights cannot do")
    parser.add_argument("--balance", type=Path, metavar="FOLDER", help="dataset folder for gres, with a split val")
    parser.add_argument("--dtype", choices=TOLERANCE, default="float16", help="number format of the weights")
    parser.add_argument("--max-shard-size", default="5GB", help="larger weights are split, such as 15MB")
    arguments = parser.parse_args()
    difference = release(**vars(arguments))
    size = sum(path.stat().st_size for path in arguments.out.iterdir()) / 1e6
    print(f"wrote {arguments.out}, {size:.1f} MB; outputs differ by {difference:.1e} of their largest number")


def release(run: Path, out: Path, limits: Path, balance: Path | None, dtype: str, max_shard_size: str) -> float:
    """Write the folder.

    Returns:
        The largest difference that rounding makes, as a share of the largest number of the output.

    Raises:
        FileNotFoundError: the run has not ended, or the text of the limits is missing.
        ValueError: rounding changes the outputs too much.
    """
    checkpoint = Checkpoint.load(run / "final")
    network = checkpoint.network
    runs = history(run)
    configs = [load_config(each / "train.yaml") for each in runs]
    notes = [f"## Limits\n\n{limits.read_text(encoding='utf-8').strip()}"]
    if balance is not None:
        moved, rate = balance_no_target(checkpoint, balance)
        notes.insert(
            0,
            f"After the last run, the logit of there being no target was moved by {moved:+.2f}: on all of the split "
            f"`val` of `{balance}`, N-acc and T-acc are now {rate:.4f}.",
        )
    rounded = LaConvNet(network.config).eval()
    rounded.load_state_dict(as_computed(as_stored(network.state_dict(), getattr(torch, dtype))))
    difference = rounding_error(network, rounded, checkpoint.processor.preprocess.size)
    if not difference <= TOLERANCE[dtype]:
        raise ValueError(f"in {dtype}, outputs differ by {difference:.1e} of their largest number")
    start = configs[-1].model_copy(update={"initial": configs[0].initial})
    card = model_card(start, dataset_infos(*configs), metrics(replace(checkpoint, network=rounded), configs[-1]))
    curves = "\n\n".join(curve(each) for each in runs)
    card = "\n\n".join([card.strip(), f"## The runs, from first to last\n\n{curves}", *notes]) + "\n"
    replace(checkpoint, card=card).save(out, dtype=getattr(torch, dtype), max_shard_size=max_shard_size)
    return difference


@torch.no_grad()
def balance_no_target(checkpoint: Checkpoint, folder: Path) -> tuple[float, float]:
    """Move the no-target logit so that N-acc and T-acc are alike on the split val of a dataset folder.

    Returns:
        How far the logit was moved, and the rate that both then have.

    Raises:
        ValueError: the network has no such classifier, or all sentences of the split mean something, or none does.
    """
    network, preprocess = checkpoint.network, checkpoint.processor.preprocess
    if "no_target" not in network.heads:
        raise ValueError(f"--balance moves the no-target classifier, and this network has only {[*network.heads]}")
    dataset = FolderDataset(folder, "val", size=preprocess.size, resize=preprocess.resize, with_masks=True)
    dataset = dataset.select(n for n, record in enumerate(dataset.records) if record.masks is not None)
    logits, absent = [], []
    for batch in build_loader(
        dataset, ImageBatchSampler(dataset, 64, shuffle=False), Collator(checkpoint.processor.encode)
    ):
        logits.append(network(batch["images"].float() / 255, batch["tokens"])["no_target"])
        absent.append(~batch["target_masks"].flatten(1).any(1))
    found, none = torch.cat(logits), torch.cat(absent)
    without, others = found[none].sort().values, found[~none].sort().values
    if not (len(without) and len(others)):
        raise ValueError(
            f"--balance needs sentences of both sorts: {folder} has {len(without)} without a target of {len(found)}"
        )
    right_without = 1 - torch.searchsorted(without, without, right=True) / len(without)
    right_others = torch.searchsorted(others, without, right=True) / len(others)
    best = int((right_without - right_others).abs().argmin())
    network.heads["no_target"].perceptron[-1].bias -= without[best]
    return -float(without[best]), float(right_without[best] + right_others[best]) / 2


def history(run: Path) -> list[Path]:
    """The runs that made the weights, from first to last: each started from those of the one before."""
    runs = [run]
    while (initial := load_config(runs[0] / "train.yaml").initial) and (initial.parent / "train.yaml").is_file():
        runs.insert(0, initial.parent)
    return runs


def metrics(checkpoint: Checkpoint, config: TrainConfig) -> dict[str, float]:
    """What the network reaches on the run's validation data."""
    tasks = build_tasks(checkpoint.tasks, stride=checkpoint.network.config.stride)
    dataset = eval_dataset(config, tasks)
    sampler = ImageBatchSampler(dataset, config.data.eval_batch_size, shuffle=False)
    loader = load(config, dataset, sampler, checkpoint.processor.encode)
    return evaluate(checkpoint.network, loader, together(tasks), "cpu")


@torch.inference_mode()
def rounding_error(network: LaConvNet, rounded: LaConvNet, size: int) -> float:
    """How far the outputs move when the weights are rounded to the format of a file, worst head."""
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(PAIRS, 3, size, size, generator=generator)
    tokens = torch.randint(1, network.config.vocabulary_size, (PAIRS, WORDS), generator=generator)
    exact, found = network(images, tokens), rounded(images, tokens)
    return max(float((found[head] - exact[head]).abs().max() / exact[head].abs().max()) for head in exact)


def curve(run: Path) -> str:
    """The evaluations of a run on the way, below its name: the main values of its tasks."""
    lines = [json.loads(line) for line in (run / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    evaluations = [line for line in lines if line["kind"] == "eval"]
    results: dict[str, Any] = json.loads((run / "results.json").read_text(encoding="utf-8"))
    names = [name for name in results["metrics"] if name.split("/")[-1] in MAIN and name.count("/") <= 1]
    rows = [
        {
            "epochs": f"{line['epoch']:.2f}",
            "minutes": f"{line['seconds'] / 60:.0f}",
            **{name: f"{line['metrics'][name]:.3f}" for name in names},
        }
        for line in evaluations
    ]
    return f"`{run.name}`, {results['seconds'] / 60:.0f} minutes:\n\n{markdown(rows)}"


if __name__ == "__main__":
    main()
