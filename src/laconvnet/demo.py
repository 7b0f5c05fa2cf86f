"""The main job from end to end on a CPU: a world without end, learn to find what is named, measure, draw."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterable, Sequence
from importlib import resources
from itertools import groupby
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw
from rich.console import Console
from rich.table import Table

from laconvnet.data import Record, generate, read_image, read_records
from laconvnet.data.drawing import annotate, contact_sheet
from laconvnet.scenes import SceneSource
from laconvnet.scoring import score_checkpoint
from laconvnet.training import load_config, train

_SCENES = {"train": 200, "val": 250}  # written to disk: to choose blind boxes on, and to measure on
_METRIC = "accuracy@0.5"
_ROWS, _COLUMNS = 5, 3  # of the sheet: a row asks one picture three things
_ENLARGED = 384  # width of a drawn picture in pixels


def run_demo(output: Path | str, minutes: float = 5.0, seed: int = 0) -> dict[str, Any]:
    """Train the smallest network on fresh scenes, measure it with right and wrong sentences, draw answers.

    The folder receives `world/` (scenes as a dataset), `run/` (log and weights; `run/final`
    is the trained model), `predictions.jsonl`, `predictions.png` and `results.json`. A repeated demo replaces
    what the last one left there.

    Args:
        output: Folder to write, made if needed.
        minutes: Time to train, above 0; one core learns, a second one draws scenes.
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
    settings = {
        "data.scenes.seed": seed,
        "data.scenes.val": _SCENES["val"],
        "output": str(run),
        "max_minutes": minutes,
        "seed": seed,
    }
    with resources.as_file(resources.files("laconvnet") / "configs" / "demo.yaml") as path:
        config = load_config(path, [f"{name}={json.dumps(value)}" for name, value in settings.items()])
    assert config.data.scenes is not None
    source = config.data.scenes.source()

    console.print(f"Drawing {sum(_SCENES.values())} scenes with {len(source)} sentences each …")
    generate(world, source, _SCENES, size=config.data.size)
    console.print(f"Training for {minutes:g} minutes on scenes that are made meanwhile …")
    train(config)

    console.print("Measuring the trained network on pictures it has not seen …")
    answers = output / "predictions.jsonl"
    score = score_checkpoint(run / "final", world, save_predictions=answers, blind_split="train")
    control = score_checkpoint(run / "final", world, shuffle_sentences=True)
    accuracies = {
        "the network": score["metrics"][_METRIC],
        "the network, given sentences of other pictures": control["metrics"][_METRIC],
        "any object of the picture, at random": _random_object(source, _SCENES["val"]),
        "the best fixed box": score["blind"]["best constant box"][_METRIC],
    }
    seconds = round(time.monotonic() - began, 1)
    results = {_METRIC: accuracies, "metrics": score["metrics"], "seconds": seconds}
    (output / "results.json").write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    boxes = [json.loads(line)["box"] for line in answers.read_text(encoding="utf-8").splitlines()]
    draw_answers(world, read_records(world / "val.jsonl"), boxes).save(output / "predictions.png")
    console.print(_table(accuracies))
    console.print(f"{seconds:.0f} seconds in all. Look at")
    for name, what in {
        "predictions.png": "what it found; the thin black box is the truth",
        "predictions.jsonl": "every answer, one a line",
        "results.json": "these numbers and more",
        "run/final": "the trained model",
        "world": "some of the scenes, as a dataset",
    }.items():
        console.print(f"  {output / name}  {what}", highlight=False, soft_wrap=True)
    return results


def draw_answers(root: Path, records: Sequence[Record], boxes: Sequence[Sequence[float]]) -> Image.Image:
    """Draw the first pictures, one a row, once for each of three sentences, about different objects if there are such.

    Args:
        root: The dataset folder.
        records: The records of a split.
        boxes: The answer to each of them, as x0, y0, x1, y1 in the pixels of its picture.

    Returns:
        A sheet: the coloured box is the prediction, the thin black one the truth.
    """
    pictures = []
    answered = zip(records, boxes, strict=True)
    for number, (_, group) in enumerate(groupby(answered, key=lambda pair: pair[0].image)):
        if number == _ROWS:
            break
        pairs = list(group)
        targets = [record.boxes for record, _ in pairs]
        order = sorted(range(len(pairs)), key=lambda place: targets[place] in targets[:place])
        pictures += [_draw_answer(root, *pairs[place]) for place in order[:_COLUMNS]]
    return contact_sheet(pictures, _COLUMNS)


def _draw_answer(root: Path, record: Record, box: Iterable[float]) -> Image.Image:
    scale = _ENLARGED / record.width
    picture = Image.fromarray(read_image(root / record.image))
    large = picture.resize((_ENLARGED, round(scale * record.height)), Image.Resampling.BICUBIC)
    drawn = annotate(large, [[scale * side for side in box]], record.text)
    for truth in record.boxes or ():
        x0, y0, x1, y1 = (scale * side for side in truth)
        ImageDraw.Draw(drawn).rectangle((x0, y0, x1 - 1, y1 - 1), outline="black")
    return drawn


def _random_object(source: SceneSource, scenes: int) -> float:
    """Share of sentences answered right by pointing at any object: one in as many as the scene has."""
    shares = [1 / len(source.sample("val", number).scene.objects) for number in range(scenes)]
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
