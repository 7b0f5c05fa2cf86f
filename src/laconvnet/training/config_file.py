"""Reading a run's settings from YAML and the command line, with errors that say where and what instead."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError

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
        raise ConfigError("\n".join(_explain(error, origin, str(path)))) from None
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


def _explain(error: ValidationError, origin: dict[str, str], path: str) -> Iterator[str]:
    """One line per wrong setting; the alternatives of one setting share a line."""
    grouped: dict[str, list[Any]] = {}
    for item in error.errors():
        grouped.setdefault(_dotted(item["loc"]), []).append(item)
    for key, items in grouped.items():
        related = (text for name, text in origin.items() if f"{key}.".startswith(f"{name}."))
        nested = (text for name, text in origin.items() if name.startswith(f"{key}."))
        where = next(related, next(nested, path) if key else path)
        kinds = {item["type"] for item in items}
        if "extra_forbidden" in kinds:
            yield f"{where}: unknown setting {key!r}; {_nearest(key)}"
        elif "missing" in kinds:
            yield f"{where}: the setting {key!r} is missing and has no default"
        elif not key:
            yield f"{where}: {'; '.join(item['msg'].removeprefix('Value error, ') for item in items)}"
        else:
            allowed = " or ".join(dict.fromkeys(item["msg"].removeprefix("Input should be ") for item in items))
            yield f"{where}: {key} is {items[0]['input']!r}, allowed: {allowed}"


def _dotted(location: Sequence[Any]) -> str:
    """The setting's name: what the location says as far as it follows the sections."""
    section: type[BaseModel] | None = TrainConfig
    names: list[str] = []
    for part in location:
        if section is None:
            break
        if isinstance(part, int):
            names[-1] += f"[{part}]"
            continue
        names.append(str(part))
        section = _section(section, str(part))
    return ".".join(names)


def _section(parent: type[BaseModel], name: str) -> type[BaseModel] | None:
    """The settings below a name, which may also be null, or a list of such groups."""
    field = parent.model_fields.get(name.partition("[")[0])
    kinds = _kinds(field.annotation) if field else ()
    return next((kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)), None)


def _kinds(annotation: Any) -> Iterator[Any]:
    """A type, and those that it is made of."""
    yield annotation
    for inner in get_args(annotation):
        yield from _kinds(inner)


def _is_list(parent: type[BaseModel], name: str) -> bool:
    return any(get_origin(kind) is tuple for kind in _kinds(parent.model_fields[name].annotation))


def setting_names(section: type[BaseModel] = TrainConfig, prefix: str = "") -> list[str]:
    """List the dotted names of all settings, sections left out.

    Args:
        section: where to start.
        prefix: what to put before each name.

    Returns:
        Names such as "optimizer.lr", or "data.sources[].root" in a list, in the order in which they are declared.
    """
    names: list[str] = []
    for name in section.model_fields:
        inner = _section(section, name)
        below = f"{prefix}{name}[]." if _is_list(section, name) else f"{prefix}{name}."
        names += setting_names(inner, below) if inner else [prefix + name]
    return names


def _nearest(key: str) -> str:
    """What the unknown setting may have meant: a name beside it, else one like it anywhere."""
    *sections, last = key.split(".")
    parent: type[BaseModel] = TrainConfig
    for section in sections:
        parent = _section(parent, section) or parent
    beside = {name: ".".join([*sections, name]) for name in parent.model_fields}
    anywhere = {name.rpartition(".")[2]: name for name in reversed(setting_names())}
    for names in (beside, {last: anywhere[last]} if last in anywhere else {}, anywhere):
        if close := difflib.get_close_matches(last, names, n=1, cutoff=0.7):
            return f"did you mean {names[close[0]]!r}?"
    return f"known here: {', '.join(beside.values())}"
