from __future__ import annotations

import json
import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from laconvnet.language import Vocabulary, tokenize

WORDS = st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), unique=True)
BUCKETS = st.integers(1, 100)


@pytest.fixture
def vocabulary() -> Vocabulary:
    return Vocabulary(["the", "man", "in", "red"], num_buckets=3)


def test_ids_are_padding_then_buckets_then_words(vocabulary: Vocabulary) -> None:
    assert len(vocabulary) == 1 + 3 + 4
    assert vocabulary.encode("The man in RED!") == [4, 5, 6, 7]
    assert vocabulary.id("sombrero") == 1 + crc32(b"sombrero") % 3
    assert [vocabulary.word(i) for i in range(8)] == [
        "<pad>", "<unknown 1>", "<unknown 2>", "<unknown 3>", "the", "man", "in", "red",
    ]  # fmt: skip


def test_one_bucket_is_the_usual_unknown_word() -> None:
    vocabulary = Vocabulary(["dog"])
    assert vocabulary.encode("zebra dog 🐶") == [1, 2, 1]


@given(WORDS, BUCKETS, st.text(st.characters(exclude_categories=["Cs"])))
def test_every_word_has_an_id_of_the_embedding_and_none_is_padding(
    words: list[str], num_buckets: int, other: str
) -> None:
    vocabulary = Vocabulary(words, num_buckets)
    assert [vocabulary.word(vocabulary.id(word)) for word in words] == words
    assert 1 <= vocabulary.id(other) < len(vocabulary)
    assert (vocabulary.id(other) > num_buckets) == (other in words) == (other in vocabulary)


@given(st.text(), BUCKETS, st.none() | st.integers(1, 20))
def test_encode_reads_every_word_up_to_the_limit(text: str, num_buckets: int, max_length: int | None) -> None:
    vocabulary = Vocabulary(["the", "0"], num_buckets)
    words = tokenize(text)
    if not words:
        with pytest.raises(ValueError, match="holds no word"):
            vocabulary.encode(text, max_length)
    else:
        ids = vocabulary.encode(text, max_length)
        assert ids == [vocabulary.id(word) for word in words][:max_length]
        assert words == words[: len(ids)] + vocabulary.unread(text, max_length)


@pytest.mark.parametrize("text", ["", "   \n", "?!", "...", "“ ” —", "\x00\u200d"])
def test_a_text_without_words_is_refused_by_name(vocabulary: Vocabulary, text: str) -> None:
    with pytest.raises(ValueError, match=r"the text is .*holds no word; allowed: ") as raised:
        vocabulary.encode(text)
    assert repr(text) in str(raised.value)


def test_the_message_shortens_a_long_text(vocabulary: Vocabulary) -> None:
    with pytest.raises(ValueError, match="holds no word") as raised:
        vocabulary.encode("?" * 100_000)
    assert len(str(raised.value)) < 250


def test_ten_thousand_words(vocabulary: Vocabulary) -> None:
    text = "red " * 10_000
    assert vocabulary.encode(text) == [7] * 10_000
    assert vocabulary.encode(text, max_length=15) == [7] * 15
    assert len(vocabulary.unread(text, max_length=15)) == 9_985


def test_callers_can_tell_what_was_not_understood(vocabulary: Vocabulary) -> None:
    assert vocabulary.unread("the man in red", 4) == []
    assert vocabulary.unread("the man in red", None) == []
    assert vocabulary.unread("The man in red", 2) == ["in", "red"]
    assert vocabulary.unknown("the Sombrero, in 🐶") == ["sombrero", "🐶"]


@pytest.mark.parametrize("max_length", [0, -1])
def test_a_limit_below_one_is_refused(vocabulary: Vocabulary, max_length: int) -> None:
    for method in (vocabulary.encode, vocabulary.unread):
        with pytest.raises(ValueError, match=f"max_length is {max_length}; allowed: an integer >= 1"):
            method("red", max_length)


@pytest.mark.parametrize("id", [-1, 8, 10**9])
def test_an_id_outside_the_embedding_is_refused(vocabulary: Vocabulary, id: int) -> None:
    with pytest.raises(IndexError, match=f"word id is {id}; allowed: 0 to 7"):
        vocabulary.word(id)


def test_from_texts_lists_words_in_order_of_first_occurrence() -> None:
    texts = ["The dog's red ball", "a RED hat", "the dogs hat"]
    assert Vocabulary.from_texts(texts).words == ("the", "dogs", "red", "ball", "a", "hat")
    assert Vocabulary.from_texts(iter(texts), min_count=2, num_buckets=1) == Vocabulary(
        ["the", "dogs", "red", "hat"], num_buckets=1
    )


def test_from_texts_refuses_what_gives_no_vocabulary() -> None:
    with pytest.raises(TypeError, match="texts is the string 'the man'; allowed: an iterable"):
        Vocabulary.from_texts("the man")
    with pytest.raises(ValueError, match="none of the 2 different words occurs min_count = 3"):
        Vocabulary.from_texts(["the man"], min_count=3)
    with pytest.raises(ValueError, match="none of the 0 different words"):
        Vocabulary.from_texts([])
    with pytest.raises(ValueError, match="min_count is 0; allowed"):
        Vocabulary.from_texts(["the man"], min_count=0)


@pytest.mark.parametrize(
    ("words", "num_buckets", "error", "message"),
    [
        (["a", "b", "a"], 1, ValueError, r"words\[2\] repeats words\[0\], 'a'"),
        (["a", ""], 1, ValueError, r"words\[1\] is empty"),
        (["a", 5], 1, TypeError, r"words\[1\] is 5; allowed: a string"),
        (["\ud800"], 1, ValueError, r"words\[0\] is '\\ud800'; allowed: text that UTF-8 can hold"),
        ("the man", 1, TypeError, "words is the string 'the man'"),
        (["a"], 0, ValueError, "num_buckets is 0; allowed: an integer >= 1"),
        (["a"], True, TypeError, "num_buckets is True; allowed"),
        (["a"], 2.0, TypeError, "num_buckets is 2.0; allowed"),
    ],
)
def test_a_bad_vocabulary_is_refused(words: list[str], num_buckets: int, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        Vocabulary(words, num_buckets)


def test_equality(vocabulary: Vocabulary) -> None:
    same = Vocabulary(vocabulary.words, 3)
    assert vocabulary == same and hash(vocabulary) == hash(same)
    assert vocabulary != Vocabulary(vocabulary.words, 4)
    assert vocabulary != Vocabulary(vocabulary.words[::-1], 3)
    assert vocabulary != "vocabulary"
    assert pickle.loads(pickle.dumps(vocabulary)) == vocabulary
    assert repr(vocabulary) == "Vocabulary(4 words, num_buckets=3)"


@given(words=WORDS, num_buckets=BUCKETS)
def test_a_saved_vocabulary_comes_back(
    tmp_path_factory: pytest.TempPathFactory, words: list[str], num_buckets: int
) -> None:
    path = tmp_path_factory.mktemp("vocabulary") / "vocabulary.json"
    vocabulary = Vocabulary(words, num_buckets)
    vocabulary.save(path)
    assert Vocabulary.load(path) == vocabulary
    assert [file.name for file in path.parent.iterdir()] == ["vocabulary.json"]


def test_the_file_is_plain_json(vocabulary: Vocabulary, tmp_path: Path) -> None:
    vocabulary.save(tmp_path / "vocabulary.json")
    content = json.loads((tmp_path / "vocabulary.json").read_text(encoding="utf-8"))
    assert content == {"num_buckets": 3, "words": ["the", "man", "in", "red"]}


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """Let every write beyond `size` bytes fail, as on a full disk."""
    resource = pytest.importorskip("resource", reason="needs POSIX resource limits")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_a_failed_write_leaves_the_old_file_intact(vocabulary: Vocabulary, tmp_path: Path) -> None:
    path = tmp_path / "vocabulary.json"
    vocabulary.save(path)
    with pytest.raises(OSError), largest_file(1000):
        Vocabulary([f"word{i}" for i in range(10_000)]).save(path)
    assert Vocabulary.load(path) == vocabulary
    assert list(tmp_path.iterdir()) == [path]


def test_saving_into_a_missing_folder_names_it(vocabulary: Vocabulary, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere"):
        vocabulary.save(tmp_path / "nowhere" / "vocabulary.json")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "not a JSON file in UTF-8"),
        ('{"num_buckets": 1, "words": ["a"', "not a JSON file in UTF-8"),
        ("[" * 100_000, "not a JSON file in UTF-8"),
        ('["a"]', r"holds \['a'\]; allowed: an object with the keys"),
        ('{"words": ["a"]}', "key 'num_buckets' is missing; allowed: exactly the keys"),
        ('{"num_buckets": 1}', "key 'words' is missing"),
        ('{"num_buckets": 1, "words": [], "word": 1}', "key 'word' is unknown; allowed: exactly the keys"),
        ('{"num_buckets": 1, "words": {"a": 1}}', "words is {'a': 1}; allowed: a list of strings"),
        ('{"num_buckets": 1, "words": "a"}', "words is 'a'; allowed: a list of strings"),
        ('{"num_buckets": 1, "words": ["a", null]}', r"words\[1\] is None; allowed: a string"),
        ('{"num_buckets": 1, "words": ["a", "b", "b"]}', r"words\[2\] repeats words\[1\], 'b'"),
        ('{"num_buckets": "3", "words": ["a"]}', "num_buckets is '3'; allowed: an integer >= 1"),
        ('{"num_buckets": -3, "words": ["a"]}', "num_buckets is -3; allowed: an integer >= 1"),
    ],
)
def test_a_broken_file_is_named_with_what_is_wrong(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "vocabulary.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(ValueError, match=rf"vocabulary\.json: {message}"):
        Vocabulary.load(path)


def test_a_file_that_is_not_text_is_named(tmp_path: Path) -> None:
    path = tmp_path / "vocabulary.json"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ValueError, match=r"vocabulary\.json: not a JSON file in UTF-8"):
        Vocabulary.load(path)
    with pytest.raises(FileNotFoundError, match="absent"):
        Vocabulary.load(tmp_path / "absent.json")
