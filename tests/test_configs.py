"""Every shipped configuration is one that the trainer accepts."""

from importlib import resources
from pathlib import Path

import pytest

from laconvnet.models import resolve_config
from laconvnet.training import load_config

CONFIGS = sorted((Path(__file__).parents[1] / "configs").glob("*.yaml"))


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_settings_and_network_are_valid(path):
    config = load_config(path, [])
    answers = ("yes", "no") if "vqa" in config.tasks else ()
    resolve_config(config.preset, tasks=tuple(config.tasks), vocabulary_size=100, answers=answers, **config.model)


def test_the_demo_configuration_ships_with_the_package():
    with resources.as_file(resources.files("laconvnet") / "configs" / "demo.yaml") as path:
        assert load_config(path, []).preset == "n"
