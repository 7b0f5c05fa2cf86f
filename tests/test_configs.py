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
from laconvnet.models import PRESETS, Checkpoint, build_model, resolve_config
from laconvnet.processing import Preprocess, Processor, encode_mask
from laconvnet.settings import merge
from laconvnet.tasks import build_tasks, find_task, together
from laconvnet.training import TrainConfig, load_config, train
from laconvnet.training.config_store import config_names
from laconvnet.training.config_yaml import read_chain

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "configs"
CONFIGS = [FOLDER / f"{name}.yaml" for name in config_names()]
PAPER = [path for path in CONFIGS if FOLDER / "paper" in path.parents]
SCENES_T = [path for path in CONFIGS if path.parent.name == "scenes_t"]
SIZE = 64
RECORDS = 10

each_config = pytest.mark.parametrize("path", CONFIGS, ids=lambda path: str(path.relative_to(FOLDER)))
each_of_the_paper = pytest.mark.parametrize("path", PAPER, ids=lambda path: f"{path.parent.name}/{path.stem}")


@each_config
def test_settings_and_network_are_valid(path: Path) -> None:
    config = load_config(path, [])
    options = {name: find_task(name).complete(each, lambda: ["yes", "no"]) for name, each in config.tasks.items()}
    heads = together(build_tasks(options)).heads
    resolve_config(config.preset, heads=heads, vocabulary_size=100, num_answers=2 * ("answer" in heads), **config.model)


def dotted(settings: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Settings by their dotted names, without sections."""
    names: dict[str, Any] = {}
    for name, value in settings.items():
        below = dotted(value, f"{prefix}{name}.") if isinstance(value, dict) else {}
        names |= below or {prefix + name: value}
    return names


@each_config
def test_a_file_with_a_base_states_only_what_differs(path: Path) -> None:
    (_, stated), *bases = read_chain(path)
    base: dict[str, Any] = {}
    for _, settings in reversed(bases):
        base = merge(base, settings, TrainConfig)
    known = dotted(base)
    assert [name for name, value in dotted(stated).items() if name in known and known[name] == value] == []


@pytest.mark.parametrize(("first", "second"), list(pairwise(SCENES_T)), ids=[path.stem for path in SCENES_T[1:]])
def test_the_runs_of_scenes_t_follow_one_another(first: Path, second: Path) -> None:
    assert read_chain(second)[1][0] == first
    assert load_config(second).initial == load_config(first).output / "final"
    assert load_config(second).output.name == second.stem


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
    processor = Processor(Preprocess(size=SIZE, resize="letterbox", max_length=15), vocabulary)
    model = build_model("n", ("rec",), vocabulary=vocabulary, language=config.model.get("language", {}))
    Checkpoint(model, processor, {"rec": {}}).save(folder)


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
        if "vqa" in tasks and getattr(config.tasks["vqa"], "mask_weight", 0):
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
    start = load_config(FOLDER / "paper" / "pretrain" / "vg_coco_flickr.yaml").output / "final"
    assert config.initial == (None if is_clevr or path.parent.name == "pretrain" else start)


def test_the_tables_of_configurations_are_complete() -> None:
    linked = re.findall(r"\]\(([^)]+\.yaml)\)", (FOLDER / "README.md").read_text())
    assert sorted(linked) == sorted([*(str(path.relative_to(FOLDER)) for path in CONFIGS), "paper/_recipe.yaml"])


def test_the_queue_for_a_gpu_names_configurations() -> None:
    script = (ROOT / "tools" / "gpu_queue.sh").read_text()
    folder = re.findall(r'train "(configs/.*?)\$name\.yaml"', script)
    names = re.findall(r"\) learn (\w+) ;;", script)
    assert len(folder) == 1 and len(names) == 2
    assert all((ROOT / folder[0] / f"{name}.yaml").is_file() for name in names)
