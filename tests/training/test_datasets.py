"""Several dataset folders as the data of one run: what serves which task, what is said of them, and resuming."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from laconvnet.data import ConcatDataset, DatasetInfo, SchemaError, generate
from laconvnet.scenes import WORLDS, SceneSource
from laconvnet.tasks import build_tasks
from laconvnet.training import TrainConfig, train
from laconvnet.training.card import model_card
from laconvnet.training.datasets import dataset_infos, eval_dataset, list_words, train_dataset
from laconvnet.training.state import TrainState

TASKS: dict[str, dict[str, Any]] = {"rec": {}, "res": {}, "gres": {"no_target": "classifier"}, "vqa": {"weight": 0.5}}
LEARNED = {**TASKS, "vqa": {"weight": 0.5, "answers": ["yes"]}}
SERVES = {"rec": ("rec", "res"), "gres": ("gres",), "vqa": ("vqa",)}
WEIGHTS = {"rec": 1.0, "gres": 0.5, "vqa": 1.5}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for each sort of sentences, two of each scene."""
    root = tmp_path_factory.mktemp("sources")
    for sort in SERVES:
        source = SceneSource(world=WORLDS["near"], sentences={sort: 2})
        generate(root / sort, source, {"train": 4, "val": 2, "other": 1}, tasks=SERVES[sort], size=64)
    return root


def configure(folders: Path, output: Path, *, serves: Any = SERVES, **changes: Any) -> TrainConfig:
    sources = [{"root": folders / name, "tasks": tasks, "weight": WEIGHTS[name]} for name, tasks in serves.items()]
    data = {"sources": sources, "size": 64, "batch_size": 5, "num_workers": 0, "flip": 0.5, **changes.pop("data", {})}
    settings = {
        "preset": "n",
        "tasks": TASKS,
        "device": "cpu",
        "keep_freed_memory": False,
        "epochs": 2,
        "eval_every": 0,
    }
    return TrainConfig(data=data, output=output, **settings, **changes)


def test_examples_of_a_folder_serve_its_tasks(folders: Path, tmp_path: Path) -> None:
    config = configure(folders, tmp_path, data={"val_limit": 3})
    task = build_tasks(LEARNED)
    learned, evaluated = train_dataset(config, task), eval_dataset(config, task)
    assert isinstance(learned, ConcatDataset) and isinstance(evaluated, ConcatDataset)
    assert [len(part) for part in learned.parts] == [8, 8, 8] and learned.weights == tuple(WEIGHTS.values())
    assert [learned[index].tasks for index in (0, 8, 16)] == list(SERVES.values())
    assert [learned[index].sample.masks is not None for index in (0, 8, 16)] == [True, True, False]
    assert [len(part) for part in evaluated.parts] == [3, 3, 3], "the limit is that of each folder"
    words = list_words(config, learned).words
    assert all(word in words for part in learned.parts for word in part.records[0].text.lower().rstrip("?.").split())


def test_a_folder_may_have_splits_of_its_own(folders: Path, tmp_path: Path) -> None:
    config = configure(folders, tmp_path)
    assert config.data.sources is not None
    first, *rest = config.data.sources
    sources = (first.model_copy(update={"train_split": "val", "val_split": "other"}), *rest)
    config = config.model_copy(update={"data": config.data.model_copy(update={"sources": sources})})
    task = build_tasks(LEARNED)
    assert [len(part) for part in train_dataset(config, task).parts] == [4, 8, 8]  # type: ignore[union-attr]
    assert [len(part) for part in eval_dataset(config, task).parts] == [2, 4, 4]  # type: ignore[union-attr]


def test_a_folder_may_be_for_learning_only(folders: Path, tmp_path: Path) -> None:
    config = configure(folders, tmp_path)
    assert config.data.sources is not None
    more = config.data.sources[0].model_copy(update={"evaluate": False})
    config = config.model_copy(
        update={"data": config.data.model_copy(update={"sources": (*config.data.sources, more)})}
    )
    task = build_tasks(LEARNED)
    assert len(train_dataset(config, task).parts) == 4  # type: ignore[union-attr]
    assert len(eval_dataset(config, task).parts) == 3  # type: ignore[union-attr]


def test_a_folder_without_the_labels_of_its_tasks_is_named(folders: Path, tmp_path: Path) -> None:
    config = configure(folders, tmp_path, serves={**SERVES, "gres": ("gres", "vqa")})
    with pytest.raises(SchemaError, match=r"gres/train\.jsonl: none of its \d+ records serves vqa"):
        train_dataset(config, build_tasks(LEARNED))


def test_expressions_and_questions_may_share_a_folder(folders: Path, tmp_path: Path) -> None:
    source = SceneSource(world=WORLDS["near"], sentences={"rec": 2, "vqa": 1})
    generate(tmp_path / "mixed", source, {"train": 4, "val": 2}, size=64)
    config = configure(folders, tmp_path / "run")
    data = config.data.model_copy(update={"sources": None, "root": tmp_path / "mixed"})
    learned = train_dataset(config.model_copy(update={"data": data}), build_tasks(LEARNED))
    tasks = [learned[index].tasks for index in range(3)]  # type: ignore[index]
    assert tasks == [("rec", "res", "gres"), ("rec", "res", "gres"), ("vqa",)]


def test_the_shuffled_control_stays_within_a_folder(folders: Path, tmp_path: Path) -> None:
    task = build_tasks(LEARNED)
    plain = train_dataset(configure(folders, tmp_path), task)
    shuffled = train_dataset(configure(folders, tmp_path, data={"shuffle_sentences": "train"}), task)
    assert isinstance(plain, ConcatDataset) and isinstance(shuffled, ConcatDataset)
    for one, other in zip(plain.parts, shuffled.parts, strict=True):
        before, after = ([record.text for record in part.records] for part in (one, other))
        assert before != after and sorted(before) == sorted(after)


def test_every_folder_is_named_with_its_licence(folders: Path, tmp_path: Path) -> None:
    for name in SERVES:
        info = DatasetInfo.load(folders / name)
        DatasetInfo(f"part {name}", info.source, f"licence {name}", info.tasks).save(folders / name)
    config = configure(folders, tmp_path)
    infos = dataset_infos(config, config)
    assert [(info.name, info.licence) for info in infos] == [(f"part {name}", f"licence {name}") for name in SERVES]
    card = model_card(config, infos, {"loss": 1.0})
    assert all(f"* {info.name}: {info.source}. Licence: {info.licence}." in card for info in infos)


def test_a_run_on_several_folders_resumes_to_the_same_weights(folders: Path, tmp_path: Path) -> None:
    """Stopped within the second epoch, in which other halves of the folders come."""
    whole = train(configure(folders, tmp_path / "whole"))
    train(configure(folders, tmp_path / "parts", max_steps=7))
    resumed = train(configure(folders, tmp_path / "parts"), resume=True)
    assert whole["step"] == resumed["step"] == 2 * -(-(8 + 4 + 12) // 5)
    first, second = (TrainState.load(tmp_path / name / "last" / "state.pt").model for name in ("whole", "parts"))
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert whole["metrics"] == pytest.approx(resumed["metrics"], nan_ok=True)
    assert {name.partition("/")[0] for name in whole["metrics"]} == {*TASKS, "mean"}
