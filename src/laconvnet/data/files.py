"""Writing a file so that it is at any moment absent, old, or complete."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path


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
