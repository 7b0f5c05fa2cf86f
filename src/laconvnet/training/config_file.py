"""Reading a run's settings from YAML files and the command line, with errors that say where and what instead."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from laconvnet.settings import Section, changes_kind, explain, merge, subsection
from laconvnet.training.config import TrainConfig
from laconvnet.training.config_store import find_config
from laconvnet.training.config_yaml import ConfigError, parse, read_chain

__all__ = ["ConfigError", "load_config"]


def load_config(path: Path | str, overrides: Sequence[str] = ()) -> TrainConfig:
    """Read the settings of a run.

    Args:
        path: YAML file with the fields of `TrainConfig`, or the name of a shipped configuration, see `find_config`.
            With `base: FILE`, relative to the file itself, it states only what differs from that one, section by
            section; a list replaces the list of the base.
        overrides: settings that replace those of the file, as "section.name=value" with a YAML value.

    Returns:
        The settings, complete and checked.

    Raises:
        ConfigError: when a file is no mapping, a base is missing or leads in a circle, a name is unknown (the nearest
            valid one is named) or a value is not allowed; the message begins with the file, of all that the settings
            are read from, or the override.
        FileNotFoundError: when there is no such file.
    """
    chain = read_chain(find_config(path))
    where = str(chain[0][0])
    settings: dict[str, Any] = {}
    origin: dict[str, str] = {}
    for file, stated in reversed(chain):
        settings = merge(settings, stated, TrainConfig)
        _record(origin, settings, stated, str(file))
    for override in overrides:
        name, separator, text = override.partition("=")
        name = name.strip()
        if not separator or not name:
            raise ConfigError(f"override {override!r}: expected section.name=value")
        if name == "base":
            raise ConfigError(f"override {override!r}: base stands in a file; give the other file in its place")
        value = parse(text, f"override {override!r}")
        _place(settings, name, value, override)
        _record(origin, settings, {name: value}, f"override {override!r}")
    try:
        # Through JSON, so that strict checking still takes a string for a path and a list for a tuple.
        return TrainConfig.model_validate_json(json.dumps(settings), strict=True)
    except ValidationError as error:
        raise ConfigError("\n".join(explain(error, TrainConfig, partial(_place_of, origin, where)))) from None
    except TypeError as error:
        raise ConfigError(f"{where}: {error}") from None


def _place(settings: dict[str, Any], name: str, value: Any, override: str) -> None:
    *sections, last = name.split(".")
    schema: type[BaseModel] = TrainConfig
    for section in sections:
        inner = settings.setdefault(section, {})
        if not isinstance(inner, dict):
            raise ConfigError(f"override {override!r}: {section!r} is a value, not a section")
        if section == sections[-1] and changes_kind(schema, section, inner, {last: value}):
            inner.clear()  # its other settings belong to the old kind
        settings, schema = inner, subsection(schema, section) or Section
    settings[last] = value


def _record(origin: dict[str, str], settings: Mapping[Any, Any], stated: Mapping[Any, Any], where: str) -> None:
    """Note where settings, and the sections they are in, were given, the latest last; forget those that are replaced.

    Args:
        origin: from a dotted name to a place; it is changed.
        settings: all of them, those that are stated included.
        stated: what a file or an override gives.
        where: that file or override.
    """
    for name in _names(stated):
        origin.pop(name, None)
        origin[name] = where
    for name in origin.keys() - set(_names(settings)):
        del origin[name]


def _names(settings: Mapping[Any, Any], prefix: str = "") -> Iterator[str]:
    """The dotted names of settings and of the sections they are in."""
    for key, value in settings.items():
        yield f"{prefix}{key}"
        if isinstance(value, Mapping):
            yield from _names(value, f"{prefix}{key}.")


def _place_of(origin: Mapping[str, str], path: str, key: str) -> str:
    """Where a setting was given, of a section the latest in it; one that is missing: where its section was."""
    name = re.sub(r"\[\d+\]", "", key)
    while name:
        inside = [where for each, where in origin.items() if f"{each}.".startswith(f"{name}.")]
        if inside:
            return inside[-1]
        name = name.rpartition(".")[0]
    return path
