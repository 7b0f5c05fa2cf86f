"""The scores of weights on test scenes and on photographs, as a whole and in parts."""

from __future__ import annotations

import os
from collections.abc import Callable, Hashable, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from laconvnet.data import (
    SERVED,
    DatasetInfo,
    FolderDataset,
    Record,
    generate,
    read_records,
    scene_info,
    shuffled_sentences,
)
from laconvnet.models import load_checkpoint
from laconvnet.scenes import WORLDS, SceneSource, count_hops, parse_program
from laconvnet.scoring import Score, learned_task, score
from laconvnet.tasks.blind import score_blind

SOURCES = {
    sort: SceneSource(seed, WORLDS["near"], {sort: count})
    for sort, seed, count in (("rec", 9011, 8), ("gres", 9012, 8), ("vqa", 9013, 16))
}
"""The scenes that shipped weights are judged on, of seeds that nothing learns from, by the sort of their sentences."""

SORTS = {task: sort for sort, tasks in SERVED.items() for task in tasks}
"""The sort of sentences that a task is judged on."""

_SCENES = {"train": 600, "test": 300}  # blind baselines choose their answers on train
_SIZE = 128


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
        if not folder.exists():
            generate(folder, source, _SCENES, size=_SIZE, workers=workers, progress=progress)
            continue
        found, widths = DatasetInfo.load(folder), {split: _widths(folder / f"{split}.jsonl") for split in _SCENES}
        if found != scene_info(source) or widths != {split: [_SIZE] * count for split, count in _SCENES.items()}:
            counts = " and ".join(f"{len(each)} pictures of {split}" for split, each in widths.items())
            raise ValueError(
                f"{folder} holds {counts} of {found.source!r}; remove it, so that the test scenes can be made there"
            )
    return folders


def measure_scenes(
    model: str | os.PathLike[str], folders: Mapping[str, Path], *, batch_size: int = 64, device: str = "cpu"
) -> dict[str, Any]:
    """Score every task of a network on the test scenes.

    Args:
        model: checkpoint folder, or the name of shipped weights.
        folders: of `make_test_scenes`.
        batch_size: sentences together.
        device: where to run.

    Returns:
        Of each task what `measure` says, in parts by the kind or family of the sentence, its hops and the number of
        objects.
    """
    results: dict[str, Any] = {}
    objects = {sort: _object_counts(source) for sort, source in SOURCES.items()}
    for task in load_checkpoint(model)[0].config.tasks:
        sort = SORTS[task]
        counts = objects[sort]

        def parts(records: Sequence[Record], counts: list[int] = counts) -> dict[str, Sequence[Hashable]]:
            return {
                "sentence": [record.group for record in records],
                "hops": [min(count_hops(parse_program(record.program or "")), 3) for record in records],
                "objects": [counts[picture] for picture in _pictures(records)],
            }

        results[task] = measure(model, folders[sort], "test", task, parts, batch_size=batch_size, device=device)
        if task == "rec":
            chance = sum(1 / count for count in counts) / len(counts)
            results[task]["blind"]["any object, at random"] = {"accuracy@0.5": chance}
    return results


def measure_photographs(
    model: str | os.PathLike[str], folder: Path, *, split: str = "val", batch_size: int = 64, device: str = "cpu"
) -> dict[str, Any]:
    """Score REC on a split of photographs: what `measure` says, in parts by the type of the phrase."""

    def parts(records: Sequence[Record]) -> dict[str, Sequence[Hashable]]:
        return {"type": [record.group for record in records]}

    return measure(model, folder, split, "rec", parts, batch_size=batch_size, device=device)


def measure(
    model: str | os.PathLike[str],
    folder: Path,
    split: str,
    task: str,
    parts: Callable[[Sequence[Record]], Mapping[str, Sequence[Hashable]]],
    *,
    batch_size: int = 64,
    device: str = "cpu",
) -> dict[str, Any]:
    """Score a task on a split, beside blind baselines chosen on the split train and beside shuffled sentences.

    Args:
        model: checkpoint folder, or the name of shipped weights.
        folder: dataset folder.
        split: its split.
        task: "rec", "res", "gres" or "vqa".
        parts: from the records to a label of each, by what the labels tell apart.
        batch_size: sentences together.
        device: where to run.

    Returns:
        "n" sentences, "pictures", "metrics", "intervals" (95 %, drawing pictures), "shuffled" and "blind" metrics,
        and "by" what the parts tell apart, by label, "n", "metrics" and "intervals".
    """
    network, vocabulary, preprocess = load_checkpoint(model)
    learned = learned_task(task, network.config, folder / f"{split}.jsonl", "interpolate")
    dataset = FolderDataset(
        folder, split, size=preprocess.size, resize=preprocess.resize, require=learned.labels, tasks=(task,)
    )

    def run() -> Score:
        return score(network, vocabulary, preprocess, dataset, learned, batch_size=batch_size, device=device)

    whole, records = run(), dataset.records
    by = {
        name: {str(label): _summary(part) for label, part in whole.by(labels).items()}
        for name, labels in parts(records).items()
    }
    dataset.records = shuffled_sentences(records, 0)
    blind = score_blind(task, read_records(folder / "train.jsonl"), records)
    return _summary(whole) | {"shuffled": run().values(), "blind": blind, "by": by}


def _summary(part: Score) -> dict[str, Any]:
    return {
        "n": len(part.records),
        "pictures": len({record.image for record in part.records}),
        "metrics": part.values(),
        "intervals": part.intervals(),
    }


def _widths(split: Path) -> list[int]:
    """The width of each picture, pixels."""
    return list({record.image: record.width for record in read_records(split)}.values()) if split.is_file() else []


def _object_counts(source: SceneSource) -> list[int]:
    """The number of objects of each test scene."""
    return [len(source.sample("test", number).scene.objects) for number in range(_SCENES["test"])]


def _pictures(records: Sequence[Record]) -> list[int]:
    """The number of the picture of each record, counted from 0; records of a picture stand together."""
    groups = groupby(records, key=lambda record: record.image)
    return [number for number, (_, group) in enumerate(groups) for _ in group]
