"""The configurations that ship with the package: found by name, described, and copied."""

from __future__ import annotations

import difflib
import os
from pathlib import Path

from laconvnet.training.config_yaml import read_chain


def config_folder() -> Path:
    """Return the folder of the shipped configurations: in the package, or that of a clone it is installed from.

    Raises:
        FileNotFoundError: there is none.
    """
    package = Path(__file__).parents[1]
    clone = package.parents[1]
    if (shipped := package / "configs").is_dir():
        return shipped
    if (clone / "pyproject.toml").is_file() and (clone / "configs").is_dir():
        return clone / "configs"
    raise FileNotFoundError(f"this installation has no configurations: {shipped} is missing")


def config_names() -> list[str]:
    """List the shipped configurations by name, such as "recipes/near_rec".

    A file whose name starts with an underscore is no run of its own, only a base of others; it is not listed.
    """
    folder = config_folder()
    files = (path for path in folder.rglob("*.yaml") if not path.name.startswith("_"))
    return sorted(path.relative_to(folder).with_suffix("").as_posix() for path in files)


def find_config(name: Path | str) -> Path:
    """Return the file of a run's settings.

    Args:
        name: path of a file; or, where there is no such file, the name of a shipped configuration or its last parts
            if no other ends so: "near_rec" for "recipes/near_rec".

    Raises:
        FileNotFoundError: it is neither, or several names end so; names the nearest ones.
    """
    path = Path(name)
    if path.exists() and not path.is_dir():
        return path
    wanted = path.as_posix().removeprefix("configs/").removesuffix(".yaml")
    names = config_names()
    found = [each for each in names if each == wanted] or [each for each in names if each.endswith(f"/{wanted}")]
    if len(found) == 1:
        return config_folder() / f"{found[0]}.yaml"
    if found:
        raise FileNotFoundError(f"{name} may be one of several configurations: {', '.join(found)}")
    endings = {"/".join(each.split("/")[start:]): each for each in names for start in range(each.count("/") + 1)}
    close = difflib.get_close_matches(wanted, endings, n=3, cutoff=0.6)
    meant = ", ".join(dict.fromkeys(endings[each] for each in close))
    hint = f"did you mean {meant}?" if meant else "laconvnet config list names those that ship"
    raise FileNotFoundError(f"{name}: there is no such file, and no configuration of that name; {hint}")


def description(path: Path) -> str:
    """Return the first line of a configuration's comment, which says what it is for."""
    first, *_ = path.read_text(encoding="utf-8").splitlines() or [""]
    return first.removeprefix("#").strip() if first.startswith("#") else ""


def copy_config(name: Path | str, target: Path) -> list[Path]:
    """Copy a configuration, with the files that it builds on, into a folder.

    The files lie to each other there as they do here, so that each still finds its base.

    Args:
        name: as in `find_config`.
        target: folder, which is made.

    Returns:
        The copies, the configuration itself first. A file that is there already with the same content counts as one.

    Raises:
        FileExistsError: a file of another content is there; names it, and nothing is written.
        FileNotFoundError: there is no such configuration.
    """
    files = [path.absolute() for path, _ in read_chain(find_config(name))]
    shared = Path(os.path.commonpath([path.parent for path in files]))
    copies = {target / path.relative_to(shared): path.read_bytes() for path in files}
    new = {copy: content for copy, content in copies.items() if not (copy.is_file() and copy.read_bytes() == content)}
    for copy in new:
        if copy.exists():
            raise FileExistsError(f"{copy} exists and is another file; nothing was copied")
    for copy, content in new.items():
        copy.parent.mkdir(parents=True, exist_ok=True)
        with copy.open("xb") as file:
            file.write(content)
    return list(copies)
