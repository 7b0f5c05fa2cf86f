"""Scoring a checkpoint folder on a split of a dataset folder, beside what is scored without looking."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from laconvnet.data import (
    Collator,
    DatasetInfo,
    FolderDataset,
    ImageBatchSampler,
    Record,
    build_loader,
    iterate_records,
    read_records,
    shuffled_sentences,
)
from laconvnet.files import replace_file
from laconvnet.language import Vocabulary
from laconvnet.metrics import GroupedSums, bootstrap_intervals
from laconvnet.models import LaConvNet, ModelConfig, Preprocess, load_checkpoint, named_device
from laconvnet.tasks import MaskRule, Task, build_task
from laconvnet.tasks.blind import score_blind
from laconvnet.training import evaluate


@dataclass(frozen=True)
class Score:
    """How a network did on a split, sentence by sentence.

    Attributes:
        records: the records, in the order of the split.
        metric: says what is made of summed rows.
        rows: float64 (N, columns), what it counted for each record.
    """

    records: Sequence[Record]
    metric: GroupedSums
    rows: Tensor

    def of(self, numbers: Sequence[int]) -> Score:
        """The score of some of the records, by their numbers."""
        return Score([self.records[number] for number in numbers], self.metric, self.rows[list(numbers)])

    def by(self, labels: Sequence[Hashable]) -> dict[Any, Score]:
        """The score of the records under each label, in the order of the labels; those under None are left out.

        Args:
            labels: one for each record; all of a kind that can be sorted.
        """
        members: dict[Any, list[int]] = {}
        for number, label in enumerate(labels):
            if label is not None:
                members.setdefault(label, []).append(number)
        return {label: self.of(members[label]) for label in sorted(members)}

    def values(self) -> dict[str, float]:
        """The metric's values by name."""
        return {name: float(value) for name, value in self.metric.ratios(self.rows.sum(0)).items()}

    def intervals(self) -> dict[str, list[float]]:
        """95 % intervals by name, from 1,000 draws of the pictures; see `metrics.bootstrap_intervals`."""
        ends = bootstrap_intervals(self.metric, self.rows, [record.image for record in self.records])
        return {name: list(pair) for name, pair in ends.items()}


def score(
    network: LaConvNet,
    vocabulary: Vocabulary,
    preprocess: Preprocess,
    dataset: FolderDataset,
    task: Task,
    *,
    batch_size: int = 64,
    num_workers: int = 0,
    device: str = "cpu",
    on_predictions: Callable[[list[dict[str, Any]]], None] | None = None,
) -> Score:
    """Run a network over a split and keep what it did on every record.

    Args:
        network: the network.
        vocabulary: the words its ids stand for.
        preprocess: how sentences reach it; pictures come as the dataset makes them.
        dataset: the split.
        task: decodes the outputs and owns the metric.
        batch_size: sentences together.
        num_workers: processes that read pictures.
        device: where to run.
        on_predictions: receives JSON-ready predictions of each batch, one per record, in order.

    Returns:
        The score.
    """
    loader = build_loader(
        dataset,
        ImageBatchSampler(dataset, batch_size, shuffle=False),
        Collator(partial(vocabulary.encode, max_length=preprocess.max_length)),
        num_workers,
    )
    metric = task.metric()
    metric.rows = []
    where = named_device(device)
    evaluate(network.to(where), loader, task, where, metric=metric, on_predictions=on_predictions)
    return Score(dataset.records, metric, torch.cat(metric.rows).cpu())


def score_checkpoint(
    model: str | os.PathLike[str],
    data: str | os.PathLike[str],
    split: str = "val",
    *,
    task: str | None = None,
    mask_rule: MaskRule = "interpolate",
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
        model: checkpoint folder, or the name of shipped weights.
        data: dataset folder.
        split: its split.
        task: what to score; by default the checkpoint's first task that the dataset names too, or its first one.
        mask_rule: how masks get the record's size; "dilate" is the authors' way, to compare with their figures.
        save_predictions: file for one JSON prediction per line, in the order of the split.
        shuffle_sentences: permute the sentences among the pictures first, the control for what language is worth.
        blind_split: split to choose the blind baselines' answers on; None leaves them out.
        batch_size: sentences together.
        num_workers: processes that read pictures.
        device: where to run.
        seed: of the permutation.

    Returns:
        "task", "split", "n", "metrics", "intervals" (95 %, drawing pictures), "model", "data", and "blind" where it was
        asked for.

    Raises:
        ValueError: the checkpoint did not learn the task, or a file is broken.
        FileNotFoundError: a file is missing.
    """
    network, vocabulary, preprocess = load_checkpoint(model)
    learned: tuple[str, ...] = network.config.tasks
    if task is not None and task not in learned:
        raise ValueError(f"{model} learned {', '.join(learned)}, not {task!r}")
    named = DatasetInfo.load(data).tasks
    name = task or next((each for each in learned if each in named), learned[0])
    scored = learned_task(name, network.config, Path(data) / f"{split}.jsonl", mask_rule)
    dataset = FolderDataset(
        data, split, size=preprocess.size, resize=preprocess.resize, require=scored.labels, tasks=(name,)
    )
    if shuffle_sentences:
        dataset.records = shuffled_sentences(dataset.records, seed)
    predictions: list[dict[str, Any]] = []
    outcome = score(
        network,
        vocabulary,
        preprocess,
        dataset,
        scored,
        batch_size=batch_size,
        num_workers=num_workers,
        device=device,
        on_predictions=predictions.extend if save_predictions is not None else None,
    )
    if save_predictions is not None:
        _write_predictions(Path(save_predictions), dataset, predictions)
    result: dict[str, Any] = {
        "task": name,
        "split": split,
        "n": len(dataset),
        "metrics": {name: float(value) for name, value in outcome.metric.compute().items()},
        "intervals": outcome.intervals(),
        "model": str(model),
        "data": str(data),
    }
    if shuffle_sentences:
        result["shuffled_sentences"] = True
    if blind_split is not None:
        train = read_records(Path(data) / f"{blind_split}.jsonl")
        result["blind"] = score_blind(name, train, dataset.records)
    return result


def learned_task(name: str, config: ModelConfig, records: Path, mask_rule: MaskRule) -> Task:
    """A task as a network learned it; answers are scored softly where the records have scores."""
    if name == "rec":
        return build_task(name)
    if name == "res":
        return build_task(name, mask_rule=mask_rule)
    if name == "gres":
        return build_task(name, mask_rule=mask_rule, no_target="classifier" if config.head.no_target else "pixels")
    first = next((record for _, record in iterate_records(records) if record.serves("vqa")), None)
    is_soft = first is not None and first.answers is not None
    return build_task(name, answers=config.answers, loss="soft_bce" if is_soft else "cross_entropy")


def _write_predictions(path: Path, dataset: FolderDataset, predictions: list[dict[str, Any]]) -> None:
    lines = [
        json.dumps({"id": record.id, "text": record.text, **prediction}, ensure_ascii=False) + "\n"
        for record, prediction in zip(dataset.records, predictions, strict=True)
    ]
    replace_file(path, lambda partial: partial.write_text("".join(lines), encoding="utf-8"))
