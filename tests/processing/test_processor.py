"""From pictures and sentences to tensors: the same for a dataset and for a picture in hand."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from laconvnet import build_model
from laconvnet.data import Collator, FolderDataset, to_device
from laconvnet.language import Vocabulary
from laconvnet.processing import Preprocess, Processor, pad_tokens, read_image, scale_pixels

WORDS = Vocabulary(["the", "left", "dog", "a"], num_buckets=3)
TEXTS = ("the left dog", "a dog that nobody has ever listed before", "dog", "The LEFT-most dog!")
SIZES = ((40, 20), (20, 40), (64, 64), (1, 1), (131, 77))


def processor(resize: Any = "letterbox", size: int = 64, max_length: int | None = 5) -> Processor:
    return Processor(Preprocess(size=size, resize=resize, max_length=max_length), WORDS)


def pictures(*sizes: tuple[int, int]) -> list[np.ndarray]:
    rng = np.random.default_rng(3)
    return [rng.integers(0, 256, (height, width, 3), dtype=np.uint8) for width, height in sizes]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Five pictures with a sentence each."""
    lines = []
    for number, (picture, (width, height)) in enumerate(zip(pictures(*SIZES), SIZES, strict=True)):
        Image.fromarray(picture).save(tmp_path / f"{number}.png")
        lines.append(
            {
                "id": f"r{number}",
                "image": f"{number}.png",
                "width": width,
                "height": height,
                "text": TEXTS[number % len(TEXTS)],
                "boxes": [[0, 0, width, height]],
            }
        )
    (tmp_path / "val.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return tmp_path


@pytest.mark.parametrize("resize", ["letterbox", "stretch"])
@pytest.mark.parametrize("max_length", [None, 1, 5])
def test_a_dataset_and_a_processor_give_the_same_bits(folder: Path, resize: Any, max_length: int | None) -> None:
    process = processor(resize, max_length=max_length)
    dataset = FolderDataset(folder, "val", size=64, resize=resize)
    batch = to_device(Collator(process.encode)(dataset.__getitems__(range(5))), torch.device("cpu"))
    images = [read_image(folder / record.image) for record in dataset.records]
    inputs = process(images, [record.text for record in dataset.records])
    for name in ("images", "tokens", "frames", "sizes"):
        found, expected = getattr(inputs, name), batch[name]  # type: ignore[literal-required]
        assert found.dtype == expected.dtype and torch.equal(found, expected), name
    assert inputs.images.dtype == torch.float32 and inputs.images.shape == (5, 3, 64, 64)
    assert inputs.frames.dtype == torch.float32 and inputs.sizes.tolist() == [list(size) for size in SIZES]
    assert inputs.tokens.shape[1] == {None: 8, 1: 1, 5: 5}[max_length]


def test_a_box_around_the_picture_is_where_the_frame_says(folder: Path) -> None:
    for resize in ("letterbox", "stretch"):
        dataset = FolderDataset(folder, "val", size=64, resize=resize)  # type: ignore[arg-type]
        batch = Collator(WORDS.encode)(dataset.__getitems__(range(5)))
        inputs = processor(resize)(pictures(*SIZES), ["dog"] * 5)
        scale, offset, size = inputs.frames[:, :2], inputs.frames[:, 2:], inputs.sizes.float()
        torch.testing.assert_close(batch["target_boxes"], torch.cat([offset, size * scale + offset], 1))


def test_pictures_in_a_batch_are_those_alone() -> None:
    process = processor()
    together = process(pictures(*SIZES), ["dog"] * 5)
    for number, picture in enumerate(pictures(*SIZES)):
        images, frames, sizes = process.pictures([picture])
        assert torch.equal(images[0], together.images[number]) and torch.equal(frames[0], together.frames[number])
        assert torch.equal(sizes[0], together.sizes[number])


def test_pictures_may_be_read_only_and_stay_as_they_are() -> None:
    (picture,) = pictures((64, 64))
    before = picture.copy()
    picture.flags.writeable = False
    images, _, _ = processor().pictures([picture])
    images.zero_()
    np.testing.assert_array_equal(picture, before)


def test_words_are_read_up_to_the_limit() -> None:
    process = processor(max_length=3)
    assert process.encode("the left dog a a") == WORDS.encode("the left dog")
    assert process.unread("the left dog a Hat") == ["a", "hat"] and process.unread("the dog") == []
    assert process.unknown("the purple dog a Hat") == ["purple", "hat"]
    assert processor(max_length=None).unread("the left dog a hat") == []
    tokens = process.texts(["dog", "the left dog a"])
    assert tokens.dtype == torch.int64
    assert tokens.tolist() == [[*WORDS.encode("dog"), 0, 0], WORDS.encode("the left dog")]


def test_what_cannot_be_processed_is_refused() -> None:
    process = processor()
    with pytest.raises(ValueError, match="1 pictures for 2 sentences; give one each"):
        process(pictures((4, 4)), ["dog", "dog"])
    with pytest.raises(ValueError, match="holds no word"):
        process(pictures((4, 4)), ["?!"])
    with pytest.raises(ValueError, match="no word"):
        process.encode("")


@pytest.mark.parametrize("max_length", [None, 7])
def test_save_and_load(tmp_path: Path, max_length: int | None) -> None:
    process = processor("stretch", 96, max_length)
    process.save(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["preprocess.json", "vocabulary.json"]
    loaded = Processor.load(tmp_path)
    assert loaded == process
    assert json.loads((tmp_path / "preprocess.json").read_text()) == {
        "size": 96,
        "resize": "stretch",
        "max_length": max_length,
    }
    one, other = (each(pictures(*SIZES[:4]), TEXTS) for each in (process, loaded))
    assert torch.equal(one.images, other.images) and torch.equal(one.tokens, other.tokens)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", r"preprocess\.json is no JSON"),
        ('{"size": 96}', r"preprocess\.json: the setting 'resize' is missing"),
        ('{"size": 90, "resize": "letterbox", "max_length": 5}', r"preprocess\.json: size is 90, allowed: a multiple"),
        ('{"size": 0, "resize": "letterbox", "max_length": 5}', r"preprocess\.json: size is 0, allowed: greater"),
        (
            '{"size": 96, "resize": "crop", "max_length": 5}',
            r"json: resize is 'crop', allowed: 'letterbox' or 'stretch'",
        ),
        ('{"size": 96, "resize": "stretch", "max_length": 0}', r"json: max_length is 0, allowed: greater"),
        (
            '{"size": 96, "resize": "stretch", "max_length": 5, "crop": 1}',
            r"json: unknown setting 'crop'; known here: ",
        ),
        ("[]", r"preprocess\.json: Input should be an object"),
    ],
)
def test_broken_files_are_named(tmp_path: Path, content: str, message: str) -> None:
    processor().save(tmp_path)
    (tmp_path / "preprocess.json").write_text(content)
    with pytest.raises(ValueError, match=message):
        Processor.load(tmp_path)


@pytest.mark.parametrize("name", ["preprocess.json", "vocabulary.json"])
def test_a_missing_file_is_named(tmp_path: Path, name: str) -> None:
    processor().save(tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(FileNotFoundError, match=name):
        Processor.load(tmp_path)


def test_bytes_become_numbers_from_0_to_1() -> None:
    given = torch.arange(256, dtype=torch.uint8)
    scaled = scale_pixels(given)
    assert scaled.dtype == torch.float32 and (scaled[0], scaled[255]) == (0.0, 1.0)
    assert torch.equal((scaled * 255).round().to(torch.uint8), given)
    already = torch.rand(3)
    assert scale_pixels(already) is already


def test_tokens_are_padded_behind_the_words() -> None:
    tokens = pad_tokens([[5], [1, 2, 3], [7, 8]])
    assert tokens.dtype == torch.int64 and tokens.tolist() == [[5, 0, 0], [1, 2, 3], [7, 8, 0]]


class Characters:
    """A tokenizer that is no vocabulary: the id of a character is its code point, letters only."""

    def __len__(self) -> int:
        return 128

    def encode(self, text: str, max_length: int | None = None) -> list[int]:
        ids = [ord(letter) for letter in text.lower() if letter.isalpha()]
        if not ids:
            raise ValueError(f"{text!r} has no word")
        return ids[:max_length]

    def unread(self, text: str, max_length: int | None) -> list[str]:
        return [] if max_length is None else [letter for letter in text.lower() if letter.isalpha()][max_length:]

    def unknown(self, text: str) -> list[str]:
        return [letter for letter in text if not letter.isascii()]

    def save(self, path: Any) -> None:
        Path(path).write_text("characters")


def test_any_tokenizer_will_do(folder: Path) -> None:
    process = Processor(Preprocess(size=32, resize="letterbox", max_length=6), Characters())
    inputs = process(pictures(*SIZES), ["Ab", "abcdefgh", "c", "d e", "f"])
    assert inputs.tokens.tolist()[:3] == [[97, 98, 0, 0, 0, 0], [97, 98, 99, 100, 101, 102], [99, 0, 0, 0, 0, 0]]
    assert process.unread("abcdefgh") == ["g", "h"] and process.unknown("aé") == ["é"]
    dataset = FolderDataset(folder, "val", size=32)
    batch = Collator(process.encode)(dataset.__getitems__(range(5)))
    expected = process.texts([record.text for record in dataset.records])
    assert torch.equal(batch["tokens"], expected) and batch["tokens"].shape == (5, 6)
    with pytest.raises(ValueError, match="'!' has no word"):
        process.encode("!")


def test_a_network_reads_with_any_tokenizer(tmp_path: Path) -> None:
    process = Processor(Preprocess(size=32, resize="letterbox", max_length=6), Characters())
    inputs = process(pictures((8, 8), (9, 9)), ["ab", "c"])
    model = build_model("n", vocabulary=process.tokenizer).eval()
    assert model.config.vocabulary_size == 128
    with torch.no_grad():
        assert model(inputs.images, inputs.tokens)["rec"].shape == (2, 5, 1, 1)
    process.save(tmp_path)
    assert (tmp_path / "vocabulary.json").read_text() == "characters"


def test_a_processor_goes_to_worker_processes() -> None:
    encode: Callable[[str], list[int]] = pickle.loads(pickle.dumps(processor().encode))
    assert encode("the left dog") == WORDS.encode("the left dog")
