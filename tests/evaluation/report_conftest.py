"""Scenes, and a network that has seen some."""

import numpy as np
import pytest
import torch

from laconvnet.data import generate
from laconvnet.language import Vocabulary
from laconvnet.models import Preprocess, build_model
from laconvnet.processing import read_image
from laconvnet.scenes import WORLDS, SceneSource, answers

NEAR = WORLDS["near"]


@pytest.fixture(scope="session")
def source():
    return SceneSource(1, NEAR, {"rec": 3})


@pytest.fixture(scope="session")
def folder(tmp_path_factory, source):
    """Scenes with each sort of sentences."""
    root = tmp_path_factory.mktemp("report")
    generate(root / "rec", source, {"test": 4}, size=64)
    generate(root / "vqa", SceneSource(2, NEAR, {"vqa": 3}), {"test": 4}, size=64)
    generate(root / "gres", SceneSource(4, NEAR, {"gres": 3}), {"test": 4}, size=64)
    return root


@pytest.fixture(scope="session")
def network(folder):
    """An untrained network that tells pictures and sentences apart: it has seen some, and half of its mask is set."""
    torch.manual_seed(0)
    vocabulary = Vocabulary(["red", "cube", "the"], num_buckets=4)
    tasks = ("rec", "gres", "vqa")
    model = build_model("n", tasks, vocabulary=vocabulary, answers=answers(NEAR.values))
    pictures = np.stack([read_image(file) for file in sorted((folder / "gres" / "images").iterdir())])
    images, tokens = torch.from_numpy(pictures).permute(0, 3, 1, 2) / 255, torch.randint(1, 7, (len(pictures), 5))
    with torch.no_grad():
        for _ in range(30):
            model(images, tokens)
        model.heads["res"].out.bias -= model.eval()(images, tokens)["res"].mean()
    return model, vocabulary, Preprocess(size=64, resize="letterbox", max_length=None)
