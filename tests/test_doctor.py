"""What the doctor says about the machine and the installation."""

import importlib.util
import tomllib
from pathlib import Path

import torch

from laconvnet.doctor import EXTRAS, describe_machine, diagnose


def test_the_machine_is_described():
    machine = describe_machine()
    assert {"cpu", "threads", "capability", "python", "system"} <= set(machine)
    assert machine["torch"] == torch.__version__ and machine["threads"] == str(torch.get_num_threads())


def test_a_missing_extra_is_named_with_its_remedy(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "transformers" else object())
    lines = diagnose().splitlines()
    assert "extra hf: missing transformers: pip install 'laconvnet[hf]'" in lines and "extra gpu: installed" in lines
    assert any(line.startswith("weights scenes-t: ") for line in lines)


def test_every_extra_that_users_can_install_is_looked_for():
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
    assert set(EXTRAS) == set(project["optional-dependencies"]) - {"dev"}
