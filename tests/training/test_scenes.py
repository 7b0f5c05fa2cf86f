"""Training straight from a config on scenes that are made meanwhile."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
import torch

from laconvnet import Predictor
from laconvnet.data import SceneDataset
from laconvnet.language import Vocabulary
from laconvnet.scenes import World, words
from laconvnet.tasks import build_task
from laconvnet.training import ConfigError, load_config, train
from laconvnet.training.config import WorldConfig
from laconvnet.training.datasets import eval_dataset, train_dataset
from laconvnet.training.setup import build_parts
from laconvnet.training.state import TrainState

SCENES = {
    "train": 4,
    "val": 3,
    "kinds": ["attribute"],
    "world": {"objects": [3, 4], "field": 1.5, "zoom": 2.2, "aspect": 1},
}


@pytest.fixture
def config_file(tmp_path: Path) -> Path:
    path = tmp_path / "scenes.yaml"
    settings: dict[str, Any] = {
        "preset": "n",
        "data": {"scenes": SCENES, "size": 64, "batch_size": 8, "num_workers": 0},
        "epochs": 2,
        "eval_every": 0,
        "device": "cpu",
        "output": str(tmp_path / "run"),
    }
    path.write_text(json.dumps(settings))
    return path


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return TrainState.load(folder / "last" / "state.pt").model


def test_trains_evaluates_and_predicts(config_file: Path, tmp_path: Path) -> None:
    results = train(load_config(config_file))
    assert results["n"] == 12 and results["step"] == 4 and results["data"] == "scenes"
    predictor = Predictor.from_pretrained(tmp_path / "run" / "final")
    assert not predictor.processor.unknown("the tiny shiny block left of the big matte ball")
    assert "laconvnet scenes" in (tmp_path / "run" / "final" / "README.md").read_text()


def test_resumes_to_the_same_weights_on_fresh_scenes(config_file: Path, tmp_path: Path) -> None:
    train(load_config(config_file))
    other = [f"output={tmp_path / 'other'}"]
    train(load_config(config_file, [*other, "max_steps=3"]))
    train(load_config(config_file, other), resume=True)
    first, second = weights(tmp_path / "run"), weights(tmp_path / "other")
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_drawing_on_the_device_gives_the_batches_of_the_workers(config_file: Path) -> None:
    batches = []
    for draw in ("workers", "device"):
        parts = build_parts(load_config(config_file, [f"data.scenes.draw={draw}"]))
        batches.append(list(parts.train_loader))
    for one, other in zip(*batches, strict=True):
        assert torch.equal(one["images"], other["images"]) and torch.equal(one["tokens"], other["tokens"])
        assert torch.equal(one["target_boxes"], other["target_boxes"])


def test_the_vocabulary_is_that_of_the_world(config_file: Path) -> None:
    config = load_config(config_file, ["data.scenes.world.colors=[red, pink]"])
    vocabulary = build_parts(config).processor.tokenizer
    assert isinstance(vocabulary, Vocabulary)
    assert config.data.scenes is not None
    expected = words(config.data.scenes.source().world.values)
    assert "pink" in expected and "blue" not in expected
    assert set(expected) <= set(vocabulary.words)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("data.root=somewhere", "one of root, a dataset folder, sources, several of them, or scenes"),
        ("data={size: 64}", "one of root, a dataset folder, sources, several of them, or scenes"),
        ("data.val_limit=3", "val_limit is for a dataset folder; data.scenes.val counts the scenes"),
        ("data.size=32", "sides from 64 to 2048 pixels, got 32"),
        ("data.scenes.cache=here", "fresh ones never come again: set fresh: false"),
        ("data.scenes.sentences={rec: 2, vqa: 2}", "leave out vqa; rec learns from rec"),
        ("data.scenes.kinds=[colour]", r"unknown \['colour'\]; allowed are attribute"),
        ("data.scenes.families=[sum]", r"unknown \['sum'\]; allowed are count"),
        ("data.scenes.world.shapes=[cone]", r"shapes must be different ones of cube, .*got \('cone',\)"),
        ("data.scenes.world.condition=C", "data.scenes.world.condition is 'C', allowed: 'all', 'A' or 'B'"),
        ("data.scenes.worlds={}", "unknown setting 'data.scenes.worlds'; did you mean 'data.scenes.world'"),
    ],
)
def test_bad_settings(config_file: Path, override: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_config(config_file, [override])


@pytest.mark.parametrize("setting", ["data.flip=0.5", "data.color_jitter=0.1", "data.shuffle_sentences=val"])
def test_what_a_device_cannot_do_is_refused(config_file: Path, setting: str) -> None:
    name = setting.partition("=")[0].removeprefix("data.")
    with pytest.raises(ConfigError, match=rf"scenes\.draw is device, which leaves no place for {name}"):
        load_config(config_file, ["data.scenes.draw=device", setting])


def test_an_impossible_world(config_file: Path) -> None:
    settings = ["data.scenes.world={objects: [20, 20], sizes: [large]}"]
    with pytest.raises(ValueError, match="no room for 20 to 20 objects"):
        train(load_config(config_file, settings))


def test_sentences_about_scenes_are_not_cut_unless_asked(config_file: Path) -> None:
    assert load_config(config_file).words_kept is None
    assert load_config(config_file, ["data.max_length=9"]).words_kept == 9
    folder = load_config(config_file, ["data={root: somewhere}"])
    assert folder.words_kept == 15
    with pytest.raises(ConfigError, match=r"data\.max_length is 0, allowed: .*greater than or equal to 1 or 'auto'"):
        load_config(config_file, ["data.max_length=0"])


def test_evaluation_may_have_a_world_of_its_own(config_file: Path) -> None:
    config = load_config(config_file, ["data.scenes.world.condition=A", "data.scenes.val_world={condition: B}"])
    tasks = [build_task("rec")]
    learned, evaluated = train_dataset(config, tasks), eval_dataset(config, tasks)
    assert isinstance(learned, SceneDataset) and isinstance(evaluated, SceneDataset)
    assert (learned.source.world.condition, evaluated.source.world.condition) == ("A", "B")


def test_a_cache_serves_both_worlds_and_a_second_run(config_file: Path, tmp_path: Path) -> None:
    cached = [f"data.scenes.cache={tmp_path / 'cache'}", "data.scenes.fresh=false", "max_steps=2"]
    other = [*cached, "data.scenes.val_world={objects: [3, 3]}"]
    for number in range(2):
        train(load_config(config_file, [*other, f"output={tmp_path / str(number)}"]))
    assert len(list((tmp_path / "cache" / "train").rglob("*.png"))) == 4
    assert len(list((tmp_path / "cache" / "val").rglob("*.png"))) == 3
    first, second = weights(tmp_path / "0"), weights(tmp_path / "1")
    assert all(torch.equal(first[name], second[name]) for name in first)
    train(load_config(config_file, ["data.scenes.fresh=false", "max_steps=2", f"output={tmp_path / 'plain'}"]))
    assert all(torch.equal(first[name], value) for name, value in weights(tmp_path / "plain").items())


def test_world_settings_are_those_of_the_world() -> None:
    settings = {name: field.default for name, field in WorldConfig.model_fields.items()}
    assert settings == {field.name: field.default for field in dataclasses.fields(World)}
