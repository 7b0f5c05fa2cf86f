"""Scenes of the embedded world written as a dataset folder."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image
from tqdm import tqdm

from laconvnet.data.folder.schema import DatasetInfo, Record
from laconvnet.data.folder.writer import DatasetWriter
from laconvnet.data.loader import worker_map
from laconvnet.data.scenes.drawn import draw_scenes, scene_name
from laconvnet.scenes import VERSION, SceneSample, SceneSource, picture_size
from laconvnet.scenes.clevr import questions_json, refexps_json, scenes_json, seen_json

_PER_JOB = 8  # scenes that a process draws at a time


class _Drawn(NamedTuple):
    """A scene, its records, and what `seen_json` says of its pixels, or nothing where that is not asked for."""

    sample: SceneSample
    records: list[Record]
    seen: dict[str, Any]


def scene_info(source: SceneSource, tasks: Sequence[str]) -> DatasetInfo:
    """What `dataset.json` says of the scenes of a source, whose sentences serve the named tasks."""
    return DatasetInfo(
        name="laconvnet scenes",
        source=f"laconvnet.scenes version {VERSION}: SceneSource {json.dumps(source.changed())}",
        licence="CC0-1.0",
        tasks=tuple(tasks),
    )


@dataclass(frozen=True, slots=True)
class _Job:
    """Draws scenes of one split into a folder."""

    source: SceneSource
    split: str
    size: int | tuple[int, int]
    images: Path
    clevr: bool

    def __call__(self, numbers: Sequence[int]) -> list[_Drawn]:
        samples = [self.source.sample(self.split, number) for number in numbers]
        drawn = []
        for sample, scene in zip(samples, draw_scenes(samples, self.split, numbers, self.size), strict=True):
            Image.fromarray(scene.image).save(self.images / f"{scene.name}.png", compress_level=1)
            records = [scene.record(number, with_masks=True) for number in range(len(scene.sentences))]
            seen = seen_json(scene.instances, len(sample.scene.objects)) if self.clevr else {}
            drawn.append(_Drawn(sample, records, seen))
        return drawn


def generate(
    out: str | os.PathLike[str],
    source: SceneSource,
    scenes: Mapping[str, int],
    *,
    tasks: Sequence[str] = (),
    size: int | tuple[int, int] = 224,
    workers: int = 0,
    clevr: bool = False,
    progress: bool = False,
) -> dict[str, int]:
    """Writes scenes with pictures, boxes, masks, answers and programs; the folder appears when it is complete.

    Args:
        out: dataset folder to make.
        source: where the scenes come from.
        scenes: number of scenes of each split, at least 1.
        tasks: names of the tasks that the sentences serve, for `dataset.json`.
        size: side of a picture or (width, height), pixels.
        workers: processes that draw; 0 draws in this one. What is written does not depend on it.
        clevr: also write the scenes, questions and expressions in CLEVR's JSON format, into `clevr/`, with masks and
            boxes as CLEVR-Ref+ has them.
        progress: whether to show a progress bar.

    Returns:
        Number of records by split.

    Raises:
        FileExistsError: `out` exists.
        ValueError: a number or the size is out of range, or the world leaves no room for a scene.
        OSError: the disk is full; nothing is left behind.
    """
    width, height = picture_size(size)
    if not scenes or min(scenes.values()) < 1:
        raise ValueError(f"every split needs at least 1 scene, got {dict(scenes)}")
    if not height <= width <= source.world.aspect * height:
        raise ValueError(
            f"pictures of {width} x {height} may cut objects off; with aspect {source.world.aspect} of this world, "
            f"the width must lie between the height and {source.world.aspect} times the height"
        )
    if workers < 0:
        raise ValueError(f"workers must be 0 or more, got {workers}")
    counts = {}
    Path(out).parent.mkdir(parents=True, exist_ok=True)
    with DatasetWriter(out, scene_info(source, tasks)) as writer:
        for split, count in scenes.items():
            job = _Job(source, split, (width, height), writer.aside / "images", clevr)
            pieces = [range(first, min(first + _PER_JOB, count)) for first in range(0, count, _PER_JOB)]
            kept: list[_Drawn] = []
            with (
                worker_map(job, pieces, workers) as results,
                tqdm(desc=split, total=count, unit="scene", disable=not progress) as bar,
            ):
                counts[split] = writer.write_split(split, _records(results, bar, kept if clevr else None))
            if clevr:
                _write_clevr(writer.aside / "clevr", split, kept, width, height)
    return counts


def _records(results: Iterable[list[_Drawn]], bar: tqdm[Any], keep: list[_Drawn] | None) -> Iterator[Record]:
    """The records, one after the other; the scenes behind them are kept where there is a list for them."""
    for drawn in results:
        yield from chain.from_iterable(scene.records for scene in drawn)
        bar.update(len(drawn))
        if keep is not None:
            keep += [scene._replace(records=[]) for scene in drawn]


def _write_clevr(folder: Path, split: str, drawn: Sequence[_Drawn], width: int, height: int) -> None:
    """Writes a split as `CLEVR_<split>_scenes.json` and, where there are any, `_questions.json` and `_refexps.json`."""
    folder.mkdir(exist_ok=True)
    names = [f"{scene_name(split, number)}.png" for number in range(len(drawn))]
    sentences = [each.sample.sentences for each in drawn]
    scenes, seen = [each.sample.scene for each in drawn], [each.seen for each in drawn]
    files = {
        "scenes": scenes_json(scenes, split, image_names=names, width=width, height=height, seen=seen),
        "questions": questions_json(sentences, split, image_names=names),
        "refexps": refexps_json(sentences, split, image_names=names),
    }
    for name, content in files.items():
        if content[name]:
            (folder / f"CLEVR_{split}_{name}.json").write_text(json.dumps(content), encoding="utf-8")
