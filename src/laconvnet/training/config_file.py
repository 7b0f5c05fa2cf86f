"""Reading a run's settings from YAML and the command line, with errors that say where and what instead."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from laconvnet.settings import explain
from laconvnet.training.config import TrainConfig


class ConfigError(ValueError):
    """A setting that does not exist or cannot have the value it was given."""


class _Loader(yaml.SafeLoader):
    """YAML in which `no` is a word, `1e-4` a number, and a key stands only once."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if key.value in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key.value!r} stands twice", key.start_mark
                )
            seen.add(key.value)
        return super().construct_mapping(node, deep)


_REPLACED = {"tag:yaml.org,2002:bool", "tag:yaml.org,2002:float", "tag:yaml.org,2002:timestamp"}
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag not in _REPLACED]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"^(true|True|false|False)$"), list("tTfF"))
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(\d+\.\d*([eE][-+]?\d+)?|\.\d+([eE][-+]?\d+)?|\d+[eE][-+]?\d+)$"),
    list("-+.0123456789"),
)


def load_config(path: Path | str, overrides: Sequence[str] = ()) -> TrainConfig:
    """Read the settings of a run.

    Args:
        path: YAML file with the fields of `TrainConfig`.
        overrides: settings that replace those of the file, as "section.name=value" with a YAML value.

    Returns:
        The settings, complete and checked.

    Raises:
        ConfigError: when the file is no mapping, a name is unknown (the nearest valid one is named) or a
            value is not allowed; the message begins with the file or the override.
        FileNotFoundError: when there is no such file.
    """
    settings = _parse(Path(path).read_text(encoding="utf-8"), str(path))
    if not isinstance(settings, dict):
        raise ConfigError(f"{path}: expected settings as 'name: value', got {type(settings).__name__}")
    origin: dict[str, str] = {}
    for override in overrides:
        name, separator, text = override.partition("=")
        name = name.strip()
        if not separator or not name:
            raise ConfigError(f"override {override!r}: expected section.name=value")
        _place(settings, name, _parse(text, f"override {override!r}"), override)
        origin[name] = f"override {override!r}"
    try:
        # Through JSON, so that strict checking still takes a string for a path and a list for a tuple.
        return TrainConfig.model_validate_json(json.dumps(settings), strict=True)
    except ValidationError as error:
        raise ConfigError("\n".join(explain(error, TrainConfig, partial(_place_of, origin, str(path))))) from None
    except TypeError as error:
        raise ConfigError(f"{path}: {error}") from None


def _parse(text: str, where: str) -> Any:
    try:
        return yaml.load(text, Loader=_Loader)  # a SafeLoader: builds plain values only
    except yaml.YAMLError as error:
        raise ConfigError(f"{where}: not valid YAML: {error}") from None


def _place(settings: dict[str, Any], name: str, value: Any, override: str) -> None:
    *sections, last = name.split(".")
    for section in sections:
        settings = settings.setdefault(section, {})
        if not isinstance(settings, dict):
            raise ConfigError(f"override {override!r}: {section!r} is a value, not a section")
    settings[last] = value


def _place_of(origin: Mapping[str, str], path: str, key: str) -> str:
    """Where a setting was given: the override that names it, one above it or one below it, or else the file."""
    above = (text for name, text in origin.items() if f"{key}.".startswith(f"{name}."))
    below = (text for name, text in origin.items() if name.startswith(f"{key}."))
    return next(above, next(below, path) if key else path)
