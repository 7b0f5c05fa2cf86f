"""Measure shipped weights in all parts, and put the tables into a page.

    python tools/score_release.py --data data --json docs/results.json --markdown docs/results.md \
        --sheet docs/images/failures.png

The test scenes are of seeds that nothing learns from; they are made in the folder of the data where they are missing.
Photographs are looked for in its `flickr30k`, as `laconvnet data convert flickr30k` writes it.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Hashable, Mapping, Sequence
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

import laconvnet
from laconvnet.data import DatasetInfo, Record, generate, read_records, scene_info
from laconvnet.evaluation import ErrorSheet, blind_baselines, learned_task, robustness, score, split_to_score
from laconvnet.evaluation.robustness import tables
from laconvnet.files import check_writable, replace_file, write_json
from laconvnet.models import Checkpoint
from laconvnet.processing import picture_format, save_picture
from laconvnet.scenes import WORLDS, SceneSource, count_hops, parse_program
from laconvnet.tables import markdown, percent, with_interval
from laconvnet.tasks import find_task, tasks_for_scenes

SOURCES = {
    sort: SceneSource(seed, WORLDS["near"], {sort: count})
    for sort, seed, count in (("rec", 9011, 8), ("gres", 9012, 8), ("vqa", 9013, 16))
}
"""The scenes that shipped weights are judged on, by the sort of their sentences."""

SCENES = {"train": 600, "test": 300}  # blind baselines choose their answers on train
SIZE = 128
PHOTOGRAPHS = "flickr30k"  # below the folder of the data
FAILURES = 12
CHANGED = 1000  # sentences, the first ones, that are asked again with every change
BEGIN, END = "<!-- tools/score_release.py: begin -->", "<!-- end -->"


def main() -> None:
    """Read the arguments, measure, and write what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("data"), help="folder that holds dataset folders")
    parser.add_argument("--scenes", default="scenes-t", help="checkpoint to measure on scenes")
    parser.add_argument("--photographs", default="photos-t", help="checkpoint to measure on photographs")
    parser.add_argument("--json", type=Path, help="write the result to this file")
    parser.add_argument("--markdown", type=Path, help="page whose tables, between its markers, are replaced")
    parser.add_argument("--sheet", type=Path, help="draw expressions that are answered wrongly into this picture")
    parser.add_argument("--batch-size", type=int, default=64, help="sentences together")
    parser.add_argument("--workers", type=int, default=0, help="processes that draw scenes")
    parser.add_argument("--device", default="cpu", help="where to run")
    arguments = parser.parse_args()
    if arguments.markdown is not None:
        around_markers(arguments.markdown)
    if arguments.sheet is not None:
        picture_format(arguments.sheet)
    for path in (arguments.json, arguments.markdown, arguments.sheet):
        if path is not None:
            check_writable(path)
    result = measure_everything(
        arguments.data,
        scenes=arguments.scenes,
        photographs=arguments.photographs,
        sheet=arguments.sheet,
        workers=arguments.workers,
        batch_size=arguments.batch_size,
        device=arguments.device,
    )
    print(page := render(result))
    if arguments.json is not None:
        write_json(arguments.json, result)
    if arguments.markdown is not None:
        put_between_markers(arguments.markdown, page)


def measure_everything(
    data: Path,
    *,
    scenes: str,
    photographs: str,
    sheet: Path | None = None,
    workers: int = 0,
    **options: Any,
) -> dict[str, Any]:
    """Measure weights on test scenes, and on photographs where they are there.

    Args:
        data: folder that holds dataset folders.
        scenes: checkpoint to measure on scenes, a folder or the name of shipped weights.
        photographs: checkpoint to measure on photographs.
        sheet: picture of expressions that are answered wrongly to write, if there are any; None for none.
        workers: processes that draw scenes.
        **options: of `score`.

    Returns:
        JSON-ready: "versions"; "scenes" by task and "photographs", each as `measure` says; "robustness" of both.
        Without photographs, the entries about them are missing.

    Raises:
        ValueError: a folder of the test scenes holds something else, or the data are broken.
    """
    console = Console(stderr=True, soft_wrap=True)
    of_scenes, of_photographs = Checkpoint.load(scenes), Checkpoint.load(photographs)
    folders = make_test_scenes(data, workers=workers, progress=True)
    console.print(f"Scoring {scenes} on the test scenes …")
    results: dict[str, Any] = {
        "versions": {"laconvnet": laconvnet.__version__, "torch": torch.__version__},
        "scenes": measure_scenes(of_scenes, folders, **options),
        "robustness": {},
    }
    console.print("Changing sentences, pictures and worlds …")
    pointing = next(iter(of_scenes.tasks))
    sort = find_task(pointing).scene_sorts[0]
    results["robustness"]["scenes"] = robustness(
        of_scenes, folders[sort], "test", pointing, source=SOURCES[sort], limit=CHANGED, **options
    )
    if sheet is not None:
        task = learned_task(of_scenes, pointing)
        errors = ErrorSheet(task, folders[sort], count=FAILURES)
        dataset = split_to_score(of_scenes, folders[sort], "test", task)
        score(of_scenes, dataset, task, on_batch=errors.add, **options)
        drawn = errors.draw()
        if drawn is None:
            console.print(f"Nothing fails: no {sheet}")
        else:
            save_picture(drawn, sheet)
    folder = data / PHOTOGRAPHS
    if not folder.is_dir():
        console.print(f"{folder} is not there: leaving the photographs out")
        return results
    console.print(f"Scoring {photographs} on photographs …")
    name = next(iter(of_photographs.tasks))
    results["photographs"] = {name: measure(of_photographs, folder, "val", name, by_type, **options)}
    results["robustness"]["photographs"] = robustness(of_photographs, folder, "val", name, limit=CHANGED, **options)
    return results


def make_test_scenes(data: Path, *, workers: int = 0, progress: bool = False) -> dict[str, Path]:
    """Make the test scenes where they are missing.

    Args:
        data: folder that holds dataset folders.
        workers: processes that draw.
        progress: whether to show progress bars.

    Returns:
        The dataset folder of each sort of sentences.

    Raises:
        ValueError: a folder of such a name holds something else, or scenes of another number or size.
    """
    folders = {}
    for sort, source in SOURCES.items():
        folders[sort] = folder = data / f"test_scenes_{sort}"
        tasks = tasks_for_scenes(source.sorts)
        if not folder.exists():
            generate(folder, source, SCENES, tasks=tasks, size=SIZE, workers=workers, progress=progress)
            continue
        found, widths = DatasetInfo.load(folder), {split: _widths(folder / f"{split}.jsonl") for split in SCENES}
        if found != scene_info(source, tasks) or widths != {split: [SIZE] * count for split, count in SCENES.items()}:
            counts = " and ".join(f"{len(each)} pictures of {split}" for split, each in widths.items())
            raise ValueError(
                f"{folder} holds {counts} of {found.source!r}; remove it, so that the test scenes can be made there"
            )
    return folders


def measure_scenes(checkpoint: Checkpoint, folders: Mapping[str, Path], **options: Any) -> dict[str, Any]:
    """Score every task of a checkpoint on the test scenes.

    Args:
        checkpoint: the model.
        folders: of `make_test_scenes`.
        **options: of `score`.

    Returns:
        Of each task what `measure` says, in parts by the kind or family of the sentence, its hops and the number of
        objects.
    """
    results: dict[str, Any] = {}
    objects = {sort: _object_counts(source) for sort, source in SOURCES.items()}
    for name in checkpoint.tasks:
        sort = find_task(name).scene_sorts[0]
        of_scene = partial(by_scene, objects[sort])
        results[name] = measure(checkpoint, folders[sort], "test", name, of_scene, **options)
        if "boxes" in learned_task(checkpoint, name).truth:
            chance = sum(1 / count for count in objects[sort]) / len(objects[sort])
            results[name]["blind"]["any object, at random"] = {find_task(name).headline[0]: chance}
    return results


def by_scene(objects: Sequence[int], records: Sequence[Record]) -> dict[str, Sequence[Hashable]]:
    """Return what tells records about scenes apart: the sentence, its hops, and the number of objects."""
    return {
        "sentence": [record.group for record in records],
        "hops": [min(count_hops(parse_program(record.program or "")), 3) for record in records],
        "objects": [objects[picture] for picture in _pictures(records)],
    }


def by_type(records: Sequence[Record]) -> dict[str, Sequence[Hashable]]:
    """Return what tells records about photographs apart: the type of the phrase."""
    return {"type": [record.group for record in records]}


def measure(
    checkpoint: Checkpoint,
    folder: Path,
    split: str,
    name: str,
    parts: Callable[[Sequence[Record]], Mapping[str, Sequence[Hashable]]],
    **options: Any,
) -> dict[str, Any]:
    """Score a task on a split, beside blind baselines chosen on the split train and beside shuffled sentences.

    Args:
        checkpoint: the model.
        folder: dataset folder.
        split: its split.
        name: one of the checkpoint's tasks.
        parts: from the records to a label of each, by what the labels tell apart.
        **options: of `score`.

    Returns:
        "n" sentences, "pictures", "metrics", "intervals" (95 %, drawing pictures), "shuffled" and "blind" metrics,
        and "by" what the parts tell apart, by label, the first four.
    """
    task = learned_task(checkpoint, name)
    dataset = split_to_score(checkpoint, folder, split, task)
    whole = score(checkpoint, dataset, task, **options)
    by = {
        what: {str(label): part.summary() for label, part in whole.by(labels).items()}
        for what, labels in parts(dataset.records).items()
    }
    shuffled = score(checkpoint, dataset.with_shuffled_sentences(), task, **options).values()
    blind = blind_baselines(task, read_records(folder / "train.jsonl"), dataset.records)
    return whole.summary() | {"shuffled": shuffled, "blind": blind, "by": by}


def _widths(split: Path) -> list[int]:
    """The width of each picture, pixels."""
    return list({record.image: record.width for record in read_records(split)}.values()) if split.is_file() else []


def _object_counts(source: SceneSource) -> list[int]:
    """The number of objects of each test scene."""
    return [len(source.sample("test", number).scene.objects) for number in range(SCENES["test"])]


def _pictures(records: Sequence[Record]) -> list[int]:
    """The number of the picture of each record, counted from 0; records of a picture stand together."""
    groups = groupby(records, key=lambda record: record.image)
    return [number for number, (_, group) in enumerate(groups) for _ in group]


def render(results: Mapping[str, Any]) -> str:
    """Return the results as Markdown: headings and tables."""
    scenes = results["scenes"]
    questions = {name: result for name, result in scenes.items() if SOURCES[_sort(name)].sorts == SOURCES["vqa"].sorts}
    expressions = {name: result for name, result in scenes.items() if name not in questions}
    sections = [("Scenes", overview(scenes))]
    if expressions:
        sections.append(("Scenes, by kind of expression", parts_table(expressions, "sentence")))
    if questions:
        sections.append(("Scenes, by family of question", parts_table(questions, "sentence")))
    sections += [
        ("Scenes, by relations followed", parts_table(scenes, "hops")),
        ("Scenes, by number of objects", parts_table(scenes, "objects")),
    ]
    if photographs := results.get("photographs"):
        sections += [
            ("Photographs", overview(photographs)),
            ("Photographs, by type of phrase", parts_table(photographs, "type")),
        ]
    for name, changes in results["robustness"].items():
        sections.append((f"Robustness, {name}", tables(changes)))
    return "\n\n".join(f"### {title}\n\n{text}" for title, text in sections)


def _sort(task: str) -> str:
    return find_task(task).scene_sorts[0]


def overview(tasks: Mapping[str, Mapping[str, Any]]) -> str:
    """Return every task in a row: its main value with its interval, beside the best baseline and shuffled sentences."""
    rows = []
    for task, result in tasks.items():
        main, *also = find_task(task).headline
        best = max(result["blind"], key=lambda name: result["blind"][name][main])
        rows.append(
            {
                "": f"`{task}`, {main}",
                "sentences / pictures": f"{result['n']:,} / {result['pictures']}",
                "best blind baseline": f"{percent(result['blind'][best][main])} ({best})",
                "network": f"**{with_interval(result['metrics'][main], result['intervals'][main])}**",
                "its sentences shuffled": percent(result["shuffled"][main]),
                "also": ", ".join(f"{name} {percent(result['metrics'][name])}" for name in also),
            }
        )
    return markdown(rows)


def parts_table(tasks: Mapping[str, Mapping[str, Any]], by: str) -> str:
    """Return the main values of tasks in parts that are told apart by the same thing: a row per part."""
    labels = list(dict.fromkeys(label for result in tasks.values() for label in result["by"][by]))
    rows = []
    for label in labels:
        row: dict[str, Any] = {by: label.replace("_", " ")}
        for task, result in tasks.items():
            main, part = find_task(task).headline[0], result["by"][by].get(label)
            row[f"`{task}`, {main}"] = None if part is None else _with_count(part, main)
        rows.append(row)
    return markdown(rows)


def _with_count(part: Mapping[str, Any], name: str) -> str:
    return f"{with_interval(part['metrics'][name], part['intervals'][name])} of {part['n']:,}"


def put_between_markers(path: Path, text: str) -> None:
    """Put a text into a Markdown file, in the place of what stands between its markers; see `around_markers`."""
    before, after = around_markers(path)
    content = f"{before}\n{text.strip()}\n\n{after}"
    replace_file(path, lambda partial: partial.write_text(content, encoding="utf-8"))


def around_markers(path: Path) -> tuple[str, str]:
    """Return what stands in a Markdown file up to its first marker and from its second one on, both with the marker.

    Raises:
        ValueError: the markers are not there, once each and in this order.
    """
    before, begin, rest = path.read_text(encoding="utf-8").partition(BEGIN + "\n")
    _, end, after = rest.partition(END)
    if not begin or not end or BEGIN in rest or END in after:
        raise ValueError(f"{path} needs the line {BEGIN} and after it the line {END}, each once")
    return before + begin, end + after


if __name__ == "__main__":
    main()
