"""Training straight from a config on scenes that are made meanwhile."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from laconvnet import Predictor
from laconvnet.scenes import words
from laconvnet.training import ConfigError, load_config, train
from laconvnet.training.setup import build_parts
from laconvnet.training.state import TrainState

SCENES = {"train": 4, "val": 3, "kinds": ["attribute"], "world": {"objects": [3, 4], "field": 1.5, "zoom": 2.2}}


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
    assert not predictor.vocabulary.unknown("the tiny shiny block left of the big matte ball")
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
    vocabulary = build_parts(config).vocabulary
    assert config.data.scenes is not None
    expected = words(config.data.scenes.source().world.values)
    assert "pink" in expected and "blue" not in expected
    assert set(expected) <= set(vocabulary.words)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("data.root=somewhere", "either root, a dataset folder, or scenes"),
        ("data={size: 64}", "either root, a dataset folder, or scenes"),
        ("data.val_limit=3", "val_limit is for a dataset folder; data.scenes.val counts the scenes"),
        ("data.scenes.kinds=[colour]", r"data.scenes.*unknown \['colour'\]; allowed are attribute"),
        ("data.scenes.families=[sum]", r"unknown \['sum'\]; allowed are count"),
        ("data.scenes.world.shapes=[cone]", r"shapes must be different ones of cube, .*got \('cone',\)"),
        ("data.scenes.world.condition=C", "data.scenes.world.condition is 'C', allowed: 'all', 'A' or 'B'"),
        ("data.scenes.worlds={}", "unknown setting 'data.scenes.worlds'; did you mean 'data.scenes.world'"),
    ],
)
def test_bad_settings(config_file: Path, override: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_config(config_file, [override])


def test_impossible_worlds_and_sizes(config_file: Path) -> None:
    settings = ["data.scenes.world={objects: [20, 20], sizes: [large]}"]
    with pytest.raises(ValueError, match="no room for 20 to 20 objects"):
        train(load_config(config_file, settings))
    with pytest.raises(ValueError, match="sides from 64 to 2048 pixels, got 32"):
        train(load_config(config_file, ["data.size=32", f"output={config_file.parent / 'small'}"]))
