"""Word vectors learned from text, and the embedding they start.

A small GloVe table ships with the package; a GloVe text file of the user's loads by path. The shipped table
stores each row as 8-bit integers q and one scale s, the vector being s·q.
"""

from __future__ import annotations

import os
import zipfile
import zlib
from array import array
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from math import isfinite
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from laconvnet.language.vocabulary import Vocabulary

__all__ = ["WordVectors", "embedding_matrix", "load_word_vectors"]

_SHIPPED_TABLE = Path(__file__).with_name("glove_100d.npz")
_FLOAT32_MAX = float(np.finfo(np.float32).max)
_TABLE_FIELDS = ("words", "values", "scales", "source", "licence")
_BROKEN_TABLE = (ValueError, KeyError, IndexError, TypeError, EOFError, zipfile.BadZipFile, zlib.error)


@dataclass(frozen=True, eq=False)
class WordVectors:
    """A table of word vectors.

    Args:
        words: V different words.
        matrix: float32 (V, D), one row per word; becomes a read-only view.
        source: where the vectors come from and their licence, in words.

    Raises:
        ValueError: `matrix` is not float32 with one row per word, or a word is repeated.
    """

    words: tuple[str, ...]
    matrix: NDArray[np.float32]
    source: str = ""

    def __post_init__(self) -> None:
        if self.matrix.dtype != np.float32 or self.matrix.ndim != 2 or len(self.matrix) != len(self.words):
            raise ValueError(
                f"matrix is {self.matrix.dtype} {self.matrix.shape}; "
                f"allowed: float32 ({len(self.words)}, D), one row per word"
            )
        if len(self._rows) != len(self.words):
            repeated = len(self.words) - len(self._rows)
            raise ValueError(f"{repeated} words are repeated; allowed: each word once")
        read_only = self.matrix.view()
        read_only.flags.writeable = False
        object.__setattr__(self, "matrix", read_only)

    @cached_property
    def _rows(self) -> dict[str, int]:
        return {word: row for row, word in enumerate(self.words)}

    @property
    def dimension(self) -> int:
        """Length D of a vector."""
        return int(self.matrix.shape[1])

    def __len__(self) -> int:
        return len(self.words)

    def __contains__(self, word: object) -> bool:
        return word in self._rows

    def __getitem__(self, word: str) -> NDArray[np.float32]:
        """Return the vector (D,) of a word; KeyError if it has none."""
        vector: NDArray[np.float32] = self.matrix[self._rows[word]]
        return vector

    def __repr__(self) -> str:
        return f"WordVectors({len(self)} words, dimension={self.dimension})"

    def restricted_to(self, keep: Collection[str]) -> WordVectors:
        """Return the table of only those words that are also in `keep`, in this table's order."""
        wanted = frozenset(keep)
        rows = [row for row, word in enumerate(self.words) if word in wanted]
        return WordVectors(tuple(self.words[row] for row in rows), self.matrix[rows], self.source)


def load_word_vectors(
    path: str | os.PathLike[str] | None = None, *, keep: Collection[str] | None = None
) -> WordVectors:
    """Load the shipped word vectors, or a file of the user's.

    Args:
        path: None for the shipped table (GloVe, D = 100, lower-case English). Otherwise a text file with one
            ``word v1 ... vD`` per line, as GloVe publishes them (a first line ``V D``, as word2vec writes it,
            is understood, and so are words that contain spaces), or an ``.npz`` table that
            ``tools/build_word_vectors.py`` wrote. Of a word listed twice the first vector counts.
        keep: read only these words, for example `Vocabulary.words`, so that a file of several GB needs little
            memory. Lines of other words are skipped without being checked.

    Returns:
        The table.

    Raises:
        OSError: the file cannot be read.
        ValueError: the file is broken (the message says ``file:line``) or holds none of the words to keep.
    """
    if path is not None and Path(path).suffix != ".npz":
        vectors = _read_text(Path(path), keep)
    else:
        vectors = _shipped_vectors() if path is None else _read_table(Path(path))
        if keep is not None:
            vectors = vectors.restricted_to(keep)
    if not len(vectors):
        missing = "no word" if keep is None else f"none of the {len(keep)} words to keep"
        raise ValueError(
            f"{path or _SHIPPED_TABLE}: holds {missing}; allowed: a table with at least one, in the same case"
        )
    return vectors


def embedding_matrix(
    vocabulary: Vocabulary, vectors: WordVectors, seed: int = 0, *, standardize: bool = False
) -> torch.Tensor:
    """Build the first weights of an embedding.

    A listed word takes its vector. Words without one, and the buckets of unknown words, get independent
    normal numbers whose root mean square is that of the table: they look like words, only without a meaning
    yet.

    GloVe vectors share a large common part ("small" and "large" have a cosine of 0.93). Standardised, every
    number of the listed words has mean 0 and deviation 1 over the vocabulary, and words differ from the start.

    Args:
        vocabulary: the ids.
        vectors: the table, at least one word.
        seed: of the random rows, >= 0. The same arguments give the same matrix.
        standardize: take the common part out.

    Returns:
        float32 (len(vocabulary), D); row 0, the padding, is zero.

    Raises:
        ValueError: `vectors` is empty.
    """
    if not len(vectors):
        raise ValueError("vectors holds no word; allowed: a table with at least one word")
    scale = np.sqrt(np.mean(np.square(vectors.matrix, dtype=np.float64)))
    shape = (len(vocabulary), vectors.dimension)
    matrix = (scale * np.random.default_rng(seed).standard_normal(shape)).astype(np.float32)
    matrix[0] = 0.0
    for word in vocabulary.words:
        if word in vectors:
            matrix[vocabulary.id(word)] = vectors[word]
    if standardize:
        words = matrix[len(vocabulary) - len(vocabulary.words) :]
        matrix[1:] = (matrix[1:] - words.mean(0)) / np.maximum(words.std(0), 1e-6)
    return torch.from_numpy(matrix)


@lru_cache(maxsize=1)
def _shipped_vectors() -> WordVectors:
    return _read_table(_SHIPPED_TABLE)


def _read_table(path: Path) -> WordVectors:
    """Read the 8-bit form: words (utf-8 bytes, one per line), values int8 (V, D), scales float16 (V,)."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as table:
            words, values, scales, source, licence = (table[field] for field in _TABLE_FIELDS)
        return WordVectors(
            words=tuple(words.tobytes().decode("utf-8").split("\n")),
            matrix=values.astype(np.float32) * scales.astype(np.float32)[:, None],
            source=f"{source} Licence: {licence}",
        )
    except _BROKEN_TABLE as error:
        raise ValueError(f"{path}: not a table of word vectors ({error}); allowed: {_TABLE_FIELDS}") from error


def _read_text(path: Path, keep: Collection[str] | None) -> WordVectors:
    """Read the text form into one flat buffer of float32."""
    rows: dict[str, None] = {}
    values = array("f")
    dimension = 0
    with path.open("rb") as file:
        for word, columns in _read_lines(path, file, keep):
            if word not in rows:
                rows[word] = None
                values.extend(columns)
                dimension = len(columns)
    matrix = np.frombuffer(values, dtype=np.float32).reshape(len(rows), dimension)
    return WordVectors(tuple(rows), matrix, source=str(path))


def _read_lines(path: Path, lines: Iterable[bytes], keep: Collection[str] | None) -> Iterator[tuple[str, list[float]]]:
    """Yield (word, vector) of each line to keep, checking its columns.

    The vector is counted from the right, since a few GloVe words contain spaces. Only the byte 0x20
    separates: other Unicode spaces are part of words.
    """
    wanted = None if keep is None else frozenset(keep)
    heads = None if keep is None else {word.encode().partition(b" ")[0] for word in keep}
    dimension, announced, number = 0, None, 0
    for number, raw in enumerate(lines, start=1):
        line = raw.rstrip(b" \r\n")
        if number == 1:
            columns = line.split(b" ")
            if len(columns) == 2 and columns[0].isdigit() and columns[1].isdigit():
                announced, dimension = int(columns[0]), int(columns[1])
                continue
            dimension = len(columns) - 1
        if heads is not None and line.partition(b" ")[0] not in heads:
            continue
        word, values = _parse_line(line, dimension, f"{path}:{number}")
        if wanted is None or word in wanted:
            yield word, values
    if announced is not None and number - 1 != announced:
        raise ValueError(
            f"{path}:{number}: the file ends after {number - 1} words; allowed: {announced}, as its first line says"
        )


def _parse_line(line: bytes, dimension: int, where: str) -> tuple[str, list[float]]:
    head, *columns = line.rsplit(b" ", dimension) if dimension else [line]
    if not head or not columns or len(columns) != dimension:
        found = len(line.split())
        raise ValueError(f"{where}: has {found} columns; allowed: a word and {dimension or 'its'} numbers")
    try:
        word = head.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"{where}: {head[:40]!r} is not UTF-8; allowed: a word in UTF-8") from error
    if b" " in head and _is_number(head.rpartition(b" ")[2]):
        raise ValueError(
            f"{where}: has more than {dimension} numbers; allowed: a word and {dimension}, as in the first line"
        )
    try:
        values = [float(column) for column in columns]
    except ValueError:
        values = []
    if not values or max(values) > _FLOAT32_MAX or min(values) < -_FLOAT32_MAX or not isfinite(sum(values)):
        shown = next(column for column in columns if not _is_number(column))[:40].decode(errors="replace")
        raise ValueError(f"{where}: {shown!r} is not a number; allowed: finite float32 numbers")
    return word, values


def _is_number(column: bytes) -> bool:
    try:
        return abs(float(column)) <= _FLOAT32_MAX  # false for nan and infinity
    except ValueError:
        return False
