from __future__ import annotations

import inspect
import time
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from laconvnet.language import Vocabulary, tokenize
from laconvnet.language.tokenizer import Tokenizer

RULE_DELETES = ".,'!?\"()*#:;"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("The man's RED hat, (left) #2!", ["the", "mans", "red", "hat", "left", "2"]),
        ('left-most/top: what? "yes" * no;', ["left", "most", "top", "what", "yes", "no"]),
        ("t-shirt", ["t", "shirt"]),
        ("  two\tlines\r\nhere  ", ["two", "lines", "here"]),
        ("100% [of] a_b & c", ["100%", "[of]", "a_b", "&", "c"]),
        ("", []),
        (" \n\t", []),
        ("?!... -- / ' \"", []),
    ],
    ids=["punctuation", "dashes", "hyphen", "whitespace", "kept", "empty", "blank", "only-punctuation"],
)
def test_the_published_rule(text: str, words: list[str]) -> None:
    assert tokenize(text) == words


@pytest.mark.parametrize(
    "apostrophe", list("'\u2019\u2018`\u00b4\u2032\u02bc\uff07\u201b"), ids=lambda c: f"U+{ord(c):04X}"
)
def test_every_apostrophe_is_the_same(apostrophe: str) -> None:
    assert tokenize(f"the man{apostrophe}s hat") == ["the", "mans", "hat"]


@pytest.mark.parametrize(
    "dash",
    list("-\u2010\u2011\u2012\u2013\u2014\u2015\u2212\uff0d\u2044\u2215\uff0f"),
    ids=lambda c: f"U+{ord(c):04X}",
)
def test_every_dash_and_slash_separates(dash: str) -> None:
    assert tokenize(f"left{dash}most") == ["left", "most"]


@pytest.mark.parametrize(
    "mark",
    list("\u201c\u201d\u201e\u00ab\u00bb\u2033\u2026\uff01\uff1f\uff08\uff09\uff1a\uff1b\uff0c\u3002\u00bf"),
    ids=lambda c: f"U+{ord(c):04X}",
)
def test_typographic_punctuation_is_deleted(mark: str) -> None:
    assert tokenize(f"{mark}dog{mark}") == ["dog"]
    assert tokenize(mark) == []


def test_other_scripts_and_emoji_are_words() -> None:
    assert tokenize("Der Hund, КОШКА и 犬!") == ["der", "hund", "кошка", "и", "犬"]
    assert tokenize("the 🐶 on the left 👍🏽") == ["the", "🐶", "on", "the", "left", "👍🏽"]
    assert tokenize("I ❤\ufe0f it") == tokenize("I ❤ it") == ["i", "❤", "it"]


def test_unicode_spellings_of_one_word_agree() -> None:
    assert tokenize("\uff23\uff21\uff26\uff25\u0301") == tokenize("Café") == ["café"]
    assert tokenize("\ufb01re") == ["fire"]


def test_invisible_characters_do_not_survive() -> None:
    assert tokenize("\ufeffdo\u00adg\x00 \x1b\u202ecat\ud800\u200d \x7f") == ["dog", "cat"]
    assert tokenize("red\u200bhat\x1cman\u00a0here") == ["red", "hat", "man", "here"]
    assert tokenize("\u200d\ufe0f\x00") == []


@given(st.text())
def test_words_are_clean(text: str) -> None:
    for word in tokenize(text):
        assert word
        assert not any(character in RULE_DELETES + "-/" or character.isspace() for character in word)
        assert not any(unicodedata.category(character) in ("Cc", "Cf", "Cs", "Pd") for character in word)
        word.encode("utf-8")


@given(st.text())
def test_splitting_again_changes_nothing(text: str) -> None:
    words = tokenize(text)
    assert tokenize(" ".join(words)) == words


@given(st.text(st.characters(max_codepoint=127)))
def test_ascii_case_does_not_matter(text: str) -> None:
    assert tokenize(text.upper()) == tokenize(text.lower()) == tokenize(text)


@given(st.lists(st.text(st.characters(categories=["Ll", "Nd"], max_codepoint=127), min_size=1)))
def test_plain_words_come_back_in_order(words: list[str]) -> None:
    assert tokenize(" ".join(words)) == words


@pytest.mark.parametrize("word", ["Man\u2019s", "left-most,"], ids=["typographic", "ascii"])
def test_ten_thousand_words_take_a_fraction_of_a_second(word: str) -> None:
    start = time.process_time()
    words = tokenize(f"{word} " * 10_000)
    assert time.process_time() - start < 0.5
    assert len(words) == 10_000 * len(tokenize(word))


def test_a_vocabulary_has_what_a_tokenizer_has() -> None:
    members = [name for name in vars(Tokenizer) if name == "__len__" or not name.startswith("_")]
    assert {"__len__", "encode", "unread", "unknown", "save"} == set(members)
    for name in members:
        wanted, found = inspect.signature(getattr(Tokenizer, name)), inspect.signature(getattr(Vocabulary, name))
        assert list(found.parameters) == list(wanted.parameters), name
        assert [p.default for p in found.parameters.values()] == [p.default for p in wanted.parameters.values()], name


@given(st.text(), st.none() | st.integers(1, 9))
def test_a_vocabulary_keeps_what_a_tokenizer_promises(text: str, max_length: int | None) -> None:
    tokenizer: Tokenizer = Vocabulary(["the", "dog"], num_buckets=3)
    words = tokenize(text)
    if not words:
        with pytest.raises(ValueError, match="holds no word"):
            tokenizer.encode(text, max_length)
        return
    ids = tokenizer.encode(text, max_length)
    assert all(1 <= id < len(tokenizer) for id in ids) and (max_length is None or len(ids) <= max_length)
    assert len(ids) + len(tokenizer.unread(text, max_length)) == len(words)
    assert tokenizer.unknown(text) == [word for word in words if word not in ("the", "dog")]


def test_a_vocabulary_is_saved_as_a_tokenizer(tmp_path: Path) -> None:
    tokenizer: Tokenizer = Vocabulary(["the", "dog"], num_buckets=3)
    tokenizer.save(tmp_path / "vocabulary.json")
    assert Vocabulary.load(tmp_path / "vocabulary.json") == tokenizer
