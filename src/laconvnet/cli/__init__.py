"""The command line: a table of small functions over the library.

Expected failures end in one line and exit code 1, wrong usage in 2; `--debug` shows where a failure came from.
"""

from __future__ import annotations

import sys
import warnings
from typing import Annotated

import typer

from laconvnet import __version__
from laconvnet.cli.bench import app as bench_app
from laconvnet.cli.config import config_app
from laconvnet.cli.data import data_app
from laconvnet.cli.models import demo, doctor, evaluate, import_official, predict, train

app = typer.Typer(
    name="laconvnet",
    help="One compact network that reads the sentence from its first pixel on: point at what is named.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for command, name in (
    (train, "train"),
    (evaluate, "eval"),
    (predict, "predict"),
    (import_official, "import-official"),
    (doctor, "doctor"),
    (demo, "demo"),
):
    app.command(name)(command)
for group, name in ((data_app, "data"), (config_app, "config"), (bench_app, "bench")):
    app.add_typer(group, name=name)

EXPECTED = (OSError, ValueError, TypeError, RuntimeError, FloatingPointError, ImportError)
"""Failures that come of what was asked for, and are told in one line."""


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", callback=_print_version, is_eager=True)
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of a failure.")] = False,
) -> None:
    """One compact network that reads the sentence from its first pixel on: point at what is named."""


def main() -> None:
    """Run the command line."""
    warnings.formatwarning = lambda message, *_, **__: f"warning: {message}\n"
    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"]
    try:
        app(arguments)
    except EXPECTED as error:
        if len(arguments) < len(sys.argv[1:]):
            raise
        typer.echo(f"error: {error}", err=True)
        sys.exit(1)
