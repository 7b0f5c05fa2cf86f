"""Scoring a checkpoint folder on a split of a dataset folder, beside what is scored without looking."""

from __future__ import annotations

import json
import os
from functools import partial
from pathlib import Path
from typing import Any

from laconvnet.data import Collator, FolderDataset, ImageBatchSampler, build_loader, read_records, replace_file
from laconvnet.models import load_checkpoint
from laconvnet.tasks import build_task
from laconvnet.tasks.blind import BlindBaselines
from laconvnet.training import evaluate
from laconvnet.training.datasets import shuffled_sentences


def score_checkpoint(
    model: str | os.PathLike[str],
    data: str | os.PathLike[str],
    split: str = "val",
    *,
    task: str | None = None,
    save_predictions: str | os.PathLike[str] | None = None,
    shuffle_sentences: bool = False,
    blind_split: str | None = None,
    batch_size: int = 64,
    num_workers: int = 0,
    device: str = "cpu",
    seed: int = 0,
) -> dict[str, Any]:
    """Score a checkpoint.

    Args:
        model: checkpoint folder.
        data: dataset folder.
        split: its split.
        task: head to score; by default the checkpoint's first.
        save_predictions: file for one JSON prediction per line, in the order of the split.
        shuffle_sentences: permute the sentences among the pictures first, the control for what language is worth.
        blind_split: split to choose the blind baselines' boxes on; None leaves them out.
        batch_size: sentences together.
        num_workers: processes that read pictures.
        device: where to run.
        seed: of the permutation.

    Returns:
        "task", "split", "n", "metrics", "model", "data", and "blind" where it was asked for.

    Raises:
        ValueError: the checkpoint lacks the head, or a file is broken.
        FileNotFoundError: a file is missing.
    """
    network, vocabulary, preprocess = load_checkpoint(model)
    name = task or network.config.tasks[0]
    if name not in network.config.tasks:
        raise ValueError(f"{model} has heads for {', '.join(network.config.tasks)}, not for {name!r}")
    dataset = FolderDataset(data, split, size=preprocess.size, resize=preprocess.resize)
    if shuffle_sentences:
        dataset.records = shuffled_sentences(dataset.records, seed)
    loader = build_loader(
        dataset,
        ImageBatchSampler(dataset, batch_size, shuffle=False),
        Collator(partial(vocabulary.encode, max_length=preprocess.max_length)),
        num_workers,
    )
    predictions: list[dict[str, Any]] = []
    metrics = evaluate(
        network.to(device),
        loader,
        build_task(name),
        device,
        on_predictions=predictions.extend if save_predictions is not None else None,
    )
    if save_predictions is not None:
        _write_predictions(Path(save_predictions), dataset, predictions)
    result: dict[str, Any] = {
        "task": name,
        "split": split,
        "n": len(dataset),
        "metrics": metrics,
        "model": str(model),
        "data": str(data),
    }
    if shuffle_sentences:
        result["shuffled_sentences"] = True
    if blind_split is not None:
        baselines = BlindBaselines.fit(read_records(Path(data) / f"{blind_split}.jsonl"))
        result["blind"] = baselines.score(dataset.records)
    return result


def _write_predictions(path: Path, dataset: FolderDataset, predictions: list[dict[str, Any]]) -> None:
    lines = [
        json.dumps({"id": record.id, "text": record.text, **prediction}, ensure_ascii=False) + "\n"
        for record, prediction in zip(dataset.records, predictions, strict=True)
    ]
    replace_file(path, lambda partial: partial.write_text("".join(lines), encoding="utf-8"))
