"""Show that a change leaves every number as it was: outputs, losses and scores of two commits, side by side.

    python tools/compare_commits.py BEFORE AFTER [--photographs data/flickr30k] [--steps 50]

Each commit is checked out into a folder of its own, its CPU kernels are compiled, and it runs with this interpreter and
one thread. Compared are the outputs of the shipped weights and what they predict, the losses of seeded training steps
of each task and of all together, and the scores of the shipped weights on scenes and, where they are, on photographs.
Printed is the largest difference of each; the exit code is 1 if any is not zero.

MKL sums in an order that depends on where memory lies; `MKL_CBWR=COMPATIBLE` has it choose one order, so that the same
code gives the same bits in every process.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from laconvnet.tables import text

TASKS: dict[str, dict[str, Any]] = {
    "rec": {"assignment": "nearest", "l1_weight": 1.0},
    "res": {"dice_weight": 1.0},
    "gres": {"dice_weight": 1.0, "no_target": "classifier", "no_target_pos_weight": 5.0, "attention_weight": 0.1},
    "vqa": {"loss": "cross_entropy", "weight": 3.0},
}
SENTENCES = {"rec": "rec", "res": "rec", "gres": "gres", "vqa": "vqa"}  # that a task learns from
SORTS = ("rec", "gres", "vqa")
CLOCKS = ("seconds", "samples_per_second")

OUTPUTS = """
import sys
import numpy as np, torch
from pathlib import Path
from laconvnet import Predictor
out = {}
for name, pictures in (("photos-t", sys.argv[2]), ("scenes-t", sys.argv[3])):
    predictor = Predictor.from_pretrained(name)
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(8, 3, 128, 128, generator=generator)
    tokens = torch.randint(1, 100, (8, 7), generator=generator)
    for key, value in predictor.model(images, tokens).items():
        out[f"{name} {key}"] = value.numpy()
    for picture in sorted(Path(pictures).glob("*"))[:8]:
        for text in ("the man in red", "the metal thing left of the cube", "How many cubes are there?"):
            found = predictor(str(picture), [text])[0]
            mask = -1 if found.mask is None else int(found.mask.sum())
            said = [*(found.box or ()), found.score or 0.0, mask, bool(found.no_target), *(v for _, v in found.answers)]
            out[f"{name} prediction {picture.name} {text}"] = np.array(said)
np.savez(sys.argv[1], **out)
"""


def main() -> None:
    """Read the arguments, run both commits, and print the differences."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("before", help="commit, branch or tag")
    parser.add_argument("after", help="commit, branch or tag")
    parser.add_argument("--photographs", type=Path, help="dataset folder with a split val")
    parser.add_argument("--steps", type=int, default=50, help="training steps of each task, and of all together")
    parser.add_argument("--scenes", type=int, default=40, help="scenes of each sort of sentences to score on")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        commits = [Commit(root / name, getattr(arguments, name)) for name in ("before", "after")]
        try:
            data = make_scenes(commits[0], root / "data", arguments.scenes)
            pictures = arguments.photographs / "images" if arguments.photographs else data["rec"] / "images"
            results = [measure(commit, data, arguments.photographs, pictures, arguments.steps) for commit in commits]
        finally:
            for commit in commits:
                commit.remove()
    rows = list(compare(*results))
    print(text(rows))
    sys.exit(any(row["largest difference"] != "0" for row in rows))


class Commit:
    """A commit in a folder of its own."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder = folder
        subprocess.run(["git", "worktree", "add", "--quiet", "--detach", str(folder), name], check=True)
        self.run("src/laconvnet/ops/native/build.py")

    def run(self, *arguments: str | Path) -> None:
        """Run Python on it, quietly."""
        environment = {
            **os.environ,
            "PYTHONPATH": str(self.folder / "src"),
            "OMP_NUM_THREADS": "1",
            "MKL_CBWR": "COMPATIBLE",
        }
        command = [sys.executable, *map(str, arguments)]
        done = subprocess.run(command, cwd=self.folder, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)} failed at {self.folder}:\n{done.stderr[-4000:]}")

    def remove(self) -> None:
        """Remove its folder."""
        subprocess.run(["git", "worktree", "remove", "--force", str(self.folder)], check=True)


def make_scenes(commit: Commit, root: Path, scenes: int) -> dict[str, Path]:
    """Make a dataset folder of each sort of sentences."""
    for seed, sort in enumerate(SORTS):
        counts = ["--sentence", f"{sort}=6", "--split", "train=16", "--split", f"val={scenes}"]
        options = ["--world", "near", "--size", "128", "--seed", str(seed), "--workers", "0"]
        commit.run("-m", "laconvnet", "data", "generate", root / sort, *counts, *options)
    return {sort: root / sort for sort in SORTS}


def measure(
    commit: Commit, data: dict[str, Path], photographs: Path | None, pictures: Path, steps: int
) -> dict[str, dict[str, float] | dict[str, np.ndarray]]:
    """Return the numbers of a commit: by what was measured, values by name."""
    results: dict[str, Any] = {}
    outputs = commit.folder / "outputs.npz"
    commit.run("-c", OUTPUTS, outputs, pictures.resolve(), data["rec"] / "images")
    with np.load(outputs) as arrays:
        results["outputs and predictions of both weights"] = dict(arrays)
    for names in [*([task] for task in TASKS), [*TASKS]]:
        title = f"losses of {steps} steps of {', '.join(names)}"
        results[title] = losses(commit, names, data, steps)
    cases = [("scenes-t", data[SENTENCES[task]], task) for task in TASKS]
    if photographs is not None:
        cases.append(("photos-t", photographs.resolve(), "rec"))
    for model, folder, task in cases:
        out = commit.folder / "scores.json"
        options = ["--task", task, "--workers", "0", "--json", str(out)]
        commit.run("-m", "laconvnet", "eval", "--model", model, "--data", folder, *options)
        results[f"scores of {model}, {task}"] = json.loads(out.read_text())["metrics"]
    return results


def losses(commit: Commit, names: list[str], data: dict[str, Path], steps: int) -> dict[str, float]:
    """Return what the log tells of every step of a short run, and of its evaluation."""
    sources = [
        {"root": str(data[sort]), "tasks": own}
        for sort in SORTS
        if (own := [name for name in names if SENTENCES[name] == sort])
    ]
    settings = {
        "preset": "n",
        "tasks": {name: TASKS[name] for name in names},
        "data": {"sources": sources, "size": 64, "batch_size": 12, "num_workers": 0, "flip": 0.5, "color_jitter": 0.3},
        "freeze_embedding": False,
        "optimizer": {"name": "adamw", "lr": 1e-3, "eps": 1e-8, "clip_grad_norm": 5.0},
        "schedule": {"warmup": 0.1},
        "mixed_precision": "no",
        "device": "cpu",
        "threads": 1,
        "epochs": 1000,
        "max_steps": steps,
        "log_every": 1,
        "eval_every": 0,
        "save_every": 0,
        "output": f"runs/{'_'.join(names)}",
    }
    path = commit.folder / "run.yaml"
    path.write_text(yaml.safe_dump(settings))
    commit.run("-m", "laconvnet", "train", path)
    log = (commit.folder / settings["output"] / "log.jsonl").read_text().splitlines()
    rows = [row | row.get("metrics", {}) for row in map(json.loads, log)]
    return {
        f"step {row['step']} {row['kind']} {name}": value
        for row in rows
        for name, value in row.items()
        if isinstance(value, int | float) and name not in CLOCKS
    }


def compare(before: dict[str, Any], after: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield for each measurement how many numbers there are, and the largest difference."""
    for title, values in before.items():
        others = after[title]
        count, worst = 0, 0.0
        for name in values.keys() | others.keys():
            one, other = (np.asarray(each.get(name, math.nan), float) for each in (values, others))
            count += one.size
            worst = max(worst, difference(one, other) if name in values and name in others else math.inf)
        yield {"measured": title, "numbers": count, "largest difference": f"{worst:.2g}"}


def difference(one: np.ndarray, other: np.ndarray) -> float:
    """Return the largest difference of two arrays; infinite where only one has a number."""
    if one.shape != other.shape or (np.isnan(one) != np.isnan(other)).any():
        return math.inf
    return float(np.nan_to_num(np.abs(one - other)).max(initial=0.0))


if __name__ == "__main__":
    main()
