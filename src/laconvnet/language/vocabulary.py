"""Words to the row numbers of an embedding."""

from __future__ import annotations

import json
import os
import reprlib
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from zlib import crc32

from laconvnet.language.tokenizer import tokenize

__all__ = ["Vocabulary"]

_KEYS = ("num_buckets", "words")


class Vocabulary:
    """An immutable list of words and the ids they stand for.

    Id 0 is padding. Ids 1 to B are hash buckets: a word that is not listed gets id ``1 + crc32(word) mod B``,
    so that it is read as *some* fixed word and never dropped. Listed word i has id ``1 + B + i``.

    Args:
        words: the listed words, each a non-empty string, all different.
        num_buckets: B, at least 1. One bucket is the usual single "unknown" word.

    Raises:
        TypeError: `words` is one string, or an argument has the wrong type.
        ValueError: a word is empty, repeated or not valid Unicode, or `num_buckets` is below 1.
    """

    def __init__(self, words: Sequence[str], num_buckets: int = 1) -> None:
        if isinstance(words, str):
            raise TypeError(f"words is the string {_short(words)}; allowed: a sequence of strings")
        if isinstance(num_buckets, bool) or not isinstance(num_buckets, int):
            raise TypeError(f"num_buckets is {_short(num_buckets)}; allowed: an integer >= 1")
        if num_buckets < 1:
            raise ValueError(f"num_buckets is {num_buckets}; allowed: an integer >= 1")
        self._num_buckets = num_buckets
        self._words = tuple(words)
        self._ids: dict[str, int] = {}
        for i, word in enumerate(self._words):
            _check_word(word, f"words[{i}]")
            if word in self._ids:
                first = self._ids[word] - 1 - num_buckets
                raise ValueError(f"words[{i}] repeats words[{first}], {_short(word)}; allowed: each once")
            self._ids[word] = 1 + num_buckets + i

    @classmethod
    def from_texts(cls, texts: Iterable[str], min_count: int = 1, num_buckets: int = 32) -> Vocabulary:
        """List the words of some sentences in the order of their first occurrence.

        Args:
            texts: sentences of the *training* split; words that only other splits use go to the buckets.
            min_count: how often a word must occur to be listed, at least 1.
            num_buckets: number of ids shared by all other words, at least 1.

        Returns:
            The vocabulary; the same texts in the same order always give the same one.

        Raises:
            TypeError: `texts` is one string.
            ValueError: `min_count` is below 1, or no word occurs often enough.
        """
        if isinstance(texts, str):
            raise TypeError(f"texts is the string {_short(texts)}; allowed: an iterable of sentences")
        if min_count < 1:
            raise ValueError(f"min_count is {min_count}; allowed: an integer >= 1")
        counts: Counter[str] = Counter()
        for text in texts:
            counts.update(tokenize(text))
        words = [word for word, count in counts.items() if count >= min_count]
        if not words:
            raise ValueError(
                f"none of the {len(counts)} different words occurs min_count = {min_count} times; "
                "allowed: texts in which at least one word does"
            )
        return cls(words, num_buckets)

    @property
    def words(self) -> tuple[str, ...]:
        """The listed words in the order of their ids."""
        return self._words

    @property
    def num_buckets(self) -> int:
        """Number of ids shared by the words that are not listed."""
        return self._num_buckets

    def __len__(self) -> int:
        """Number of ids, that is, rows of the embedding: padding, buckets and words."""
        return 1 + self._num_buckets + len(self._words)

    def __contains__(self, word: object) -> bool:
        return word in self._ids

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Vocabulary):
            return NotImplemented
        return self._num_buckets == other._num_buckets and self._words == other._words

    def __hash__(self) -> int:
        return hash((self._num_buckets, self._words))

    def __repr__(self) -> str:
        return f"Vocabulary({len(self._words)} words, num_buckets={self._num_buckets})"

    def id(self, word: str) -> int:
        """Return the id of one word as `tokenize` spells it: its own if listed, else its bucket's."""
        known = self._ids.get(word)
        return 1 + crc32(word.encode()) % self._num_buckets if known is None else known

    def word(self, id: int) -> str:
        """Return what an id stands for: a word, ``<pad>``, or ``<unknown k>`` for bucket k = 1..B.

        Raises:
            IndexError: the id is not in 0..len(self) - 1.
        """
        if not 0 <= id < len(self):
            raise IndexError(f"word id is {id}; allowed: 0 to {len(self) - 1}")
        if id > self._num_buckets:
            return self._words[id - 1 - self._num_buckets]
        return f"<unknown {id}>" if id else "<pad>"

    def encode(self, text: str, max_length: int | None = None) -> list[int]:
        """Turn a sentence into ids.

        Args:
            text: a sentence with at least one word.
            max_length: how many words to read, at least 1; None reads all. `unread` lists the others.

        Returns:
            One id per word, in reading order, without padding.

        Raises:
            ValueError: the text holds no word, or `max_length` is below 1.
        """
        _check_max_length(max_length)
        words = tokenize(text)
        if not words:
            raise ValueError(
                f"the text is {_short(text)}, which holds no word; allowed: a sentence with at least one "
                "letter, digit or symbol that is not punctuation"
            )
        return [self.id(word) for word in words[:max_length]]

    def unread(self, text: str, max_length: int | None) -> list[str]:
        """Return the words at the end of a sentence that `encode` does not read at this `max_length`.

        Raises:
            ValueError: `max_length` is below 1.
        """
        _check_max_length(max_length)
        return [] if max_length is None else tokenize(text)[max_length:]

    def unknown(self, text: str) -> list[str]:
        """Return the words of a sentence that are not listed and so share a bucket, in reading order."""
        return [word for word in tokenize(text) if word not in self._ids]

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the vocabulary as JSON: ``{"num_buckets": B, "words": [...]}``.

        The file is written beside its destination and then renamed, so that a failed write leaves an older
        file as it was.

        Args:
            path: the file; its folder must exist.

        Raises:
            OSError: the file cannot be written.
        """
        path = Path(path)
        aside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        content = {"num_buckets": self._num_buckets, "words": self._words}
        try:
            with aside.open("w", encoding="utf-8", newline="\n") as file:
                json.dump(content, file, ensure_ascii=False, indent=0)
                file.write("\n")
                file.flush()
                os.fsync(file.fileno())
            os.replace(aside, path)
        finally:
            aside.unlink(missing_ok=True)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Vocabulary:
        """Read a vocabulary that `save` wrote.

        Args:
            path: the JSON file.

        Returns:
            A vocabulary equal to the saved one.

        Raises:
            OSError: the file cannot be read.
            ValueError: the file is not a vocabulary; the message names the file, the key and what is allowed.
        """
        raw = Path(path).read_bytes()
        try:
            content = json.loads(raw.decode("utf-8"))
        except (ValueError, RecursionError) as error:
            raise ValueError(f"{path}: not a JSON file in UTF-8 ({error})") from error
        if not isinstance(content, dict):
            raise ValueError(f"{path}: holds {_short(content)}; allowed: an object with the keys {_KEYS}")
        for key in _KEYS:
            if key not in content:
                raise ValueError(f"{path}: key {key!r} is missing; allowed: exactly the keys {_KEYS}")
        for key in content:
            if key not in _KEYS:
                raise ValueError(f"{path}: key {_short(key)} is unknown; allowed: exactly the keys {_KEYS}")
        if not isinstance(content["words"], list):
            raise ValueError(f"{path}: words is {_short(content['words'])}; allowed: a list of strings")
        try:
            return cls(content["words"], content["num_buckets"])
        except (TypeError, ValueError) as error:
            raise ValueError(f"{path}: {error}") from error


def _check_word(word: object, where: str) -> None:
    if not isinstance(word, str):
        raise TypeError(f"{where} is {_short(word)}; allowed: a string")
    if not word:
        raise ValueError(f"{where} is empty; allowed: a string of at least one character")
    try:
        word.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"{where} is {_short(word)}; allowed: text that UTF-8 can hold") from error


def _check_max_length(max_length: int | None) -> None:
    if max_length is not None and max_length < 1:
        raise ValueError(f"max_length is {max_length}; allowed: an integer >= 1, or None for no limit")


def _short(value: object) -> str:
    """The repr of a value, cut to about 60 characters."""
    shortener = reprlib.Repr()
    shortener.maxstring = shortener.maxother = 60
    return shortener.repr(value)
