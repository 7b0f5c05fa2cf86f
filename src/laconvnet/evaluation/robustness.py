"""How a network does when the sentence or the picture is changed, beside how it does on the same records unchanged."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from laconvnet.data import FolderDataset, generate
from laconvnet.evaluation.changes import PHOTOGRAPH_SENTENCE_CHANGES, PICTURE_CHANGES, SENTENCE_CHANGES, Always
from laconvnet.evaluation.pairs import PAIRS, find_pairs, summarize_pairs, write_pairs
from laconvnet.evaluation.score import Score, learned_task, score, split_to_score
from laconvnet.models import Checkpoint
from laconvnet.scenes import SceneSource, World
from laconvnet.scenes.scene import TEXTURES
from laconvnet.tables import markdown, percent, with_interval
from laconvnet.tasks import Task, find_task

SIZES: Final = (64, 96, 128, 160, 192, 224)
"""Sides of the square input that are tried, in pixels."""

_WIDE: Final = 1.5  # width over height of wide pictures
_CLUTTER: Final = 12


def other_worlds(world: World) -> dict[str, World]:
    """Worlds that differ from the one that a network has learned, but whose words it knows.

    Args:
        world: that one.

    Returns:
        Worlds by name: one of more objects; one of as many as CLEVR's, on as large a ground; one for wide pictures,
        where things are seen from further away if they need it to appear whole; and one with patterns on things and
        clutter about them.
    """
    clevr = World()
    return {
        "5 or 6 objects": replace(world, objects=(5, 6)),
        "CLEVR's 3 to 10 objects": replace(
            world, objects=clevr.objects, field=clevr.field, zoom=clevr.zoom, aspect=clevr.aspect
        ),
        "wide pictures": replace(world, aspect=_WIDE, zoom=world.zoom * min(1.0, world.aspect / _WIDE)),
        "patterns and clutter": replace(world, textures=TEXTURES, clutter=_CLUTTER),
    }


def robustness(
    checkpoint: Checkpoint,
    data: Path,
    split: str,
    task: str,
    *,
    source: SceneSource | None = None,
    limit: int | None = None,
    batch_size: int = 64,
    device: str = "cpu",
) -> dict[str, Any]:
    """Measure a network on changed sentences, changed pictures, other input sizes and other worlds.

    Every change is measured beside the same records unchanged, but for other worlds: these have records of their own,
    of as many scenes, and stand beside the whole split. Word order pairs are measured as far as the network learned
    from their sort of sentences: `swapped_nouns` any number of targets, `opposite_directions` one.

    Args:
        checkpoint: the model.
        data: dataset folder.
        split: its split.
        task: what to score; one of the checkpoint's tasks.
        source: where the scenes of `data` come from; None for photographs, which have fewer changes of the sentence,
            no other worlds and no pairs.
        limit: most records, the first ones; None for all.
        batch_size: sentences together.
        device: where to run.

    Returns:
        JSON-ready: "task", "metric" (the task's main one), "n" records, its "value" and "interval" on them unchanged;
        "sentences", "pictures", "sizes" and "worlds", each a list of {"change", "n", "before", "after", "interval"};
        "pairs", by name {"n", "first", "second", "both", "interval"}: the shares of n pairs of which the first, the
        second and both sentences are answered right. All values are in [0, 1]; an interval (95 %, drawing pictures) is
        that of the unchanged "value", of "after" or of "both".

    Raises:
        ValueError: the network did not learn the task, the limit is below 1, or records lack the task's labels.
        FileNotFoundError: a file is missing.
    """
    if limit is not None and limit < 1:
        raise ValueError(f"the limit must be at least 1 record, or None for all, got {limit}")
    scored = learned_task(checkpoint, task)
    run = partial(score, checkpoint, task=scored, batch_size=batch_size, device=device)
    dataset = split_to_score(checkpoint, data, split, scored)
    if limit is not None:
        dataset = dataset.select(range(min(limit, len(dataset))))
    records, metric = dataset.records, scored.headline[0]
    unchanged = run(dataset)

    sentences = []
    for name, change in (SENTENCE_CHANGES if source is not None else PHOTOGRAPH_SENTENCE_CHANGES).items():
        changed = {number: text for number, record in enumerate(records) if (text := change(record.text)) is not None}
        if changed:
            after = run(dataset.with_texts(changed))
            sentences.append(_row(name, metric, unchanged.of(list(changed)), after))
    pictures = [
        _row(name, metric, unchanged, run(dataset.seen_as(augment=Always(change=alter))))
        for name, alter in PICTURE_CHANGES.items()
    ]
    sizes = [
        _row(f"{size} × {size}", metric, unchanged, run(dataset.seen_as(size=size)))
        for size in SIZES
        if size != checkpoint.processor.preprocess.size
    ]
    scenes = len({record.image for record in records})
    return {
        "task": task,
        "metric": metric,
        "n": len(records),
        "value": unchanged.values()[metric],
        "interval": unchanged.intervals()[metric],
        "sentences": sentences,
        "pictures": pictures,
        "sizes": sizes,
        "worlds": [] if source is None else _worlds(checkpoint, scored, unchanged, source, scenes, run),
        "pairs": {} if source is None else _pairs(checkpoint, source, scenes, batch_size, device),
    }


def _row(name: str, metric: str, before: Score, after: Score) -> dict[str, Any]:
    return {
        "change": name,
        "n": len(after.records),
        "before": before.values()[metric],
        "after": after.values()[metric],
        "interval": after.intervals()[metric],
    }


def _worlds(
    checkpoint: Checkpoint,
    task: Task[Any],
    unchanged: Score,
    source: SceneSource,
    scenes: int,
    run: Callable[[FolderDataset], Score],
) -> list[dict[str, Any]]:
    rows = []
    for name, world in other_worlds(source.world).items():
        side = checkpoint.processor.preprocess.size
        size = (round(_WIDE * side), side) if name == "wide pictures" else (side, side)
        with TemporaryDirectory() as folder:
            out = Path(folder) / "world"
            generate(out, replace(source, world=world), {"test": scenes}, size=size)
            after = run(split_to_score(checkpoint, out, "test", task))
            rows.append(_row(name, task.headline[0], unchanged, after))
    return rows


def _pairs(
    checkpoint: Checkpoint, source: SceneSource, count: int, batch_size: int, device: str
) -> dict[str, dict[str, Any]]:
    results = {}
    for name, (make, sort) in PAIRS.items():
        learned = next((each for each in checkpoint.tasks if sort in find_task(each).scene_sorts), None)
        samples = find_pairs(source, make, count) if learned is not None else []
        if learned is not None and samples:
            with TemporaryDirectory() as folder:
                out = Path(folder) / "pairs"
                write_pairs(out, samples, checkpoint.processor.preprocess.size)
                task = learned_task(checkpoint, learned)
                dataset = split_to_score(checkpoint, out, "pairs", task)
                outcome = score(checkpoint, dataset, task, batch_size=batch_size, device=device)
                results[name] = summarize_pairs(outcome, task.headline[0])
    return results


def tables(results: Mapping[str, Any]) -> str:
    """Markdown tables of what `robustness` returned, in percent."""
    value = with_interval(results["value"], results["interval"])
    parts = [f"`{results['task']}`, {results['metric']}: {value} on {results['n']:,} unchanged records."]
    for section, what in {
        "sentences": "sentence",
        "pictures": "picture",
        "sizes": "input size",
        "worlds": "world",
    }.items():
        rows = [
            {
                what: row["change"],
                "records": row["n"],
                "unchanged": percent(row["before"]),
                "changed": with_interval(row["after"], row["interval"]),
            }
            for row in results[section]
        ]
        if rows:
            parts.append(markdown(rows))
    pairs = [
        {
            "word order": name,
            "pairs": row["n"],
            "first right": percent(row["first"]),
            "second right": percent(row["second"]),
            "both right": with_interval(row["both"], row["interval"]),
        }
        for name, row in results["pairs"].items()
    ]
    if pairs:
        parts.append(markdown(pairs))
    return "\n\n".join(parts)
