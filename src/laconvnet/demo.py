"""The main job from end to end on a CPU: make a world, learn to find what is named, measure, draw."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw
from rich.console import Console
from rich.table import Table

from laconvnet.data import DatasetInfo, DatasetWriter, Record
from laconvnet.data.drawing import annotate, contact_sheet
from laconvnet.scenes import FlatScene, flat_scene
from laconvnet.scoring import score_checkpoint
from laconvnet.training import load_config, train

_TRAIN_SCENES, _VAL_SCENES = 2500, 250
_METRIC = "accuracy@0.5"
_ROWS, _COLUMNS = 5, 3  # of the sheet: a row asks one picture three things
_ENLARGED = 384  # width of a drawn picture in pixels


def run_demo(output: Path | str, minutes: float = 5.0, seed: int = 0) -> dict[str, Any]:
    """Train the smallest network on the flat world, measure it with right and wrong sentences, draw answers.

    The folder receives `world/` (the dataset), `run/` (log and weights; `run/final`
    is the trained model), `predictions.jsonl`, `predictions.png` and `results.json`. A repeated demo replaces
    what the last one left there.

    Args:
        output: Folder to write, made if needed.
        minutes: Time to train on one core, above 0.
        seed: Seed of the world and of the training, at least 0.

    Returns:
        What `results.json` holds: accuracies in [0, 1] under `accuracy@0.5` by who answers, all metrics of
        the network, and the seconds that everything took.

    Raises:
        ValueError: If `minutes` or `seed` is out of range.
        FileExistsError: If `output` holds a folder `world` or `run` that no demo wrote.
    """
    if not minutes > 0:
        raise ValueError(f"the demo needs more than 0 minutes to train, got {minutes}")
    if seed < 0:
        raise ValueError(f"the demo's seed must be at least 0, got {seed}")
    began, output, console = time.monotonic(), Path(output), Console()
    world, run = output / "world", output / "run"
    _remove_earlier(world, "dataset.json")
    _remove_earlier(run, "train.yaml")

    console.print(f"Drawing {_TRAIN_SCENES + _VAL_SCENES} pictures with three or four sentences each …")
    write_flat_world(world, train=_TRAIN_SCENES, val=_VAL_SCENES, seed=seed)
    console.print(f"Training for {minutes:g} minutes on one core …")
    overrides = {
        "data.root": str(world),
        "output": str(run),
        "max_minutes": minutes,
        "seed": seed,
    }
    with resources.as_file(resources.files("laconvnet") / "configs" / "demo.yaml") as path:
        config = load_config(path, [f"{name}={json.dumps(value)}" for name, value in overrides.items()])
    train(config)

    console.print("Measuring the trained network on pictures it has not seen …")
    answers = output / "predictions.jsonl"
    score = score_checkpoint(run / "final", world, save_predictions=answers, blind_split="train")
    control = score_checkpoint(run / "final", world, shuffle_sentences=True)
    scenes = [flat_scene(seed, index, split="val") for index in range(_VAL_SCENES)]
    accuracies = {
        "the network": score["metrics"][_METRIC],
        "the network, given sentences of other pictures": control["metrics"][_METRIC],
        "any object of the picture, at random": _random_object(scenes),
        "the best fixed box": score["blind"]["best constant box"][_METRIC],
    }
    seconds = round(time.monotonic() - began, 1)
    results = {_METRIC: accuracies, "metrics": score["metrics"], "seconds": seconds}
    (output / "results.json").write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    boxes = [json.loads(line)["box"] for line in answers.read_text(encoding="utf-8").splitlines()]
    draw_answers(scenes, boxes).save(output / "predictions.png")
    console.print(_table(accuracies))
    console.print(f"{seconds:.0f} seconds in all. Look at")
    for name, what in {
        "predictions.png": "what it found; the thin black box is the truth",
        "predictions.jsonl": "every answer, one a line",
        "results.json": "these numbers and more",
        "run/final": "the trained model",
        "world": "the dataset it learned from",
    }.items():
        console.print(f"  {output / name}  {what}", highlight=False, soft_wrap=True)
    return results


def write_flat_world(
    root: Path | str, *, train: int = _TRAIN_SCENES, val: int = _VAL_SCENES, seed: int = 0, size: int = 96
) -> None:
    """Write the flat world as a dataset folder with the splits `train` and `val`.

    Args:
        root: Folder to make; it appears when it is complete.
        train: Number of pictures to learn from; each has three or four sentences.
        val: Number of pictures to measure on.
        seed: Names the world.
        size: Width and height of a picture in pixels.

    Raises:
        FileExistsError: If `root` exists.
    """
    info = DatasetInfo(
        name="flat world",
        source=f"laconvnet.scenes.flat_scene, seed {seed}",
        licence="CC0-1.0",
        tasks=("rec",),
    )
    Path(root).parent.mkdir(parents=True, exist_ok=True)
    with DatasetWriter(root, info) as writer:
        for split, count in {"train": train, "val": val}.items():
            records = []
            for index in range(count):
                scene = flat_scene(seed, index, split=split, size=size)
                image = f"images/{split}_{index:05d}.png"
                Image.fromarray(scene.image).save(writer.aside / image, compress_level=1)
                records += _records(scene, image)
            writer.write_split(split, records)


def _records(scene: FlatScene, image: str) -> list[Record]:
    height, width, _ = scene.image.shape
    return [
        Record(
            id=f"{Path(image).stem}_{number}",
            image=image,
            width=width,
            height=height,
            text=expression.text,
            boxes=(expression.box,),
            group=expression.kind,
        )
        for number, expression in enumerate(scene.expressions)
    ]


def draw_answers(scenes: Sequence[FlatScene], boxes: Sequence[Sequence[float]]) -> Image.Image:
    """Draw the first scenes, one a row, once for each of their first sentences.

    Args:
        scenes: The scenes of the split.
        boxes: The answer to each of their sentences, scene by scene, as x0, y0, x1, y1 in the scene's pixels.

    Returns:
        A sheet: the coloured box is the prediction, the thin black one the truth.
    """
    pictures, first = [], 0
    for scene in scenes[:_ROWS]:
        scale = _ENLARGED / scene.image.shape[1]
        large = Image.fromarray(scene.image).resize((_ENLARGED, _ENLARGED), Image.Resampling.BICUBIC)
        for number, expression in enumerate(scene.expressions[:_COLUMNS], start=first):
            answer = [scale * side for side in boxes[number]]
            x0, y0, x1, y1 = (scale * side for side in expression.box)
            picture = annotate(large, [answer], expression.text)
            ImageDraw.Draw(picture).rectangle((x0, y0, x1 - 1, y1 - 1), outline="black")
            pictures.append(picture)
        first += len(scene.expressions)
    return contact_sheet(pictures, _COLUMNS)


def _random_object(scenes: Sequence[FlatScene]) -> float:
    """Expected accuracy of pointing at any object: objects do not overlap, so one of them is right."""
    shares = [1 / len(scene.objects) for scene in scenes for _ in scene.expressions]
    return sum(shares) / len(shares)


def _table(accuracies: dict[str, float]) -> Table:
    table = Table("who answers", title="Share of sentences answered with the right box (IoU > 0.5)")
    table.add_column("right", justify="right")
    for name, accuracy in accuracies.items():
        table.add_row(name, f"{100 * accuracy:.1f} %")
    return table


def _remove_earlier(folder: Path, sign: str) -> None:
    """Remove what an earlier demo wrote, and nothing else."""
    if not folder.exists():
        return
    if not (folder / sign).is_file():
        raise FileExistsError(f"{folder} exists and no demo wrote it; choose another output folder")
    shutil.rmtree(folder)
