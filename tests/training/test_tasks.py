"""Several tasks and several dataset folders in one run: settings, answers, weights, and a short training."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from math import isfinite
from pathlib import Path
from typing import Any, cast

import pytest
import torch

from laconvnet import Predictor
from laconvnet.data import generate, read_records
from laconvnet.models import Checkpoint, LaConvNet
from laconvnet.scenes import WORLDS, SceneSource, answers
from laconvnet.training import ConfigError, TrainConfig, load_config, train
from laconvnet.training.datasets import list_answers
from laconvnet.training.setup import Begun, build_parts

FOUR: dict[str, dict[str, Any]] = {
    "rec": {},
    "res": {"dice_weight": 1.0},
    "gres": {"no_target": "classifier"},
    "vqa": {"weight": 0.5, "mask_weight": 1.0},
}
SERVES = {"rec": ["rec", "res"], "gres": ["gres"], "vqa": ["vqa"]}
SCENES = {"train": 6, "val": 2}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset folder for each sort of sentences, of 2, 2 and 3 sentences a scene."""
    root = tmp_path_factory.mktemp("tasks")
    for sort, count in (("rec", 2), ("gres", 2), ("vqa", 3)):
        source = SceneSource(world=WORLDS["near"], sentences={sort: count})
        generate(root / sort, source, SCENES, tasks=SERVES[sort], size=64)
    return root


def configure(tmp_path: Path, data: dict[str, Any], **changes: Any) -> TrainConfig:
    """Settings of a short run, through a file as people give them."""
    settings = {
        "preset": "n",
        "data": {"size": 64, "batch_size": 6, "num_workers": 0, **data},
        "device": "cpu",
        "keep_freed_memory": False,
        "output": str(tmp_path / "run"),
        **changes,
    }
    path = tmp_path / "run.yaml"
    path.write_text(json.dumps(settings))
    return load_config(path)


def sources(folders: Path, **weights: float) -> dict[str, Any]:
    return {"sources": [{"root": str(folders / n), "tasks": SERVES[n], "weight": w} for n, w in weights.items()]}


@pytest.mark.parametrize(
    ("data", "tasks", "message"),
    [
        ({"scenes": {"sentences": {"rec": 1, "gres": 1}}}, {"rec": {}}, "leave out gres; rec learns from rec"),
        (
            {"scenes": {"sentences": {"rec": 1}}},
            {"rec": {}, "vqa": {}},
            "none for vqa; .*vqa learns from vqa",
        ),
        (
            {"sources": [{"root": "a", "tasks": ["res"]}]},
            {"rec": {}},
            r"sources\[0\]\.tasks names res; learned are rec",
        ),
        (
            {"sources": [{"root": "a", "tasks": ["rec"]}, {"root": "b", "tasks": ["rec"]}]},
            {"rec": {}, "vqa": {}},
            r"no source of data\.sources serves vqa",
        ),
        (
            {"sources": [{"root": "a", "tasks": ["rec"]}, {"root": "b", "tasks": ["vqa"], "evaluate": False}]},
            {"rec": {}, "vqa": {}},
            r"evaluate is false of all that serve vqa",
        ),
        (
            {"sources": [{"root": "a", "weight": 0}]},
            {"rec": {}},
            r"data\.sources\[0\]\.weight is 0, allowed: greater than 0",
        ),
        ({}, {"rec": {}}, "data needs one of root"),
        ({"sources": []}, {"rec": {}}, "data needs one of root"),
        ({"root": "a", "scenes": {}}, {"rec": {}}, "data needs one of root"),
        ({"root": "a", "sources": [{"root": "b"}]}, {"rec": {}}, "data needs one of root"),
        ({"scenes": {}, "sources": [{"root": "b"}]}, {"rec": {}}, "data needs one of root"),
        ({"root": "a"}, {}, "tasks: must map the name of at least one task to its settings, got {}"),
    ],
)
def test_settings_that_do_not_fit_together(
    tmp_path: Path, data: dict[str, Any], tasks: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        configure(tmp_path, data, tasks=tasks)


def test_questions_are_not_cut_unless_asked(tmp_path: Path) -> None:
    assert configure(tmp_path, {"root": "a"}, tasks={"rec": {}, "res": {}, "gres": {}}).words_kept == 15
    assert configure(tmp_path, {"root": "a"}, tasks={"vqa": {}}).words_kept is None
    assert configure(tmp_path, {"root": "a"}, tasks={"rec": {}, "vqa": {}}).words_kept is None
    assert configure(tmp_path, {"root": "a", "max_length": 20}, tasks={"vqa": {}}).words_kept == 20


def test_answers_are_those_of_the_splits_that_are_right_often_enough(tmp_path: Path, folders: Path) -> None:
    counts = {
        split: Counter(record.answer for record in read_records(folders / "vqa" / f"{split}.jsonl"))
        for split in ("train", "val")
    }
    both, both_folders = counts["train"] + counts["val"], sources(folders, rec=1, vqa=1)

    def learned(**given: Any) -> set[str]:
        config = configure(tmp_path, {**both_folders, "answers": given}, tasks={"res": {}, "rec": {}, "vqa": {}})
        listed = list_answers(config, "vqa")
        assert len(set(listed)) == len(listed)
        return set(listed)

    assert learned() == set(counts["train"])
    assert learned(splits=["val"]) == set(counts["val"])
    assert learned(splits=["train", "val"]) == set(both)
    frequent = {answer for answer, count in both.items() if count >= 2}
    assert learned(splits=["train", "val"], min_count=2) == frequent
    assert frequent < set(both)
    with pytest.raises(ValueError, match="no answer is right for 999 questions"):
        learned(min_count=999)


def test_answers_of_scenes(tmp_path: Path) -> None:
    scenes = configure(tmp_path, {"scenes": {"sentences": {"vqa": 1}}}, tasks={"vqa": {}})
    assert list_answers(scenes, "vqa") == answers()


on_a_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")


@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=[pytest.mark.gpu, on_a_gpu])])
def test_a_run_on_three_folders_learns_four_tasks(tmp_path: Path, folders: Path, device: str) -> None:
    data = sources(folders, rec=1, gres=0.5, vqa=2)
    changes = {} if device == "cpu" else {"device": "auto", "mixed_precision": "bf16"}
    config = configure(tmp_path, data, tasks=FOUR, max_steps=3, eval_every=0, **changes)
    results = train(config)
    metrics = results["metrics"]
    assert results["step"] == 3 and results["n"] == SCENES["val"] * (2 + 2 + 3)
    main = [metrics[name] for name in ("rec/accuracy@0.5", "res/mean_iou", "gres/gIoU", "vqa/accuracy")]
    assert all(map(isfinite, main)) and metrics["mean"] == pytest.approx(sum(main) / 4)
    assert {name.partition("/")[0] for name in metrics} == {"rec", "res", "gres", "vqa", "mean"}

    checkpoint = Checkpoint.load(tmp_path / "run" / "final")
    assert tuple(checkpoint.tasks) == tuple(FOUR) and checkpoint.processor.preprocess.max_length is None
    assert checkpoint.network.config.heads == ("rec", "res", "no_target", "answer")
    answers = tuple(checkpoint.tasks["vqa"]["answers"])
    assert answers == list_answers(config, "vqa") and checkpoint.tasks["vqa"]["mask_weight"] == 1.0
    assert checkpoint.tasks["gres"]["min_pixels"] == 50
    predictor = Predictor.from_pretrained(tmp_path / "run" / "final", device=device)
    found, answered = predictor(next((folders / "rec" / "images").glob("*.png")), ["the red cube", "is it red?"])
    assert found.box is not None and found.mask is not None and found.no_target is not None and found.answer is None
    assert answered.answer in answers and answered.box is None and answered.mask is None


def test_masks_of_questions_bring_a_mask_head(tmp_path: Path, folders: Path) -> None:
    config = configure(tmp_path, {"root": str(folders / "vqa")}, tasks={"vqa": {"mask_weight": 1.0}})
    network = cast(LaConvNet, build_parts(config).model)
    assert network.config.heads == ("res", "answer") and network.config.num_answers == len(list_answers(config, "vqa"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"tasks": {"rec": {"l1_wieght": 1}}},
            r"unknown setting 'tasks\.rec\.l1_wieght'; did you mean 'tasks\.rec\.l1_weight'",
        ),
        ({"tasks": {"grs": {}}}, "unknown task 'grs'; did you mean 'gres'"),
        ({"tasks": {"rec": {"weight": -1}}}, r"tasks\.rec\.weight is -1, allowed: greater than or equal to 0"),
        (
            {"model": {"backbone": {"kernel_dropuot": 0}}},
            r"unknown setting 'model\.backbone\.kernel_dropuot'; did you mean 'model\.backbone\.kernel_dropout'",
        ),
        ({"model": {"backbone": {"block": "film"}}}, r"model\.backbone\.block is .*, allowed: 'laconv', 'sentence'"),
        ({"preset": "x"}, "unknown preset 'x'; allowed: s, b"),
    ],
)
def test_settings_of_tasks_and_network_are_refused_by_file_and_name(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=rf"run\.yaml: .*{message}"):
        configure(tmp_path, {"root": "a"}, **changes)


def test_a_resumed_run_keeps_the_answers_it_began_with(tmp_path: Path, folders: Path) -> None:
    config = configure(tmp_path, {"root": str(folders / "vqa")}, tasks={"vqa": {}}, max_steps=1, eval_every=0)
    train(config)
    answers = tuple(Checkpoint.load(tmp_path / "run" / "final").tasks["vqa"]["answers"])
    begun = Begun.load(tmp_path / "run" / "last")
    assert tuple(begun.options["vqa"]["answers"]) == answers
    turned = Begun(begun.vocabulary, {"vqa": {**begun.options["vqa"], "answers": [*answers[::-1]]}})
    assert build_parts(config, turned).task.answers == answers[::-1]  # type: ignore[union-attr]


def test_a_resumed_run_refuses_other_training_data(tmp_path: Path, folders: Path) -> None:
    root = tmp_path / "vqa"
    shutil.copytree(folders / "vqa", root)
    train(configure(tmp_path, {"root": str(root)}, tasks={"vqa": {}}, max_steps=1, eval_every=0))
    records = (root / "train.jsonl").read_text()
    (root / "train.jsonl").write_text(records + records.splitlines()[0].replace("train_0000000_0", "appended") + "\n")
    longer = configure(tmp_path, {"root": str(root)}, tasks={"vqa": {}}, max_steps=2, eval_every=0)
    with pytest.raises(ValueError, match=r"its training data changed since: source 0: train\.jsonl"):
        train(longer, resume=True)
    (root / "train.jsonl").write_text(records)
    assert train(longer, resume=True)["step"] == 2


def test_an_epoch_visits_each_folder_as_often_as_its_weight_says(tmp_path: Path, folders: Path) -> None:
    parts = build_parts(configure(tmp_path, sources(folders, rec=1, gres=0.5, vqa=2), tasks=FOUR))
    sampler: Any = parts.train_loader.batch_sampler
    seen = Counter(index for batch in sampler for index in batch)
    of_rec, of_gres, of_vqa = range(12), range(12, 24), range(24, 42)
    assert [seen[index] for index in of_rec] == [1] * 12
    assert sum(seen[index] for index in of_gres) == 6 and max(seen[index] for index in of_gres) == 1
    assert [seen[index] for index in of_vqa] == [2] * 18
    assert len(sampler) == (12 + 6 + 36) // 6


def test_the_weight_of_a_single_source_counts(tmp_path: Path, folders: Path) -> None:
    lengths = []
    for weight in (1, 2):
        config = configure(tmp_path, sources(folders, rec=weight), tasks={"rec": {}, "res": {}})
        parts = build_parts(config)
        lengths.append((len(parts.train_loader), len(parts.eval_loader)))
    assert lengths == [(2, 1), (4, 1)]
