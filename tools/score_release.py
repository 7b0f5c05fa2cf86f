"""All measurements of the shipped weights, one after the other, and the page they make."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

import laconvnet
from laconvnet.models import load_checkpoint
from laconvnet.processing.pictures import picture_format, save_picture
from laconvnet.report.failures import failure_sheet
from laconvnet.report.measure import SOURCES, make_test_scenes, measure_photographs, measure_scenes
from laconvnet.report.robustness import robustness, tables
from laconvnet.report.tables import overview, parts

_PHOTOGRAPHS = "flickr30k"  # below the folder of the data
_FAILURES = 12
_CHANGED = 1000  # sentences, the first ones, that are asked again with every change


def report(
    data: Path,
    *,
    scenes: str | os.PathLike[str] = "scenes-t",
    photographs: str | os.PathLike[str] = "photos-t",
    sheet: Path | None = None,
    batch_size: int = 64,
    workers: int = 0,
    device: str = "cpu",
    progress: bool = False,
) -> dict[str, Any]:
    """Measure weights on test scenes, which are made where they are missing, and on photographs, where they are.

    Args:
        data: folder that holds dataset folders; photographs are looked for in its `flickr30k`, as
            `laconvnet data convert flickr30k` writes it.
        scenes: checkpoint to measure on scenes, a folder or the name of shipped weights.
        photographs: checkpoint to measure on photographs.
        sheet: picture of failures on scenes to write, if there are any; None for none.
        batch_size: sentences together.
        workers: processes that draw scenes.
        device: where to run.
        progress: whether to tell what is being done.

    Returns:
        JSON-ready: "versions"; "scenes" by task and "photographs", each as `measure` says; "robustness" of both.
        Without photographs, the entries about them are missing.

    Raises:
        ValueError: a network did not learn "rec", a folder of the test scenes holds something else, the data are
            broken, or the sheet's ending is that of no picture.
    """
    console = Console(stderr=True, quiet=not progress)
    of_scenes, of_photographs = load_checkpoint(scenes), load_checkpoint(photographs)
    for name, (network, *_) in ((scenes, of_scenes), (photographs, of_photographs)):
        if "rec" not in network.config.tasks:
            learned = ", ".join(network.config.tasks)
            raise ValueError(f"{name} learned {learned}; the report needs networks that learned rec")
    if sheet is not None:
        picture_format(sheet)
    options: dict[str, Any] = {"batch_size": batch_size, "device": device}
    some = options | {"limit": _CHANGED}
    folders = make_test_scenes(data, workers=workers, progress=progress)
    console.print(f"Scoring {scenes} on the test scenes …")
    results: dict[str, Any] = {
        "versions": {"laconvnet": laconvnet.__version__, "torch": torch.__version__},
        "scenes": measure_scenes(scenes, folders, **options),
        "robustness": {},
    }
    console.print("Changing sentences, pictures and worlds …")
    results["robustness"]["scenes"] = robustness(
        *of_scenes, folders["rec"], "test", "rec", source=SOURCES["rec"], **some
    )
    if sheet is not None:
        failures = failure_sheet(*of_scenes, folders["rec"], "test", count=_FAILURES, **options)
        if failures is None:
            console.print(f"Nothing fails: no {sheet}")
        else:
            save_picture(failures, sheet)
    folder = data / _PHOTOGRAPHS
    if not folder.is_dir():
        console.print(f"{folder} is not there: leaving the photographs out")
        return results
    console.print(f"Scoring {photographs} on photographs …")
    results["photographs"] = {"rec": measure_photographs(photographs, folder, **options)}
    results["robustness"]["photographs"] = robustness(*of_photographs, folder, "val", "rec", **some)
    return results


def render(results: dict[str, Any]) -> str:
    """The results as Markdown: headings and tables."""
    scenes, words = results["scenes"], {"vqa"}
    expressions = {task: result for task, result in scenes.items() if task not in words}
    questions = {task: result for task, result in scenes.items() if task in words}
    sections = [("Scenes", overview(scenes)), ("Scenes, by kind of expression", parts(expressions, "sentence"))]
    if questions:
        sections.append(("Scenes, by family of question", parts(questions, "sentence")))
    sections += [
        ("Scenes, by relations followed", parts(scenes, "hops")),
        ("Scenes, by number of objects", parts(scenes, "objects")),
    ]
    if photographs := results.get("photographs"):
        sections += [
            ("Photographs", overview(photographs)),
            ("Photographs, by type of phrase", parts(photographs, "type")),
        ]
    for name, changes in results["robustness"].items():
        sections.append((f"Robustness, {name}", tables(changes)))
    return "\n\n".join(f"### {title}\n\n{text}" for title, text in sections)
