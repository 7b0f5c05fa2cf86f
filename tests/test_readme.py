"""README and docs name only commands, settings and files that exist."""

import json
import re
import shlex
from pathlib import Path

import pytest
import typer.main

from laconvnet import cli
from laconvnet.report import render
from laconvnet.training import load_config

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def blocks(language: str) -> list[str]:
    return [block for page in PAGES for block in re.findall(rf"```{language}\n(.*?)```", page.read_text(), re.S)]


def commands() -> list[str]:
    """Every line that starts laconvnet, in a block or between back-ticks, with its continuation lines."""
    text = "\n".join(page.read_text() for page in PAGES).replace("\\\n", " ")
    lines = re.findall(r"^(?:OMP_NUM_THREADS=1 )?(?:torchrun .*? -m )?laconvnet (.+)$", text, re.M)
    inline = re.findall(r"`laconvnet ([^`]+)`", text)
    return sorted({re.sub(r"[\[\]]", "", line) for line in lines + inline})


@pytest.mark.parametrize("line", commands())
def test_commands_and_their_options_exist(line: str) -> None:
    words = shlex.split(line, comments=True)
    command = typer.main.get_command(cli.app)
    while words and words[0] in getattr(command, "commands", {}):
        command = command.commands[words.pop(0)]  # type: ignore[attr-defined]
    known = {option for parameter in command.params for option in [*parameter.opts, *parameter.secondary_opts]}
    assert {word for word in words if word.startswith("--")} <= known, command.name
    for word in words:
        if word.startswith("configs/"):
            assert (ROOT / word).is_file()


def test_the_operator_example_runs() -> None:
    (example,) = [block for block in blocks("python") if "dynamic_conv2d" in block]
    names: dict[str, object] = {}
    exec(compile(example, "README.md", "exec"), names)
    assert names["out"].shape == (1, 64, 56, 56)  # type: ignore[attr-defined]


def test_the_scenes_example_runs() -> None:
    (example,) = [block for block in blocks("python") if "laconvnet.scenes" in block]
    names: dict[str, object] = {}
    exec(compile(example, "scenes.md", "exec"), names)
    assert names["drawing"].images.shape == (1, 224, 224, 3)  # type: ignore[attr-defined]


def test_the_settings_of_the_scenes_page_are_valid(tmp_path: Path) -> None:
    (settings,) = [block for block in blocks("yaml") if "scenes:" in block]
    path = tmp_path / "run.yaml"
    path.write_text(f"preset: n\noutput: {tmp_path}\n{settings}")
    assert load_config(path).data.scenes is not None


def test_links_lead_somewhere() -> None:
    for page in PAGES:
        prose = re.sub(r"```.*?```|`[^`]*`", "", page.read_text(), flags=re.S)
        for link in re.findall(r'\]\(([^)#:]+)\)|src="([^"]+)"', prose):
            assert (page.parent / "".join(link)).exists(), (page.name, link)


def test_the_tables_about_shipped_weights_are_those_of_the_recorded_results() -> None:
    results = json.loads((ROOT / "docs" / "results.json").read_text())
    assert render(results) in (ROOT / "docs" / "results.md").read_text()
