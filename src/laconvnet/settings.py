"""Groups of settings: strict, immutable, and refused with the nearest name where one is misspelt."""

from __future__ import annotations

import dataclasses
import difflib
import inspect
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model
from pydantic_core import InitErrorDetails, PydanticCustomError

Settings = TypeVar("Settings", bound=BaseModel)

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]


class Section(BaseModel):
    """A group of settings that cannot be changed after reading and refuses a name it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @classmethod
    def open_sections(cls) -> Mapping[str, type[BaseModel]]:
        """Return the groups of settings below fields whose types do not say them."""
        return {}


def read_json(path: Path) -> Any:
    """Return what a JSON file holds.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no JSON; the message names the file.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is no JSON: {error}") from None


def check(kind: type[Settings], values: Any, where: str, prefix: str = "") -> Settings:
    """Return settings made of plain values.

    Args:
        kind: the group of settings.
        values: what a JSON or YAML file holds.
        where: the file, for errors.
        prefix: the dotted name of the group in that file.

    Raises:
        ValueError: a name is unknown, or a value is not allowed; one line for each, with the file, the name, the value
            and what is allowed.
    """
    try:
        # Through JSON, so that strict checking still takes a string for a path and a list for a tuple.
        return kind.model_validate_json(json.dumps(values), strict=True)
    except ValidationError as error:
        raise ValueError("\n".join(explain(error, kind, lambda _: where, prefix))) from None


def explain(
    error: ValidationError, root: type[BaseModel], where: Callable[[str], str], prefix: str = ""
) -> Iterator[str]:
    """Describe what is wrong with settings, one line for each of them; the alternatives of one share a line.

    Args:
        error: what pydantic raised.
        root: the outermost group of settings.
        where: from the dotted name of a setting, the place it was read from.
        prefix: the dotted name of `root` in the file.
    """
    grouped: dict[str, list[Any]] = {}
    for item in error.errors():
        grouped.setdefault(dotted(root, item["loc"]), []).append(item)
    for key, found in grouped.items():
        # A list is also called too short where values are left out because they are wrong.
        items = [item for item in found if item["type"] != "too_short"] or found
        place, name = where(key), f"{prefix}.{key}" if prefix and key else prefix + key
        kinds = {item["type"] for item in items}
        if "extra_forbidden" in kinds:
            yield f"{place}: unknown setting {name!r}; {_nearest(root, key, prefix)}"
        elif "missing" in kinds and not isinstance(items[0]["loc"][-1], int):
            yield f"{place}: the setting {name!r} is missing and has no default"
        elif not name:
            yield f"{place}: {'; '.join(item['msg'].removeprefix('Value error, ') for item in items)}"
        elif "value_error" in kinds:
            yield f"{place}: {name}: {'; '.join(item['msg'].removeprefix('Value error, ') for item in items)}"
        else:
            allowed = " or ".join(dict.fromkeys(map(_allowed, items)))
            yield f"{place}: {name} is {_shown(items[0]['input'])}, allowed: {allowed}"


def _allowed(item: Any) -> str:
    """What a wrong value should have been."""
    match item["type"]:
        case "union_tag_invalid":
            return str(item["ctx"]["expected_tags"])
        case "union_tag_not_found":
            return f"an object with {item['ctx']['discriminator']}" if isinstance(item["input"], dict) else "an object"
        case "too_long":
            return f"at most {item['ctx']['max_length']} values"
        case "too_short":
            least = item["ctx"]["min_length"]
            return f"at least {least} value{'s' * (least > 1)}"
        case "missing":
            return "more values"
    return str(item["msg"]).removeprefix("Input should be ")


def section_of(kind: type[Any], name: str) -> type[Section]:
    """Return the group of settings that a dataclass has: fields, defaults, and what its docstring says of them.

    Args:
        kind: the dataclass; its docstring describes its fields under "Attributes:".
        name: of the group.
    """
    described = _attributes(kind.__doc__ or "")
    hints = get_type_hints(kind)
    fields: dict[str, Any] = {
        each.name: (hints[each.name], Field(default=each.default, description=described[each.name]))
        for each in dataclasses.fields(kind)
    }
    return cast(type[Section], create_model(name, __base__=Section, **fields))


def _attributes(docstring: str) -> dict[str, str]:
    """What a docstring says of each attribute, on one line."""
    _, _, text = inspect.cleandoc(docstring).partition("Attributes:\n")
    block = text.split("\n\n")[0]
    found: dict[str, str] = {}
    for line in block.splitlines():
        if match := re.match(r" {4}(\w+): (.*)", line):
            name = match[1]
            found[name] = match[2]
        else:
            found[name] += " " + line.strip()
    return found


def relocated(error: ValidationError, *location: str) -> ValidationError:
    """Return what pydantic raised about a group of settings as an error about the group that holds it."""
    lines = [
        InitErrorDetails(
            type=PydanticCustomError(item["type"], item["msg"], item.get("ctx")),
            loc=(*location, *item["loc"]),
            input=item["input"],
        )
        for item in error.errors()
    ]
    return ValidationError.from_exception_data(error.title, lines)


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 120 else text[:117] + "..."


def dotted(root: type[BaseModel], location: Sequence[Any]) -> str:
    """Return a setting's name: what the location of an error says, as far as it follows the sections."""
    section: type[BaseModel] | None = root
    names: list[str] = []
    for part in location:
        if section is None:
            break
        if isinstance(part, int):
            names[-1] += f"[{part}]"
            continue
        if part in _kinds_of(section):  # pydantic names the member of a union
            continue
        names.append(str(part))
        section = subsection(section, str(part))
    return ".".join(names)


def _kinds_of(section: type[BaseModel]) -> tuple[Any, ...]:
    """The values of the field that tells the members of a union apart."""
    field = section.model_fields.get("kind")
    return () if field is None else get_args(_bare(field.annotation))


def _bare(annotation: Any) -> Any:
    """A type without None."""
    if get_origin(annotation) in (Union, type(int | None)):
        return next((inner for inner in get_args(annotation) if inner is not type(None)), annotation)
    return annotation


def subsection(parent: type[BaseModel], name: str) -> type[BaseModel] | None:
    """Return the settings below a name, which may also be null, a list of such groups, or one of several kinds.

    The members of a union stand together: each of their names is known.
    """
    groups = _groups(parent, name)
    if len(groups) < 2:
        return next(iter(groups), None)
    fields: dict[str, Any] = {}
    for group in groups:
        for key, value in group.model_fields.items():
            if key == "kind" and key in fields:
                values = (*get_args(_bare(fields[key][0])), *get_args(_bare(value.annotation)))
                fields[key] = (Literal[values], value)
            else:
                fields.setdefault(key, (value.annotation, value))
    return cast(type[BaseModel], create_model("Union", **fields))


def _groups(parent: type[BaseModel], name: str) -> list[type[BaseModel]]:
    """The groups of settings that may stand below a name: several where their `kind` tells them apart."""
    if issubclass(parent, Section) and name in (sections := parent.open_sections()):
        return [sections[name]]
    field = parent.model_fields.get(name.partition("[")[0])
    if field is None:
        return []
    return [kind for kind in _kinds(field.annotation) if isinstance(kind, type) and issubclass(kind, BaseModel)]


def _kinds(annotation: Any) -> Iterator[Any]:
    """A type, and those that it is made of."""
    yield annotation
    for inner in get_args(annotation):
        yield from _kinds(inner)


def _is_list(parent: type[BaseModel], name: str) -> bool:
    return any(get_origin(kind) is tuple for kind in _kinds(parent.model_fields[name].annotation))


def setting_names(section: type[BaseModel], prefix: str = "") -> list[str]:
    """List the dotted names of all settings, sections left out.

    Args:
        section: where to start.
        prefix: what to put before each name.

    Returns:
        Names such as "optimizer.lr", or "data.sources[].root" in a list, in the order in which they are declared.
    """
    names: list[str] = []
    for name in section.model_fields:
        inner = subsection(section, name)
        below = f"{prefix}{name}[]." if _is_list(section, name) else f"{prefix}{name}."
        names += setting_names(inner, below) if inner else [prefix + name]
    return names


def _nearest(root: type[BaseModel], key: str, prefix: str) -> str:
    """What an unknown setting may have meant: a name beside it, else one like it anywhere."""
    *sections, last = key.split(".")
    parent: type[BaseModel] = root
    for section in sections:
        parent = subsection(parent, section) or parent
    outer = f"{prefix}." if prefix else ""
    beside = {name: outer + ".".join([*sections, name]) for name in parent.model_fields}
    anywhere = {name.rpartition(".")[2]: outer + name for name in reversed(setting_names(root))}
    for names in (beside, {last: anywhere[last]} if last in anywhere else {}, anywhere):
        if close := difflib.get_close_matches(last, names, n=1, cutoff=0.7):
            meant = names[close[0]]
            return f"did you mean {meant!r}?" if meant != outer + key else "it belongs to another kind"
    return f"known here: {', '.join(beside.values())}"


def merge(base: Mapping[str, Any], changes: Mapping[str, Any], schema: type[BaseModel]) -> dict[str, Any]:
    """Return settings with some replaced, section by section.

    Args:
        base: the settings.
        changes: what replaces them.
        schema: the group of settings that they are of. Where a section is one of several kinds, one of another kind
            replaces the whole section, whose other settings belong to its own kind.
    """
    merged = dict(base)
    for key, value in changes.items():
        old = merged.get(key)
        if isinstance(old, Mapping) and isinstance(value, Mapping) and not changes_kind(schema, key, old, value):
            merged[key] = merge(old, value, subsection(schema, key) or Section)
        else:
            merged[key] = value
    return merged


def changes_kind(schema: type[BaseModel], name: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    """Return whether a section that is one of several kinds becomes another by the new settings.

    Args:
        schema: the group of settings that it is in.
        name: its name there.
        old: its settings; a kind that is not said is the first one.
        new: what replaces some of them.
    """
    groups = _groups(schema, name)
    if len(groups) < 2 or "kind" not in new:
        return False
    return bool(old.get("kind", groups[0].model_fields["kind"].default) != new["kind"])


def flat(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested settings by their dotted names; an empty section stays as it is."""
    found: dict[str, Any] = {}
    for name, value in settings.items():
        if isinstance(value, Mapping) and value:
            found |= flat(value, f"{prefix}{name}.")
        else:
            found[prefix + name] = value
    return found
