"""Lists in JSON files that are too large to be held in memory, one element at a time."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

_PIECE = 1 << 20  # characters
_SPACE = re.compile(r"[ \t\r\n]*")


def stream_objects(path: Path, key: str | None = None) -> Iterator[dict[str, Any]]:
    """Yields the objects of a list in a JSON file; held in memory are one of them and about a MiB.

    Args:
        path: the file.
        key: under which the list lies in the file's object; None if the file is the list.

    Raises:
        ValueError: not JSON up to its end, or without such a list; names the file, and the line where it is not JSON.
    """
    with path.open(encoding="utf-8") as file:
        text = _Text(path, file)
        if key is None:
            yield from text.objects()
        else:
            found = False
            for name in text.keys():
                if name == key:
                    found = True
                    yield from text.objects()
                else:
                    text.value()
            if not found:
                raise ValueError(f"{path}: must be an object with a list of objects under {key!r}")
        text.end()


class _Text:
    """A JSON file of which a piece is held, and a place in that piece."""

    def __init__(self, path: Path, file: TextIO) -> None:
        self._path, self._file = path, file
        self._held, self._place, self._lines_before = "", 0, 0
        self._decode = json.JSONDecoder().raw_decode

    def objects(self) -> Iterator[dict[str, Any]]:
        """The elements of the list that comes next."""
        for _ in self._parts("[", "{", "]"):
            yield self.value()

    def keys(self) -> Iterator[str]:
        """The keys of the object that comes next; whoever iterates takes the value of each."""
        for _ in self._parts("{", '"', "}"):
            name = self.value()
            self._take(":")
            yield name

    def value(self) -> Any:
        """The value that comes next."""
        self._skip_space()
        while True:
            problem = None
            try:
                value, end = self._decode(self._held, self._place)
            except json.JSONDecodeError as error:
                problem, end = error, len(self._held)
            # What ends with the piece that is held may go on in the next.
            if end == len(self._held) and self._read_on():
                continue
            if problem is not None:
                raise self._error(problem.msg, problem.pos)
            self._place = end
            return value

    def end(self) -> None:
        """Nothing but space may follow."""
        self._skip_space()
        if self._place < len(self._held):
            raise self._error("more text after the end", self._place)

    def _parts(self, start: str, first: str, stop: str) -> Iterator[None]:
        """Comes to each part of a list or object, of which each begins with `first`."""
        self._take(start)
        if self._next(first + stop) != stop:
            yield
            while self._next("," + stop) != stop:
                self._take(",")
                self._next(first)
                yield
        self._take(stop)

    def _next(self, signs: str) -> str:
        """The sign that comes next, one of some."""
        self._skip_space()
        sign = self._held[self._place : self._place + 1]
        if not sign or sign not in signs:
            wanted = " or ".join(map(repr, signs))
            raise self._error(f"{wanted} is needed, got {repr(sign) if sign else 'the end of the file'}", self._place)
        return sign

    def _take(self, sign: str) -> None:
        self._next(sign)
        self._place += 1

    def _skip_space(self) -> None:
        while True:
            match = _SPACE.match(self._held, self._place)
            assert match is not None
            self._place = match.end()
            if self._place < len(self._held) or not self._read_on():
                return

    def _read_on(self) -> bool:
        """Holds as much again of the file, without what lies before the place; False at the file's end."""
        try:
            piece = self._file.read(max(_PIECE, len(self._held) - self._place))
        except UnicodeDecodeError as error:
            raise ValueError(f"{self._path}: not JSON: {error}") from None
        self._lines_before += self._held.count("\n", 0, self._place)
        self._held, self._place = self._held[self._place :] + piece, 0
        return bool(piece)

    def _error(self, problem: str, place: int) -> ValueError:
        line = self._lines_before + self._held.count("\n", 0, place) + 1
        return ValueError(f"{self._path}:{line}: not JSON as it should be: {problem}")
