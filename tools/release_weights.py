"""Turn a finished run into a checkpoint folder to give away: half precision, with what a user must know in its card.

    python tools/release_weights.py runs/scenes_t src/laconvnet/weights/scenes-t --limits LIMITS.md

Writes the weights in half precision beside the run's configuration, vocabulary and preprocessing, `train.yaml`, and the
run's model card with the curve of its evaluations and the text of LIMITS.md. Before anything is written, the network is
compared with itself in half precision on random pictures and sentences; they must agree.
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path
from typing import Any

import torch

from laconvnet.models import LaConvNet, load_checkpoint, save_checkpoint
from laconvnet.report.tables import table

PAIRS, WORDS = 32, 8  # of random pictures and words that are compared
TOLERANCE = 0.01  # of the largest number of an output
MAIN = ("accuracy@0.5", "mean_iou", "gIoU", "N-acc", "T-acc", "accuracy")  # columns of the curve


def main() -> None:
    """Read the arguments and write the folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="folder of a finished run")
    parser.add_argument("out", type=Path, help="checkpoint folder to write")
    parser.add_argument("--limits", type=Path, required=True, help="Markdown: what the weights cannot do")
    parser.add_argument("--max-shard-size", default="5GB", help="larger weights are split, such as 15MB")
    arguments = parser.parse_args()
    difference = release(arguments.run, arguments.out, arguments.limits, arguments.max_shard_size)
    size = sum(path.stat().st_size for path in arguments.out.iterdir()) / 1e6
    print(f"wrote {arguments.out}, {size:.1f} MB; outputs differ by {difference:.1e} of their largest number")


def release(run: Path, out: Path, limits: Path, max_shard_size: str = "5GB") -> float:
    """Write the folder.

    Returns:
        The largest difference that half precision makes, as a share of the largest number of the output.

    Raises:
        FileNotFoundError: the run has not ended, or the text of the limits is missing.
        ValueError: half precision changes the outputs too much.
    """
    network, vocabulary, preprocess = load_checkpoint(run / "final")
    difference = half_precision_error(network, preprocess.size)
    if not difference <= TOLERANCE:
        raise ValueError(f"in half precision, outputs differ by {difference:.1e} of their largest number")
    card = "\n\n".join(
        [
            (run / "final" / "README.md").read_text(encoding="utf-8").strip(),
            f"## The run\n\n{curve(run)}",
            f"## Limits\n\n{limits.read_text(encoding='utf-8').strip()}",
        ]
    )
    save_checkpoint(
        out,
        network,
        vocabulary=vocabulary,
        preprocess=preprocess,
        card=card + "\n",
        dtype=torch.float16,
        max_shard_size=max_shard_size,
    )
    shutil.copyfile(run / "train.yaml", out / "train.yaml")
    return difference


@torch.inference_mode()
def half_precision_error(network: LaConvNet, size: int) -> float:
    """How far the outputs move when every weight is rounded to half precision, worst head."""
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(PAIRS, 3, size, size, generator=generator)
    tokens = torch.randint(1, network.config.vocabulary_size, (PAIRS, WORDS), generator=generator)
    rounded = LaConvNet(network.config).eval()
    rounded.load_state_dict(
        {name: w.half().float() if w.is_floating_point() else w for name, w in network.state_dict().items()}
    )
    exact, halved = network(images, tokens), rounded(images, tokens)
    return max(float((halved[head] - exact[head]).abs().max() / exact[head].abs().max()) for head in exact)


def curve(run: Path) -> str:
    """The evaluations of a run on the way, as a table: the main values of its tasks."""
    lines = [json.loads(line) for line in (run / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    evaluations = [line for line in lines if line["kind"] == "eval"]
    results: dict[str, Any] = json.loads((run / "results.json").read_text(encoding="utf-8"))
    names = [name for name in results["metrics"] if name.split("/")[-1] in MAIN and name.count("/") <= 1]
    head = ["epochs", "minutes", *names]
    rows = [
        [f"{line['epoch']:.2f}", f"{line['seconds'] / 60:.0f}", *(f"{line['metrics'][name]:.3f}" for name in names)]
        for line in evaluations
    ]
    return table(head, rows)


if __name__ == "__main__":
    main()
