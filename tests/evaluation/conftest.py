"""Scenes, and a network that has seen some."""

import pytest
import torch
from fresh import fresh_checkpoint, show_pictures

from laconvnet.data import generate
from laconvnet.scenes import WORLDS, SceneSource, answers

NEAR = WORLDS["near"]


@pytest.fixture(scope="session")
def source():
    return SceneSource(1, NEAR, {"rec": 3})


@pytest.fixture(scope="session")
def folder(tmp_path_factory, source):
    """Scenes with each sort of sentences."""
    root = tmp_path_factory.mktemp("evaluation")
    generate(root / "rec", source, {"test": 4}, size=64)
    generate(root / "vqa", SceneSource(2, NEAR, {"vqa": 3}), {"test": 4}, size=64)
    generate(root / "gres", SceneSource(4, NEAR, {"gres": 3}), {"test": 4}, size=64)
    return root


@pytest.fixture(scope="session")
def checkpoint(folder):
    """An untrained network that tells pictures and sentences apart: it has seen some."""
    torch.manual_seed(0)
    words = ["red", "cube", "the"]
    made = fresh_checkpoint(("rec", "gres", "vqa"), words=words, answers=answers(NEAR.values), max_length=None)
    return show_pictures(made, folder / "gres" / "images")
