"""A network under test."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from laconvnet.data import FolderDataset, Record
from laconvnet.language import Vocabulary
from laconvnet.models import LaConvNet, Preprocess
from laconvnet.report.changes import Always, PictureChange
from laconvnet.scoring import Score, learned_task, score
from laconvnet.tasks import Task


@dataclass(frozen=True)
class Subject:
    """A network under test, and how it is run."""

    network: LaConvNet
    vocabulary: Vocabulary
    preprocess: Preprocess
    batch_size: int
    device: str

    def task(self, name: str, data: Path, split: str) -> Task:
        if name not in self.network.config.tasks:
            raise ValueError(f"the network learned {', '.join(self.network.config.tasks)}, not {name!r}")
        return learned_task(name, self.network.config, data / f"{split}.jsonl", "interpolate")

    def score(
        self,
        task: Task,
        data: Path,
        split: str,
        records: Sequence[Record] | None = None,
        *,
        size: int | None = None,
        change: PictureChange | None = None,
        predictions: list[dict[str, Any]] | None = None,
    ) -> Score:
        """Score some records of a split, or all, at another size or with changed pictures."""
        dataset = FolderDataset(
            data,
            split,
            size=size or self.preprocess.size,
            resize=self.preprocess.resize,
            augment=None if change is None else Always(change=change),
            require=task.labels,
            tasks=(task.name,),
        )
        if records is not None:
            dataset.records = list(records)
        return score(
            self.network,
            self.vocabulary,
            self.preprocess,
            dataset,
            task,
            batch_size=self.batch_size,
            device=self.device,
            on_predictions=None if predictions is None else predictions.extend,
        )

    def first_records(self, task: Task, data: Path, split: str, limit: int | None) -> list[Record]:
        if limit is not None and limit < 1:
            raise ValueError(f"the limit must be at least 1 record, or None for all, got {limit}")
        dataset = FolderDataset(data, split, size=self.preprocess.size, require=task.labels, tasks=(task.name,))
        return dataset.records[:limit]
