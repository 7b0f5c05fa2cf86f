"""The main job from end to end on a CPU: the shipped networks on scenes they have not seen, and on a photograph."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL import Image
from rich.console import Console

from laconvnet.data import generate, read_records
from laconvnet.evaluation import score_checkpoint
from laconvnet.evaluation.errors import draw_error
from laconvnet.files import replace_folder
from laconvnet.models import Checkpoint
from laconvnet.predictor import Predictor, draw
from laconvnet.processing import save_picture
from laconvnet.processing.drawing import contact_sheet
from laconvnet.scenes import WORLDS, SceneSource
from laconvnet.tables import percent, text
from laconvnet.tasks import find_task, tasks_for_scenes

SCENES, PHOTOGRAPHS = "scenes-t", "photos-t"
"""The shipped weights that the demo uses."""

_SENTENCES = {"rec": 4, "gres": 4, "vqa": 8}  # of a scene
_SIZE = 128
_ROWS = 5  # of the sheet; a column for each sort of sentences


def run_demo(
    output: Path | str, *, photo: Path | str | None = None, texts: Sequence[str] = (), scenes: int = 60, seed: int = 0
) -> dict[str, Any]:
    """Draw scenes, let the shipped network point, cut out and answer, score it, and show a photograph of the user's.

    The folder receives `scenes/` (a dataset folder for each sort of sentences), `scenes.png`, `results.json` and,
    with a photograph, `photo.png`. A repeated demo replaces what the last one left there.

    Args:
        output: folder to write, made if needed.
        photo: a photograph to find things in.
        texts: what to find in it, at least one with a photograph, none without.
        scenes: number of scenes, at least 5.
        seed: of the scenes, at least 0.

    Returns:
        What `results.json` holds: of each task the main metric in [0, 1], with right and with shuffled sentences, and
        the seconds that everything took.

    Raises:
        ValueError: a number is out of range, or a photograph comes without a text or a text without a photograph.
        ImageError: the photograph cannot be read.
        FileExistsError: `output` holds a folder `scenes` that no demo wrote.
    """
    if scenes < _ROWS:
        raise ValueError(f"the demo needs {_ROWS} scenes or more, got {scenes}")
    if (photo is None) != (not texts):
        found = f"{photo or 'no photograph'} and {', '.join(map(repr, texts)) or 'no text'}"
        raise ValueError(f"a photograph and a text about it (PHOTO and TEXT of make) go together; got {found}")
    began, output, console = time.monotonic(), Path(output), Console()
    output.mkdir(parents=True, exist_ok=True)
    if photo is not None:
        answers = Predictor.from_pretrained(PHOTOGRAPHS)(photo, texts)
        save_picture(draw(photo, answers), output / "photo.png")
        for answer in answers:
            console.print(str(answer), highlight=False)

    console.print(f"Drawing {scenes} scenes …")
    folders = _make_scenes(output / "scenes", scenes, seed)
    console.print("Asking the network, with the sentences of each scene and with those of others …")
    checkpoint = Checkpoint.load(SCENES)
    scores = {
        task: {
            "right sentences": _score(checkpoint, task, folders[sort], shuffled=False),
            "those of other scenes": _score(checkpoint, task, folders[sort], shuffled=True),
        }
        for task in checkpoint.tasks
        for sort in find_task(task).scene_sorts[:1]
    }
    save_picture(_sheet(checkpoint, folders), output / "scenes.png")
    seconds = round(time.monotonic() - began, 1)
    results = {"tasks": scores, "scenes": scenes, "seed": seed, "seconds": seconds}
    (output / "results.json").write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    console.print(f"{scenes} scenes that the network has not seen:\n{_table(scores)}", highlight=False, soft_wrap=True)
    console.print(f"{seconds:.0f} seconds in all. Look at")
    written = {
        "photo.png": "what it found in the photograph",
        "scenes.png": "its first answers about the scenes; thin black boxes and brackets are the truth",
        "results.json": "these numbers",
        "scenes": "the scenes, as datasets",
    }
    for name, what in written.items():
        if name != "photo.png" or photo is not None:
            console.print(f"  {output / name}  {what}", highlight=False, soft_wrap=True)
    return results


def _make_scenes(root: Path, scenes: int, seed: int) -> dict[str, Path]:
    """A dataset folder with a split val for each sort of sentences, in the place of those of an earlier demo."""
    sources = {
        sort: SceneSource(len(_SENTENCES) * seed + number, WORLDS["near"], {sort: count})
        for number, (sort, count) in enumerate(_SENTENCES.items())
    }
    if root.exists() and not all((root / sort / "dataset.json").is_file() for sort in sources):
        raise FileExistsError(f"{root} exists and no demo wrote it; choose another output folder")
    partial = root.with_name(root.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    workers = 0 if (os.cpu_count() or 1) == 1 else 2
    for sort, source in sources.items():
        generate(
            partial / sort, source, {"val": scenes}, tasks=tasks_for_scenes(source.sorts), size=_SIZE, workers=workers
        )
    replace_folder(partial, root)
    return {sort: root / sort for sort in sources}


def _score(checkpoint: Checkpoint, task: str, folder: Path, *, shuffled: bool) -> float:
    result = score_checkpoint(checkpoint, folder, task=task, shuffle_sentences=shuffled)
    return float(result["metrics"][find_task(task).headline[0]])


def _sheet(checkpoint: Checkpoint, folders: dict[str, Path]) -> Image.Image:
    """The first sentence about each of the first scenes: a column for each sort of sentences."""
    predictor = Predictor(checkpoint)
    columns = []
    for folder in folders.values():
        first = {record.image: record for record in reversed(read_records(folder / "val.jsonl"))}
        records = [first[image] for image in sorted(first)][:_ROWS]
        answers = predictor([folder / record.image for record in records], [record.text for record in records])
        columns.append([draw_error(folder, *pair) for pair in zip(records, answers, strict=True)])
    return contact_sheet([cell for row in zip(*columns, strict=True) for cell in row], len(columns))


def _table(scores: dict[str, dict[str, float]]) -> str:
    rows = []
    for name, values in scores.items():
        task = find_task(name)
        shares = {what: percent(value) for what, value in values.items()}
        rows.append({"job": task.job, "metric": task.headline[0], **shares})
    return text(rows)
