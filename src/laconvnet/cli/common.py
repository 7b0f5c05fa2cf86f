"""What several commands share: options, and how results are printed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import typer

from laconvnet.files import to_json


def _present(device: str) -> str:
    if device != "cpu":
        from laconvnet.models import named_device

        named_device(device)
    return device


Weights = typer.Option(help="Checkpoint folder, or the name of shipped weights: photos-t, scenes-t.")
Device = Annotated[str, typer.Option(help="Where to run: cpu, cuda, cuda:1, mps.", callback=_present)]
JsonFlag = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def print_json(value: Any) -> None:
    """Print plain values as indented JSON."""
    typer.echo(to_json(value, indent=2))


def settings(option: str, pairs: Sequence[str]) -> dict[str, Any]:
    """Read NAME=VALUE, each value as YAML.

    Raises:
        typer.BadParameter: one is of another form, or names a setting twice.
    """
    from laconvnet.training.config_yaml import parse

    found: dict[str, Any] = {}
    for pair in pairs:
        name, separator, value = pair.partition("=")
        if not separator or not name or name in found:
            raise typer.BadParameter(f"{option} needs NAME=VALUE, each name once; got {' '.join(pairs)}")
        found[name] = parse(value, f"{option} {pair}")
    return found
