from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import laconvnet.language
from laconvnet.language import Vocabulary, WordVectors, embedding_matrix, load_word_vectors, tokenize

VISUAL_WORDS = (
    "man woman boy girl dog bicycle frisbee skateboarder snowboard sombrero left right red cyan "
    "cube sphere cylinder rubber metallic"
).split()


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8", newline="\n")
    return path


def cosine(vectors: WordVectors, a: str, b: str) -> float:
    return float(vectors[a] @ vectors[b] / (np.linalg.norm(vectors[a]) * np.linalg.norm(vectors[b])))


def test_the_shipped_table_is_glove() -> None:
    vectors = load_word_vectors()
    assert vectors.matrix.shape == (len(vectors), 100) and vectors.matrix.dtype == np.float32
    assert len(vectors) >= 60_000 and vectors.words[:5] == ("the", "of", "to", "and", "in")
    assert np.isfinite(vectors.matrix).all()
    assert "GloVe" in vectors.source and "Public Domain" in vectors.source
    # The first numbers of "the" in the published table; 8 bits leave an error of half a step.
    step = np.abs(vectors["the"]).max() / 127
    np.testing.assert_allclose(vectors["the"][:3], [-0.038194, -0.24487, 0.72812], atol=0.51 * step)


def test_the_shipped_table_knows_visual_words_and_their_meaning() -> None:
    vectors = load_word_vectors()
    assert [word for word in VISUAL_WORDS if word not in vectors] == []
    assert cosine(vectors, "dog", "puppy") > 0.6 > 0.3 > cosine(vectors, "dog", "parliament")
    assert cosine(vectors, "snowboard", "skateboard") > cosine(vectors, "snowboard", "sombrero")


def test_every_word_of_the_shipped_table_can_be_reached() -> None:
    assert [word for word in load_word_vectors().words if tokenize(word) != [word]] == []


def test_the_shipped_table_fits_the_package() -> None:
    assert Path(laconvnet.language.__file__).with_name("glove_100d.npz").stat().st_size <= 8_000_000


def test_importing_does_not_read_the_table() -> None:
    program = (
        "import sys, numpy\n"
        "def refuse(*args, **kwargs): raise AssertionError('read while importing')\n"
        "numpy.load = refuse\n"
        "import laconvnet.language\n"
        "heavy = {'transformers', 'PIL', 'pydantic', 'typer', 'accelerate'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(laconvnet.language.__file__).parents[2])}
    subprocess.run([sys.executable, "-c", program], check=True, env=environment, timeout=120)


def test_the_table_is_shared_and_cannot_be_written_to() -> None:
    vectors = load_word_vectors()
    assert load_word_vectors() is vectors
    with pytest.raises(ValueError, match="read-only"):
        vectors["dog"][0] = 1.0


def test_keep_restricts_the_shipped_table() -> None:
    vectors = load_word_vectors(keep=["dog", "the", "zzzzz"])
    assert vectors.words == ("the", "dog")
    np.testing.assert_array_equal(vectors["dog"], load_word_vectors()["dog"])


def test_a_glove_file_is_read(tmp_path: Path) -> None:
    path = write(tmp_path / "glove.txt", "the 0.5 -1e-3 2\nDog 1 2 3\r\nthe 9 9 9\n. . . 4 5 6\n\u00a0 7 8 9")
    vectors = load_word_vectors(path)
    assert vectors.words == ("the", "Dog", ". . .", "\u00a0")
    np.testing.assert_array_equal(
        vectors.matrix, np.array([[0.5, -1e-3, 2], [1, 2, 3], [4, 5, 6], [7, 8, 9]], dtype=np.float32)
    )
    assert vectors.dimension == 3 and "Dog" in vectors and "dog" not in vectors


def test_a_word2vec_header_is_understood(tmp_path: Path) -> None:
    vectors = load_word_vectors(write(tmp_path / "w2v.txt", "2 3\na 1 2 3 \nb 4 5 6 \n"))
    assert vectors.words == ("a", "b") and vectors["b"].tolist() == [4, 5, 6]


def test_keep_reads_only_the_wanted_words(tmp_path: Path) -> None:
    path = write(tmp_path / "glove.txt", "the 1 2\n. 5 6\nbroken line\n. . 7 8\ndog 3 4\n")
    vectors = load_word_vectors(path, keep=Vocabulary(["dog", "zebra", ". ."]).words)
    assert vectors.words == (". .", "dog") and vectors["dog"].tolist() == [3, 4]


@given(data=st.data(), dimension=st.integers(1, 5))
def test_any_table_survives_the_text_form(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, dimension: int
) -> None:
    letters = st.text(st.characters(categories=["L", "Nd", "So", "Zs"], exclude_characters=" "), min_size=1)
    words = data.draw(st.lists(letters, min_size=1, max_size=5, unique=True))
    number = st.floats(width=32, allow_nan=False, allow_infinity=False)
    rows = [data.draw(st.lists(number, min_size=dimension, max_size=dimension)) for _ in words]
    lines = [" ".join([word, *map(repr, row)]) for word, row in zip(words, rows, strict=True)]
    text = "\n".join([f"{len(words)} {dimension}", *lines])
    path = write(tmp_path_factory.mktemp("vectors") / "table.txt", text)
    vectors = load_word_vectors(path)
    assert vectors.words == tuple(words)
    np.testing.assert_array_equal(vectors.matrix, np.array(rows, dtype=np.float32))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("the 1 2\ndog 1\n", r":2: has 2 columns; allowed: a word and 2 numbers"),
        ("the 1 2\ndog 1 2 3\n", r":2: has more than 2 numbers; allowed: a word and 2, as"),
        ("the 1 2\ndog 1 x\n", r":2: 'x' is not a number; allowed: finite float32"),
        ("the 1 2\ndog 1 nan\n", r":2: 'nan' is not a number; allowed: finite float32"),
        ("the 1 2\ndog 1e39 1\n", r":2: '1e39' is not a number; allowed: finite float32"),
        ("the 1 2\n\ndog 1 2\n", r":2: has 0 columns"),
        ("the 1 2\n 1 2\n", r":2: has 2 columns"),
        ("the\n", r":1: has 1 columns; allowed: a word and its numbers"),
        ("3 2\nthe 1 2\ndog 1 2\n", r":3: the file ends after 2 words; allowed: 3, as its first line says"),
        ("", r": holds no word; allowed: a table with at least one"),
    ],
)
def test_a_broken_file_is_named_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    path = write(tmp_path / "glove.txt", text)
    with pytest.raises(ValueError, match=rf"glove\.txt{message}"):
        load_word_vectors(path)


def test_other_unreadable_files_are_named(tmp_path: Path) -> None:
    latin = tmp_path / "latin.txt"
    latin.write_bytes("the 1 2\ncafé 1 2\n".encode("latin-1"))
    with pytest.raises(ValueError, match=r"latin\.txt:2: b'caf\\xe9' is not UTF-8"):
        load_word_vectors(latin)
    with pytest.raises(FileNotFoundError, match="absent"):
        load_word_vectors(tmp_path / "absent.txt")
    lower = write(tmp_path / "lower.txt", "the 1 2\n")
    with pytest.raises(ValueError, match=r"lower\.txt: holds none of the 1 words to keep"):
        load_word_vectors(lower, keep=["The"])


def test_a_damaged_table_is_named(tmp_path: Path) -> None:
    path = tmp_path / "table.npz"
    shipped = Path(laconvnet.language.__file__).with_name("glove_100d.npz").read_bytes()
    path.write_bytes(shipped[:1_000_000] + bytes(100) + shipped[1_000_100:])
    with pytest.raises(ValueError, match=r"table\.npz: not a table of word vectors"):
        load_word_vectors(path)
    path.write_bytes(shipped[:1_000_000])
    with pytest.raises(ValueError, match=r"table\.npz: not a table of word vectors"):
        load_word_vectors(path)


@pytest.mark.parametrize("content", [b"", b"not a zip", b"PK\x03\x04 broken"], ids=["empty", "text", "zip"])
def test_a_broken_table_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "table.npz"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"table\.npz: not a table of word vectors"):
        load_word_vectors(path)


def test_a_table_without_a_field_or_with_pickles_is_named(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", words=np.frombuffer(b"dog", dtype=np.uint8))
    with pytest.raises(ValueError, match=r"a\.npz: not a table of word vectors .*values"):
        load_word_vectors(tmp_path / "a.npz")
    np.savez(tmp_path / "b.npz", words=np.array([{}], dtype=object))
    with pytest.raises(ValueError, match=r"b\.npz: not a table of word vectors .*pickle"):
        load_word_vectors(tmp_path / "b.npz")


def test_a_table_is_checked() -> None:
    with pytest.raises(ValueError, match=r"matrix is float64 \(1, 2\); allowed: float32 \(1, D\)"):
        WordVectors(("a",), np.zeros((1, 2)))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="1 words are repeated"):
        WordVectors(("a", "a"), np.zeros((2, 2), dtype=np.float32))


def test_the_embedding_starts_from_the_vectors() -> None:
    vectors = load_word_vectors()
    vocabulary = Vocabulary(["the", "qwertyuiop123", "dog"], num_buckets=500)
    matrix = embedding_matrix(vocabulary, vectors)
    assert matrix.shape == (len(vocabulary), 100) and matrix.dtype == torch.float32
    assert not matrix[0].any()
    for word in ("the", "dog"):
        np.testing.assert_array_equal(matrix[vocabulary.id(word)].numpy(), vectors[word])
    random = matrix[1:501]
    scale = float(np.sqrt(np.mean(vectors.matrix**2)))
    assert random.square().mean().sqrt().item() == pytest.approx(scale, rel=0.02)
    assert matrix[vocabulary.id("qwertyuiop123")].any()
    assert len(torch.unique(random, dim=0)) == 500


def test_the_embedding_is_deterministic_and_belongs_to_the_caller() -> None:
    vectors = load_word_vectors()
    vocabulary = Vocabulary(["dog", "qwertyuiop123"], num_buckets=4)
    matrix = embedding_matrix(vocabulary, vectors, seed=1)
    assert torch.equal(matrix, embedding_matrix(vocabulary, vectors, seed=1))
    other = embedding_matrix(vocabulary, vectors, seed=2)
    assert torch.equal(matrix[5], other[5]) and not torch.equal(matrix[1:5], other[1:5])
    matrix.zero_()
    assert vectors["dog"].any()


def test_an_empty_table_starts_no_embedding() -> None:
    empty = WordVectors((), np.zeros((0, 3), dtype=np.float32))
    with pytest.raises(ValueError, match="vectors holds no word"):
        embedding_matrix(Vocabulary(["dog"]), empty)


def test_standardised_words_are_told_apart() -> None:
    vocabulary = Vocabulary(["small", "large", "red", "blue", "circle", "square"], num_buckets=2)
    raw = embedding_matrix(vocabulary, load_word_vectors())
    matrix = embedding_matrix(vocabulary, load_word_vectors(), standardize=True)
    words = matrix[3:]
    torch.testing.assert_close(words.mean(0), torch.zeros(100), rtol=0, atol=1e-5)
    torch.testing.assert_close(words.std(0, correction=0), torch.ones(100))
    assert torch.equal(matrix[0], torch.zeros(100)) and matrix.isfinite().all()
    pair = [vocabulary.id("small"), vocabulary.id("large")]
    assert torch.cosine_similarity(*raw[pair], dim=0) > 0.9 > 0.7 > torch.cosine_similarity(*matrix[pair], dim=0)
