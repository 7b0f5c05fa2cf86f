"""The YAML of settings, and files of settings that build on others."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import yaml


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


def parse(text: str, where: str) -> Any:
    """Return the plain values of a YAML text.

    Raises:
        ConfigError: it is not valid; the message begins with `where`.
    """
    try:
        return yaml.load(text, Loader=_Loader)  # a SafeLoader: builds plain values only
    except yaml.YAMLError as error:
        raise ConfigError(f"{where}: not valid YAML: {error}") from None


def read_chain(path: Path) -> list[tuple[Path, dict[str, Any]]]:
    """Return a file of settings and those it builds on: its `base`, the base of that, and so on.

    Args:
        path: YAML file. `base` in it is the path of another, relative to the folder of the file that names it.

    Returns:
        Each file with the settings that it states itself, `base` left out, the given file first.

    Raises:
        ConfigError: a file holds no settings or a dotted name, a base is no path or missing, or bases lead in a circle.
        FileNotFoundError: there is no such file.
    """
    chain: list[tuple[Path, dict[str, Any]]] = []
    while True:
        settings = parse(path.read_text(encoding="utf-8"), str(path))
        if not isinstance(settings, dict):
            raise ConfigError(f"{path}: expected settings as 'name: value', got {type(settings).__name__}")
        if dotted := [key for key in settings if isinstance(key, str) and "." in key]:
            section, _, name = dotted[0].partition(".")
            raise ConfigError(
                f"{path}: {dotted[0]!r} is written so in an override only; here {section}: {{{name}: ...}}"
            )
        has_base, base = "base" in settings, settings.pop("base", None)
        chain.append((path, settings))
        if not has_base:
            return chain
        if not isinstance(base, str) or not base:
            raise ConfigError(f"{path}: base is {base!r}, allowed: the path of a file of settings")
        place = Path(os.path.normpath(path.parent / base))
        if not place.is_file():
            raise ConfigError(f"{path}: base is {base!r}, and there is no file {place}")
        if any(place.samefile(seen) for seen, _ in chain):
            circle = " -> ".join(str(each) for each in [*(seen for seen, _ in chain), place])
            raise ConfigError(f"{path}: base is {base!r}, which leads in a circle: {circle}")
        path = place
