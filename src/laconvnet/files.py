"""Writing files and folders so that they are at any moment absent, old, or complete."""

from __future__ import annotations

import json
import math
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO


def replace_file(path: Path, write: Callable[[Path], object], *, sync: bool = True) -> None:
    """Writes a file aside, under this process's own name, then puts it in place in one move.

    Args:
        path: the file to make or replace; its folder is made.
        write: writes the content to the path it is given.
        sync: wait until the content is on the disk, so that it also survives a power cut.

    Raises:
        OSError: when writing fails; the previous file stays and nothing partial is left.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    try:
        write(partial)
        if sync:
            with partial.open("rb") as written:
                os.fsync(written.fileno())
        os.replace(partial, path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def replace_folder(partial: Path, target: Path) -> None:
    """Put a finished folder in the place of another; if that fails, the old one is back.

    Args:
        partial: the finished folder, on the same file system.
        target: its place, free or taken by the previous folder.
    """
    previous = target.with_name(target.name + ".previous")
    shutil.rmtree(previous, ignore_errors=True)
    if target.exists():
        os.replace(target, previous)
    try:
        os.replace(partial, target)
    except OSError:
        if previous.exists():
            os.replace(previous, target)
        raise
    shutil.rmtree(previous, ignore_errors=True)


def to_json(values: Any, *, indent: int | None = None) -> str:
    """Return plain values, dicts and lists nested, as JSON as the standard has it: a number that is not finite is null.

    Args:
        values: what to write.
        indent: spaces by which each level is indented; None writes one line.
    """

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: plain(inner) for name, inner in value.items()}
        if isinstance(value, list | tuple):
            return [plain(inner) for inner in value]
        return None if isinstance(value, float) and not math.isfinite(value) else value

    return json.dumps(plain(values), indent=indent, ensure_ascii=False, allow_nan=False)


def write_json(path: Path, values: Any) -> None:
    """Write plain values as indented JSON, see `to_json` and `replace_file`."""
    replace_file(path, lambda partial: partial.write_text(to_json(values, indent=2) + "\n", encoding="utf-8"))


def check_writable(path: Path) -> None:
    """Find out whether a file can be written, before hours go into what shall stand in it; its folder is made.

    Raises:
        OSError: it is a folder, or its folder cannot be made or written to; names it.
    """
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder; a file is to be written there")
    path.parent.mkdir(parents=True, exist_ok=True)
    probe = path.with_name(f"{path.name}.{os.getpid()}.partial")
    try:
        probe.touch()
    except OSError as error:
        raise OSError(f"{path} cannot be written: {error.strerror or error}") from error
    probe.unlink()


@contextmanager
def replacing(path: Path) -> Iterator[TextIO]:
    """Write a text file line by line, aside; when the block ends without an error, it is put in place in one move."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    try:
        with partial.open("w", encoding="utf-8", newline="\n") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
