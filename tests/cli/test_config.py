"""laconvnet config list, show and copy."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from laconvnet.cli.config import config_app
from laconvnet.training import load_config
from laconvnet.training.config_store import config_folder, config_names


def run(*arguments: object) -> Result:
    return CliRunner().invoke(config_app, [str(argument) for argument in arguments])


def test_the_list_says_of_each_what_it_is_for() -> None:
    lines = run("list").output.splitlines()
    assert [line.split()[0] for line in lines] == config_names()
    (near,) = [line for line in lines if line.startswith("recipes/near_rec ")]
    assert near.endswith("  Preset n on near scenes, attributes only, for two CPU cores and five minutes.")


def test_a_configuration_is_shown_as_it_stands() -> None:
    file = config_folder() / "recipes" / "scenes_t" / "2_relations.yaml"
    assert run("show", "2_relations").output == file.read_text() == run("show", file).output


def test_or_with_every_setting(tmp_path: Path) -> None:
    path = tmp_path / "all.yaml"
    path.write_text(run("show", "scenes_t/2_relations", "--resolved").output)
    assert "base:" not in path.read_text() and load_config(path) == load_config("scenes_t/2_relations")


def test_a_copy_is_told_file_by_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert run("copy", "2_relations").output == "wrote 2_relations.yaml\nwrote 1_easy.yaml\n"
    Path("2_relations.yaml").write_text("mine")
    result = run("copy", "recipes/scenes_t/2_relations", ".")
    assert isinstance(result.exception, FileExistsError) and "2_relations.yaml exists" in str(result.exception)


def test_an_unknown_name_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert isinstance(run("show", "neer_rec").exception, FileNotFoundError)
