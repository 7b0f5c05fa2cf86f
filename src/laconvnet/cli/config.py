"""The commands about configurations."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

config_app = typer.Typer(help="List, show and copy the configurations that ship.", no_args_is_help=True)

Name = Annotated[
    str, typer.Argument(help="Name of `laconvnet config list`, or path of a YAML file.", show_default=False)
]


@config_app.command("list")
def config_list() -> None:
    """Name every configuration, with what it is for."""
    from laconvnet.training.config_store import config_folder, config_names, description

    names = config_names()
    width = max(map(len, names))
    for name in names:
        typer.echo(f"{name:{width}}  {description(config_folder() / f'{name}.yaml')}")


@config_app.command("show")
def config_show(
    name: Name,
    resolved: Annotated[
        bool, typer.Option("--resolved", help="Every setting, with those of its bases and the defaults.")
    ] = False,
) -> None:
    """Print a configuration."""
    from laconvnet.training.config_file import load_config
    from laconvnet.training.config_store import find_config

    text = load_config(name).to_yaml() if resolved else find_config(name).read_text(encoding="utf-8")
    typer.echo(text, nl=False)


@config_app.command("copy")
def config_copy(
    name: Name,
    folder: Annotated[Path, typer.Argument(metavar="[FOLDER]", help="Folder to copy it to.")] = Path("."),
) -> None:
    """Copy a configuration, with those it builds on, to change it."""
    from laconvnet.training.config_store import copy_config

    for copy in copy_config(name, folder):
        typer.echo(f"wrote {copy}")
