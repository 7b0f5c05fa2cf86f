"""Every shipped configuration is one that the trainer accepts, and trains with."""

from __future__ import annotations

import json
import math
import re
import shlex
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer.main
import yaml
from PIL import Image

from laconvnet import cli
from laconvnet.data import DatasetInfo
from laconvnet.language import Vocabulary
from laconvnet.models import PRESETS, Preprocess, build_model, resolve_config, save_checkpoint
from laconvnet.processing import encode_mask
from laconvnet.training import TrainConfig, load_config, train

ROOT = Path(__file__).parents[1]
CONFIGS = sorted((ROOT / "configs").rglob("*.yaml"))
PAPER = [path for path in CONFIGS if path.parent.name != "configs"]
SIZE = 64
RECORDS = 10

each_config = pytest.mark.parametrize("path", CONFIGS, ids=lambda path: str(path.relative_to(ROOT / "configs")))
each_of_the_paper = pytest.mark.parametrize("path", PAPER, ids=lambda path: f"{path.parent.name}/{path.stem}")


@each_config
def test_settings_and_network_are_valid(path: Path) -> None:
    config = load_config(path, [])
    answers = ("yes", "no") if "vqa" in config.tasks else ()
    resolve_config(config.preset, tasks=tuple(config.tasks), vocabulary_size=100, answers=answers, **config.model)


@pytest.mark.parametrize("path", sorted((ROOT / "tools" / "trials").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_variant_that_is_tried_is_valid(path: Path) -> None:
    trials = yaml.safe_load(path.read_text())
    assert trials["metrics"]
    for changes in trials["variants"].values():
        load_config(path.parent / trials["config"], [*trials["common"], *changes, "output=runs/x"])


def labels(task: str, number: int) -> dict[str, Any]:
    """What a record must have to serve a task; one of five has no target where that may be."""
    x, y = 3 * number, 2 * number
    none = task == "gres" and number % 5 == 0
    mask = np.zeros((SIZE, SIZE), bool)
    mask[y : y + 20, x : x + 30] = True
    answer = ("yes", "no")[number % 2]
    return {
        "rec": {"boxes": [[x, y, x + 30, y + 20]]},
        "res": {"masks": [encode_mask(mask)]},
        "gres": {"boxes": [] if none else [[x, y, x + 30, y + 20]], "masks": [] if none else [encode_mask(mask)]},
        "vqa": {"answer": answer, "answers": {answer: 1.0, "maybe": 0.3}},
    }[task]


def write_dataset(root: Path, tasks: tuple[str, ...], splits: set[str]) -> None:
    """Small pictures of noise with sentences that have the labels of all tasks."""
    rng = np.random.default_rng(0)
    (root / "images").mkdir(parents=True)
    DatasetInfo("tiny", "made by a test", "CC0-1.0", tasks).save(root)
    for split in splits:
        lines = []
        for number in range(RECORDS):
            name = f"images/{split}{number // 2}.png"
            Image.fromarray(rng.integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8)).save(root / name)
            record = {
                "id": f"{number}",
                "image": name,
                "width": SIZE,
                "height": SIZE,
                "text": f"is it the dog {number}",
            }
            for task in tasks:
                record |= labels(task, number)
            lines.append(json.dumps(record) + "\n")
        (root / f"{split}.jsonl").write_text("".join(lines))


def write_weights(folder: Path, config: TrainConfig) -> None:
    """Weights of the smallest network with the file's text encoder, in the place of those that it starts from."""
    vocabulary = Vocabulary(["the", "cat"], num_buckets=32)
    preprocess = Preprocess(size=SIZE, resize="letterbox", max_length=15)
    model = build_model("n", ("rec",), vocabulary=vocabulary, language=config.model.get("language", {}))
    save_checkpoint(folder, model, vocabulary=vocabulary, preprocess=preprocess, card="")


def small(config: TrainConfig, tmp_path: Path) -> list[str]:
    """The overrides of two steps of the smallest network; every other setting stays as in the file.

    The files change of a network only dropout, the recurrent layer, layers and the width of word vectors, which suits
    preset n as well.
    """
    settings: dict[str, Any] = {
        "preset": "n",
        "data.size": SIZE,
        "data.batch_size": 4,
        "data.eval_batch_size": 4,
        "data.num_workers": 0,
        "epochs": 1,
        "max_steps": 2,
        "device": "cpu",
        "keep_freed_memory": "false",
        "output": tmp_path / "run",
    }
    if config.initial is not None:
        settings["initial"] = tmp_path / "initial"
    if config.data.scenes is not None:
        settings |= {"data.scenes.train": 3, "data.scenes.val": 6}
    elif config.data.sources is None:
        settings["data.root"] = tmp_path / "data0"
    else:
        sources = [source.model_dump(mode="json") for source in config.data.sources]
        for number, source in enumerate(sources):
            source["root"] = str(tmp_path / f"data{number}")
        settings["data.sources"] = json.dumps(sources)
    return [f"{name}={value}" for name, value in settings.items()]


@each_config
def test_two_steps_of_the_smallest_network(path: Path, tmp_path: Path) -> None:
    config = load_config(path, [])
    if config.initial is not None:
        write_weights(tmp_path / "initial", config)
    for number, source in enumerate(config.data.folders):
        splits = {source.train_split or config.data.train_split, source.val_split or config.data.val_split}
        tasks = source.tasks or tuple(config.tasks)
        if "vqa" in tasks and config.tasks["vqa"].get("mask_weight"):
            tasks = (*tasks, "res")  # questions with masks of what they are about
        write_dataset(tmp_path / f"data{number}", tasks, splits | set(config.data.answers.splits or ()))
    train(load_config(path, small(config, tmp_path)))
    results = json.loads((tmp_path / "run" / "results.json").read_text())
    assert results["step"] == 2 and results["n"] > 0
    assert results["metrics"] and all(
        isinstance(value, float | int) and math.isfinite(value) for value in results["metrics"].values()
    )
    assert (tmp_path / "run" / "final" / "model.safetensors").is_file()


def commands(path: Path) -> list[list[str]]:
    """The words of the commands in a file's comments, without "laconvnet"."""
    lines = re.findall(r"^# +(?:OMP_NUM_THREADS=1 )?(?:torchrun .*? -m )?laconvnet (.+)$", path.read_text(), re.M)
    return [shlex.split(line) for line in lines]


def options(words: list[str]) -> dict[str, str]:
    return {name: value for name, value in pairwise(words) if name.startswith("--")}


@each_config
def test_commands_in_comments_are_those_of_the_file(path: Path) -> None:
    config = load_config(path, [])
    for words in commands(path):
        command = typer.main.get_command(cli.app)
        rest = list(words)
        while rest and rest[0] in getattr(command, "commands", {}):
            command = command.commands[rest.pop(0)]  # type: ignore[attr-defined]
        known = {option for parameter in command.params for option in parameter.opts}
        assert {word for word in rest if word.startswith("--")} <= known
        if words[0] == "train":
            assert ROOT / words[1] == path
            assert load_config(path, words[2:]).preset in PRESETS
        elif words[0] == "eval" and "pretrain" not in path.parts:
            assert Path(options(words)["--model"]).parent == config.output
            assert options(words)["--data"] == str(config.data.root)
        elif words[:2] == ["data", "convert"]:
            assert options(words)["--out"] == str(config.data.root)


@each_of_the_paper
def test_files_of_the_paper_have_its_recipe(path: Path) -> None:
    config = load_config(path, [])
    rates = config.optimizer
    assert (rates.name, rates.lr, rates.betas, rates.eps, rates.weight_decay) == ("adam", 1e-4, (0.9, 0.98), 1e-9, 0)
    assert rates.clip_grad_norm == 0.15 and config.ema.decay == 0.9997 and config.data.batch_size == 32
    assert (config.schedule.warmup, config.schedule.warmup_start, config.schedule.min_lr) == (3, 1e-7, 1e-6)
    assert config.preset == "s" and not config.standardize_vectors and config.freeze_embedding
    is_clevr = path.stem in ("clevr", "clevr_ref")
    if is_clevr:
        assert (config.schedule.kind, config.schedule.milestones, config.schedule.gamma) == ("steps", (20, 22), 0.2)
    else:
        assert config.schedule.kind == "cosine"
    assert config.epochs == (23 if is_clevr else 10 if path.parent.name == "pretrain" else 25)
    assert config.data.size == (320 if path.stem == "clevr_ref" else 224 if "vqa" in config.tasks else 416)
    assert (config.words_kept is None) == ("vqa" in config.tasks or path.stem == "clevr_ref")
    start = load_config(ROOT / "configs" / "pretrain" / "vg_coco_flickr.yaml").output / "final"
    assert config.initial == (None if is_clevr or path.parent.name == "pretrain" else start)


def test_the_table_of_configurations_is_complete() -> None:
    table = (ROOT / "configs" / "README.md").read_text()
    linked = re.findall(r"\]\(([^)]+\.yaml)\)", table)
    assert sorted(linked) == [str(path.relative_to(ROOT / "configs")) for path in PAPER]
    assert all(f"`{path.stem}`" in table for path in CONFIGS if path not in PAPER)
