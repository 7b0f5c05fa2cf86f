"""What README and docs show is true: their Python runs, their commands exist, their settings and links are valid."""

from __future__ import annotations

import argparse
import importlib.util
import json
import re
import runpy
import shlex
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer.main
import yaml
from PIL import Image
from typer.testing import CliRunner

from laconvnet import cli
from laconvnet.scenes import WORLDS, render
from laconvnet.training import load_config

ROOT = Path(__file__).parents[1]
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "configs" / "README.md",
    *sorted((ROOT / "docs").rglob("*.md")),
]
MOST_NOT_RUN = 3
"""Blocks of Python that may be marked as not run; each says why."""

FENCE = re.compile(r"(?:^<!-- not run: ([^\n]+?) -->\n)?^```(\w*)\n(.*?)^```$", re.M | re.S)


@dataclass(frozen=True)
class Block:
    """A block of code on a page.

    Attributes:
        page: the page.
        language: as it is marked, empty if it is not.
        text: what it says.
        not_run: why it cannot run in a test; None for others.
    """

    page: Path
    language: str
    text: str
    not_run: str | None


def blocks(*languages: str) -> list[Block]:
    found = [
        Block(page, match[2], match[3], match[1]) for page in PAGES for match in FENCE.finditer(page.read_text("utf-8"))
    ]
    return [block for block in found if block.language in languages]


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


# Python


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the examples start from: a photograph, and a scene as `make demo` draws it."""
    folder = tmp_path_factory.mktemp("inputs")
    rows, columns = np.mgrid[0:240, 0:320]
    photo = np.stack([rows % 256, columns % 256, (rows + columns) % 256], -1).astype(np.uint8)
    Image.fromarray(photo).save(folder / "photo.jpg")
    drawing = render([WORLDS["near"].scene(np.random.default_rng(0))], 128)
    scene = folder / "demo_output" / "scenes" / "gres" / "images" / "val_0000000.png"
    scene.parent.mkdir(parents=True)
    Image.fromarray(drawing.images[0].numpy()).save(scene)
    return folder


@pytest.fixture
def place(inputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fresh copy of that folder, where the test then works."""
    folder = shutil.copytree(inputs, tmp_path / "place")
    monkeypatch.chdir(folder)
    return Path(folder)


@pytest.mark.parametrize("page", sorted({block.page for block in blocks("python")}), ids=name_of)
@pytest.mark.usefixtures("place")
def test_the_python_of_a_page_runs_from_top_to_bottom(page: Path) -> None:
    names: dict[str, Any] = {"__name__": "__main__"}
    for block in blocks("python"):
        if block.page == page and block.not_run is None:
            exec(compile(block.text, name_of(page), "exec"), names)


def test_few_examples_are_not_run() -> None:
    reasons = [f"{name_of(block.page)}: {block.not_run}" for block in blocks("python") if block.not_run]
    assert len(reasons) <= MOST_NOT_RUN, reasons
    assert not any(block.not_run for block in blocks("", "yaml", "json"))


# Commands

LAUNCHERS = re.compile(r"(?:torchrun\s.*?\s-m|python3? -m) (?=laconvnet\b)")


@dataclass(frozen=True)
class Command:
    """A command line that a page shows.

    Attributes:
        source: the page.
        words: what the shell makes of it, without variables of the environment and without what launches it.
        whole: whether it stands in a block; between back-ticks, a command may leave things out.
    """

    source: Path
    words: tuple[str, ...]
    whole: bool

    def __str__(self) -> str:
        return f"{name_of(self.source)}: {shlex.join(self.words)}"


def as_command(source: Path, line: str, whole: bool) -> Command | None:
    """Read a line that starts a program which is known here; None for any other."""
    line = LAUNCHERS.sub("", re.sub(r"^\$? *(?:[A-Z_]+=\S+ +)*", "", line))
    program = line.split(maxsplit=1)[0] if line.strip() else ""
    if program not in {"laconvnet", "python", "make", "pytest"} and not program.startswith(("tools/", "benchmarks/")):
        return None
    return Command(source, tuple(shlex.split(line, comments=whole)), whole)


def commands() -> list[Command]:
    lines: list[tuple[Path, str, bool]] = []
    for block in blocks("", "sh", "bash", "console"):
        lines += [(block.page, line, True) for line in block.text.replace("\\\n", " ").splitlines()]
    for page in PAGES:
        lines += [(page, inline, False) for inline in re.findall(r"`([^`]+)`", FENCE.sub("", page.read_text("utf-8")))]
    for path in sorted((ROOT / "configs").rglob("*.yaml")):
        lines += [(path, line, True) for line in re.findall(r"^# {3}(\S.*)$", path.read_text("utf-8"), re.M)]
    return list(dict.fromkeys(command for line in lines if (command := as_command(*line))))


def of(*programs: str) -> pytest.MarkDecorator:
    """One test for each command of some programs; a name that ends with a slash stands for all below that folder."""
    chosen = [
        command
        for command in commands()
        if any(command.words[0] == name or (name[-1] == "/" and command.words[0].startswith(name)) for name in programs)
    ]
    assert chosen
    return pytest.mark.parametrize("command", chosen, ids=str)


def parse(words: list[str]) -> Any:
    """Read the words behind `laconvnet` as the command line does, run nothing, and return click's context.

    It raises where there is no such option, a value is not allowed, or there are too many arguments or too few.
    """
    command: Any = typer.main.get_command(cli.app)
    name, rest = "laconvnet", words
    while getattr(command, "commands", None):
        assert rest and rest[0] in command.commands, (name, rest[:1])
        name, *rest = rest
        command = command.commands[name]
    context = command.make_context(name, rest)
    if words[0] == "train":
        path = ROOT / context.params["config"]
        load_config(path if path.is_file() else context.params["config"], context.params["overrides"] or [])
    return context


@of("laconvnet")
def test_laconvnet_takes_the_command(command: Command) -> None:
    if command.whole:
        parse([*command.words[1:]])
        return
    # In a sentence, a command may stand for itself, and have brackets, dots and words in capitals as place-holders.
    words = [word if "=" in word else word.strip("[]") for word in command.words[1:] if word != "…"]
    if words in (["data"], ["bench"], ["config"]):
        return
    try:
        parse(words)
    except (typer.BadParameter, FileNotFoundError) as error:
        assert type(error).__name__ == "MissingParameter" or any(word.isupper() for word in words), error


@of("laconvnet", "python", "make", "tools/", "benchmarks/")
def test_files_that_a_command_names_exist(command: Command) -> None:
    folders = ("configs/", "tools/", "benchmarks/gpu", "src/")
    for word in command.words:
        if word.startswith(folders) or word.endswith(".py"):
            assert (ROOT / word).exists(), word


class Read(Exception):
    """The arguments of a script were read."""


@of("python")
def test_a_script_takes_the_command(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    script, *words = [word.strip("[]") for word in command.words[1:] if word != "…"]
    if not script.startswith(("tools/", "benchmarks/")):
        assert (ROOT / script).is_file()
        return
    if "…" in command.words:
        words.append("float32")
    read = argparse.ArgumentParser.parse_args

    def stop(parser: argparse.ArgumentParser, *arguments: Any, **named: Any) -> None:
        read(parser, *arguments, **named)
        raise Read

    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", stop)
    monkeypatch.setattr(sys, "argv", [script, *words])
    with pytest.raises(Read):
        runpy.run_path(str(ROOT / script), run_name="__main__")


@of("make")
def test_make_takes_the_command(command: Command) -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    for word in command.words[1:]:
        name, is_variable, _ = word.partition("=")
        assert (f"$({name})" if is_variable else f"\n{name}: ") in makefile, word


@of("pytest")
def test_tests_that_are_named_exist(command: Command) -> None:
    for word in command.words[1:]:
        assert word.startswith("-") or (ROOT / word.partition("::")[0]).exists(), word


def cheap(command: Command) -> list[str] | None:
    """The words of a command that takes a second or two, if it is made to draw few scenes; None for any other."""
    words = list(command.words[1:])
    match words:
        case ["doctor"] | ["config", *_]:
            return words
        case ["predict", *_] if "--model" not in words or "scenes-t" in words:
            return words
        case ["data", "generate", *_]:
            few = re.sub(r"\b(train|val|test)=\d+\b", r"\1=2", " ".join(words))
            return re.sub(r" --workers \d+", "", few).split()
        case ["data", "validate" | "show", folder, *_] if Path(folder).is_dir():
            return words
        case ["eval", "--model", "scenes-t", "--data", folder, *_] if Path(folder).is_dir():
            return words
    return None


@pytest.mark.parametrize("page", PAGES, ids=name_of)
@pytest.mark.usefixtures("place")
def test_commands_that_are_cheap_run(page: Path) -> None:
    for command in commands():
        if command.source == page and command.whole and (words := cheap(command)):
            result = CliRunner().invoke(cli.app, words)
            assert result.exit_code == 0, (words, result.output, result.exception)


# Settings, data and links


@pytest.mark.parametrize("block", blocks("yaml"), ids=lambda block: name_of(block.page))
def test_settings_on_a_page_are_valid(block: Block, tmp_path: Path) -> None:
    settings = yaml.safe_load(block.text)
    sources = settings.setdefault("data", {"root": "data/mine"}).get("sources", ())
    tasks = {task: {} for source in sources for task in source["tasks"]} or {"rec": {}}
    path = tmp_path / "run.yaml"
    path.write_text(yaml.safe_dump({"preset": "n", "output": "runs/x", "tasks": tasks} | settings))
    load_config(path)


@pytest.mark.parametrize("block", blocks("json"), ids=lambda block: name_of(block.page))
def test_json_on_a_page_is_json(block: Block) -> None:
    try:
        json.loads(block.text)
    except ValueError:
        assert all(json.loads(line) for line in block.text.splitlines())


def test_every_block_is_of_a_known_language() -> None:
    known = {"", "python", "yaml", "json", "sh", "bash", "console"}
    assert {match[2] for page in PAGES for match in FENCE.finditer(page.read_text("utf-8"))} <= known
    for page in PAGES:
        assert "```" not in FENCE.sub("", page.read_text("utf-8")), page  # none is left open or stands unseen


def anchors(page: Path) -> set[str]:
    """The names that GitHub gives to the headings of a page."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", page.read_text("utf-8")), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page: Path) -> None:
    prose = re.sub(r"`[^`]*`", "", FENCE.sub("", page.read_text("utf-8")))
    for link in re.findall(r'\]\(([^):]+)\)|src="([^"]+)"', prose):
        path, _, anchor = "".join(link).partition("#")
        target = page.parent / path if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_the_tables_about_shipped_weights_are_those_of_the_recorded_results() -> None:
    spec = importlib.util.spec_from_file_location("score_release", ROOT / "tools" / "score_release.py")
    assert spec is not None and spec.loader is not None
    spec.loader.exec_module(module := importlib.util.module_from_spec(spec))
    results = json.loads((ROOT / "docs" / "results.json").read_text("utf-8"))
    assert module.render(results) in (ROOT / "docs" / "results.md").read_text("utf-8")
