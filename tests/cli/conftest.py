"""The command line as the entry point runs it, and a dataset and a checkpoint to run it on."""

import sys
import warnings

import pytest
from fresh import fresh_checkpoint
from typer.testing import CliRunner

from laconvnet import cli
from laconvnet.data import generate
from laconvnet.scenes import WORLDS, SceneSource


@pytest.fixture(scope="session")
def run():
    """Run a command in this process and check its exit code: `output = run("data", "stats", folder, code=0)`."""

    def invoke(*arguments, code=0):
        result = CliRunner().invoke(cli.app, [str(argument) for argument in arguments])
        assert result.exit_code == code, (result.output, result.exception)
        return result.stdout

    return invoke


@pytest.fixture
def fail(tmp_path, monkeypatch, capsys):
    """Run the entry point in an empty folder where it must end with a code; returns what it says on stderr."""

    def enter(*arguments, code=1):
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("COLUMNS", "200")
        monkeypatch.setattr(sys, "argv", ["laconvnet", *map(str, arguments)])
        monkeypatch.setattr(warnings, "formatwarning", warnings.formatwarning)  # put back what the entry point sets
        with pytest.raises(SystemExit) as stopped:
            cli.main()
        said = capsys.readouterr()
        assert stopped.value.code == code, said
        return said.err

    return enter


@pytest.fixture(scope="session")
def world(tmp_path_factory):
    """A dataset folder of scenes with expressions."""
    root = tmp_path_factory.mktemp("cli") / "world"
    generate(root, SceneSource(world=WORLDS["near"]), {"train": 8, "val": 4}, tasks=["rec", "res"], size=64)
    return root


@pytest.fixture(scope="session")
def picture(world):
    return sorted((world / "images").iterdir())[0]


@pytest.fixture(scope="session")
def model(tmp_path_factory):
    """A checkpoint folder of a network of boxes and masks that was not trained."""
    folder = tmp_path_factory.mktemp("cli") / "model"
    fresh_checkpoint(("rec", "res"), words=["red", "circle", "the"], max_length=15).save(folder)
    return folder
