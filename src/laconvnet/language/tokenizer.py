"""Sentences to words.

The rule of the published data pipeline: lower-case, delete ``. , ' ! ? " ( ) * # : ;``, turn ``-`` and ``/``
into a space, split on whitespace. Added here, so that text from any keyboard meets the same vocabulary:
Unicode is NFKC-normalised (a full-width or accented letter has one spelling), the typographic twins of those
characters are treated like them (a curly apostrophe is an apostrophe, a long dash is a dash), and characters
that cannot be seen are deleted. Letters of every script, digits, symbols and emoji stay.
"""

from __future__ import annotations

import os
import unicodedata
from typing import Protocol

__all__ = ["Tokenizer", "tokenize"]

_PUNCTUATION = (
    ".,'!?\"()*#:;"
    "`\u02b9\u02ba\u02bc\u2032\u2035\u201a\u201e"  # grave accent, modifier apostrophes, primes, low quotes
    "\u00a1\u00bf\u00b7\u060c\u061b\u061f\u3001\u3002\u30fb"  # Spanish, Arabic and East Asian stops
)
_SEPARATORS = (
    "-/\u2044\u2215\u2212\u2043"  # fraction and division slash, minus, hyphen bullet
    "\u200b"  # zero-width space: marks a break between words
)
_QUOTATION_MARKS = ("Pi", "Pf")
_INVISIBLE = ("Cc", "Cf", "Cs")  # control, formatting, lone surrogates
_VARIATION_SELECTORS = range(0xFE00, 0xFE10)  # they choose between the drawn and the typed form of an emoji


class _CharacterRule(dict[int, "str | None"]):
    """The mapping that `str.translate` asks for: each character is judged once, when it is first met."""

    def __missing__(self, code: int) -> str | None:
        self[code] = replacement = self._judge(code)
        return replacement

    @staticmethod
    def _judge(code: int) -> str | None:
        character = chr(code)
        category = unicodedata.category(character)
        if character in _SEPARATORS or category == "Pd" or character.isspace():
            return " "
        if character in _PUNCTUATION or category in _QUOTATION_MARKS:
            return None
        if category in _INVISIBLE or code in _VARIATION_SELECTORS:
            return None
        return character


_RULE = _CharacterRule()


def tokenize(text: str) -> list[str]:
    """Split a sentence into the words that a `Vocabulary` knows or hashes.

    The result is stable: joining the words with spaces and splitting again gives the same words.

    Args:
        text: any string, of any length.

    Returns:
        Lower-case words in reading order, none of them empty; an empty list if the text holds no word.
    """
    # An acute accent typed as an apostrophe goes first: NFKC would make it a space and a combining mark.
    text = unicodedata.normalize("NFKC", text.replace("\u00b4", "'")).lower().translate(_RULE)
    # Deleting a character can bring a letter and its accent together; they become one letter again.
    return unicodedata.normalize("NFKC", text).split()


class Tokenizer(Protocol):
    """What a network needs to read sentences: a `Vocabulary` of words, or pieces of words of another table.

    Ids are the rows of a table of vectors; id 0 is padding.
    """

    def __len__(self) -> int:
        """Return the number of ids, padding included."""
        ...

    def encode(self, text: str, max_length: int | None = None) -> list[int]:
        """Return the ids of a sentence, each at least 1, at most `max_length` of them.

        Raises:
            ValueError: the sentence has no word.
        """
        ...

    def unread(self, text: str, max_length: int | None) -> list[str]:
        """Return what `encode` leaves out at the end of a sentence."""
        ...

    def unknown(self, text: str) -> list[str]:
        """Return the words of a sentence that the table does not list, in reading order."""
        ...

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the table to a file."""
        ...
