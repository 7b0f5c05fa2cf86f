"""Scoring a checkpoint on a split of a dataset folder, beside what is scored without looking."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from laconvnet.data import DatasetInfo, Record, read_records
from laconvnet.evaluation.errors import ErrorSheet
from laconvnet.evaluation.predictions import write_predictions
from laconvnet.evaluation.score import Score, learned_task, score, split_to_score
from laconvnet.files import check_writable, replacing
from laconvnet.models import Checkpoint
from laconvnet.processing import picture_format, save_picture
from laconvnet.tasks import Task


def score_checkpoint(
    model: str | os.PathLike[str] | Checkpoint,
    data: str | os.PathLike[str],
    split: str = "val",
    *,
    task: str | None = None,
    options: Mapping[str, Any] | None = None,
    save_predictions: str | os.PathLike[str] | None = None,
    sheet: str | os.PathLike[str] | None = None,
    shuffle_sentences: bool = False,
    blind_split: str | None = None,
    batch_size: int = 64,
    num_workers: int = 0,
    device: str = "cpu",
    seed: int = 0,
    progress: bool = False,
) -> dict[str, Any]:
    """Score a checkpoint.

    Args:
        model: a checkpoint, its folder, or the name of shipped weights.
        data: dataset folder.
        split: its split.
        task: what to score; by default the checkpoint's first task that the dataset names too, or its first one.
        options: settings of the task to change for scoring, such as {"mask_rule": "dilate"}.
        save_predictions: file for one JSON line per record, see `predictions.write_predictions`.
        sheet: picture of records that the network gets wrong; not written where there are none.
        shuffle_sentences: permute the sentences among the pictures first, the control for what language is worth.
        blind_split: split to choose the blind baselines' answers on; None leaves them out.
        batch_size: sentences together.
        num_workers: processes that read pictures.
        device: where to run.
        seed: of the permutation.
        progress: show a bar on a terminal.

    Returns:
        "task", "split", "n", "pictures", "metrics", "intervals" (95 %, drawing pictures), "groups" (of each group "n",
        "metrics" and "intervals"), "headline" (the names of the values that a summary shows), "remarks" (what the
        values hide, counted), "model", "data", and "blind" where it was asked for.

    Raises:
        ValueError: the checkpoint did not learn the task, or a file is broken.
        FileNotFoundError: a file is missing.
        OSError: a file cannot be written; found out before anything is computed.
    """
    for path in (save_predictions, sheet):
        if path is not None:
            check_writable(Path(path))
    if sheet is not None:
        picture_format(sheet)
    checkpoint = model if isinstance(model, Checkpoint) else Checkpoint.load(model)
    scored = learned_task(checkpoint, task or _task_of(checkpoint, Path(data)), options)
    dataset = split_to_score(checkpoint, data, split, scored)
    train = None if blind_split is None else _labelled(scored, read_records(Path(data) / f"{blind_split}.jsonl"))
    if shuffle_sentences:
        dataset = dataset.with_shuffled_sentences(seed)
    errors = None if sheet is None else ErrorSheet(scored, Path(data))
    with nullcontext() if save_predictions is None else replacing(Path(save_predictions)) as file:

        def look(part: Score) -> None:
            if file is not None:
                write_predictions(file, part, scored)
            if errors is not None:
                errors.add(part)

        outcome = score(
            checkpoint,
            dataset,
            scored,
            batch_size=batch_size,
            num_workers=num_workers,
            device=device,
            progress=progress,
            on_batch=look,
        )
    if sheet is not None and errors is not None:
        drawn = errors.draw()
        if drawn is None:
            Path(sheet).unlink(missing_ok=True)  # of an earlier run
        else:
            save_picture(drawn, sheet)
    name = str(model) if not isinstance(model, Checkpoint) else "checkpoint"
    result: dict[str, Any] = {"task": scored.name, "split": split, **_summary(outcome, scored)}
    result |= {"model": name, "data": str(data)}
    if shuffle_sentences:
        result["shuffled_sentences"] = True
    if train is not None:
        result["blind"] = blind_baselines(scored, train, dataset.records)
    return result


def _task_of(checkpoint: Checkpoint, data: Path) -> str:
    """The checkpoint's first task that a dataset names, or its first one."""
    named = DatasetInfo.load(data).tasks
    return next((name for name in checkpoint.tasks if name in named), next(iter(checkpoint.tasks)))


def _summary(outcome: Score, task: Task[Any]) -> dict[str, Any]:
    """The values over all records, with those by group beside them, as `MetricCollection.compute` has them."""
    summary = outcome.summary()
    summary["metrics"] = {name: float(value) for name, value in outcome.metric.compute().items()}
    groups = outcome.by([record.group for record in outcome.records])
    return summary | {
        "groups": {name: part.summary() for name, part in groups.items()},
        "headline": list(task.headline),
        "remarks": task.remarks(outcome.answers, outcome.records),
    }


def blind_baselines(task: Task[Any], train: Sequence[Record], records: Sequence[Record]) -> dict[str, dict[str, float]]:
    """Choose answers on a training split without seeing a picture, and score them on other records.

    Args:
        task: the task.
        train: records to choose on; those that do not serve the task are left out.
        records: records to score on.

    Returns:
        By baseline, the metric values of the task by name.

    Raises:
        ValueError: no record of the training split has the task's labels.
    """
    return task.blind(_labelled(task, train), records)


def _labelled(task: Task[Any], train: Sequence[Record]) -> list[Record]:
    """The records that serve a task; at least one of them must have its labels."""
    own = [record for record in train if task.serves(record)]
    if not any(getattr(record, label) for record in own for label in task.truth):
        raise ValueError(f"blind baselines of {task.name} need records with {' or '.join(task.truth)} in that split")
    return own
