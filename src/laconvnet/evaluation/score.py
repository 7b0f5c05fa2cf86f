"""Scoring a network on a split, sentence by sentence."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

from laconvnet.data import Collator, FolderDataset, ImageBatchSampler, Record, build_loader
from laconvnet.evaluation.evaluate import evaluate
from laconvnet.metrics import GroupedSums, bootstrap_intervals
from laconvnet.models import Checkpoint, named_device
from laconvnet.tasks import Answer, Task, build_task, check_fit


@dataclass(frozen=True)
class Score:
    """How a network did on a split, sentence by sentence.

    Attributes:
        records: the records, in the order of the split.
        metric: says what is made of summed rows.
        rows: float64 (N, columns), what it counted for each record.
        answers: what the network said of each record; of a whole split without the masks, which would fill the memory.
    """

    records: Sequence[Record]
    metric: GroupedSums
    rows: Tensor
    answers: Sequence[Answer] = ()

    def of(self, numbers: Sequence[int]) -> Score:
        """Return the score of some of the records, by their numbers."""
        answers = [self.answers[number] for number in numbers] if self.answers else ()
        return Score([self.records[number] for number in numbers], self.metric, self.rows[list(numbers)], answers)

    def by(self, labels: Sequence[Hashable]) -> dict[Any, Score]:
        """Return the score of the records under each label, in the order of the labels; None labels none.

        Args:
            labels: one for each record; all of a kind that can be sorted.
        """
        members: dict[Any, list[int]] = {}
        for number, label in enumerate(labels):
            if label is not None:
                members.setdefault(label, []).append(number)
        return {label: self.of(members[label]) for label in sorted(members)}

    def values(self) -> dict[str, float]:
        """Return the metric's values by name."""
        return {name: float(value) for name, value in self.metric.ratios(self.rows.sum(0)).items()}

    def value_of_each(self, name: str) -> list[float]:
        """Return one of the metric's values for every record by itself; NaN where the record does not count in it."""
        return self.metric.ratios(self.rows)[name].tolist()

    def intervals(self) -> dict[str, list[float]]:
        """Return 95 % intervals by name, from 1,000 draws of the pictures; see `metrics.bootstrap_intervals`."""
        ends = bootstrap_intervals(self.metric, self.rows, [record.image for record in self.records])
        return {name: list(pair) for name, pair in ends.items()}

    def summary(self) -> dict[str, Any]:
        """Return "n" records, "pictures", "metrics" and "intervals"."""
        return {
            "n": len(self.records),
            "pictures": len({record.image for record in self.records}),
            "metrics": self.values(),
            "intervals": self.intervals(),
        }


@dataclass(frozen=True)
class Judged:
    """A task that is scored, not learned: of its records it needs what judges an answer, and nothing that teaches."""

    task: Task[Any]

    @property
    def name(self) -> str:
        """The task's name."""
        return self.task.name

    @property
    def labels(self) -> tuple[str, ...]:
        """The keys that its records must have."""
        return self.task.truth

    def serves(self, record: Record) -> bool:
        """Return whether a record is for the task."""
        return self.task.serves(record)


def learned_task(checkpoint: Checkpoint, name: str, options: Mapping[str, Any] | None = None) -> Task[Any]:
    """Return a task as a checkpoint learned it.

    Args:
        checkpoint: the model.
        name: one of its tasks.
        options: settings to change for scoring, such as {"mask_rule": "dilate"}.

    Raises:
        ValueError: it did not learn the task, or has no such setting or value.
    """
    if name not in checkpoint.tasks:
        raise ValueError(f"this network learned {', '.join(checkpoint.tasks)}, not {name!r}")
    settings = {**checkpoint.tasks[name], **(options or {})}
    task = build_task(name, settings, stride=checkpoint.network.config.stride, where="settings of the task")
    check_fit([task], checkpoint.network.config)
    return task


def split_to_score(checkpoint: Checkpoint, data: Any, split: str, task: Task[Any], **options: Any) -> FolderDataset:
    """Return the records of a split that a task is scored on, as the network takes them.

    Args:
        checkpoint: the model.
        data: dataset folder.
        split: its split.
        task: the task.
        **options: of `FolderDataset`, in the place of the checkpoint's own, such as `size`.
    """
    preprocess = checkpoint.processor.preprocess
    common: dict[str, Any] = {"size": preprocess.size, "resize": preprocess.resize}
    return FolderDataset(data, split, tasks=[Judged(task)], **common | options)


def score(
    checkpoint: Checkpoint,
    dataset: FolderDataset,
    task: Task[Any],
    *,
    batch_size: int = 64,
    num_workers: int = 0,
    device: str = "cpu",
    progress: bool = False,
    on_batch: Callable[[Score], object] | None = None,
) -> Score:
    """Run a network over a split and keep what it said of every record, and how right that was.

    Args:
        checkpoint: the model.
        dataset: the split; pictures come as it makes them, sentences as the checkpoint's processor reads them.
        task: decodes the outputs and owns the metric.
        batch_size: sentences together.
        num_workers: processes that read pictures.
        device: where to run.
        progress: show a bar on a terminal.
        on_batch: receives the score of each batch, in order, masks included.
    """
    loader = build_loader(
        dataset,
        ImageBatchSampler(dataset, batch_size, shuffle=False),
        Collator(checkpoint.processor.encode),
        num_workers,
    )
    metric = task.metric()
    rows: list[Tensor] = []
    metric.rows = rows
    where = named_device(device)
    answers: list[Answer] = []

    def note(said: list[Answer]) -> None:
        records = dataset.records[len(answers) : len(answers) + len(said)]
        if on_batch is not None:
            on_batch(Score(records, metric, rows[-1].cpu(), said))
        answers.extend(replace(answer, mask=None) for answer in said)
        bar.update(len(said))

    with tqdm(total=len(dataset), unit="sentence", leave=False, disable=None if progress else True) as bar:
        evaluate(checkpoint.network.to(where), loader, task, where, metric=metric, on_answers=note)
    return Score(dataset.records, metric, torch.cat(rows).cpu(), answers)
