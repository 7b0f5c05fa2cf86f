"""Pickles that hold nothing but plain containers."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any, NoReturn


class _PlainUnpickler(pickle.Unpickler):
    """Builds dicts, lists, tuples, texts and numbers, and looks up no class and no function."""

    def find_class(self, module: str, name: str) -> NoReturn:
        raise pickle.UnpicklingError(f"it asks for {module}.{name}, and only plain containers are read")

    def persistent_load(self, key: Any) -> NoReturn:
        raise pickle.UnpicklingError("it refers to objects outside itself, and only plain containers are read")


def load_plain_pickle(path: Path) -> Any:
    """Read a pickle that can run nothing: whatever is not a plain container, text or number is refused.

    Raises:
        ValueError: it is no pickle, is cut short, or holds something else; names the file.
    """
    try:
        with path.open("rb") as file:
            # Files of Python 2, whose texts are bytes.
            return _PlainUnpickler(file, encoding="utf-8", errors="replace").load()
    except (pickle.UnpicklingError, EOFError, ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
        raise ValueError(f"{path}: not a pickle of plain containers: {error}") from None
