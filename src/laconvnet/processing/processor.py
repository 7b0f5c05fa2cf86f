"""From pictures and sentences to the tensors of a network, the same in training, scoring and predicting."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from laconvnet.language.tokenizer import Tokenizer
from laconvnet.language.vocabulary import Vocabulary
from laconvnet.processing.resizing import ResizeMode, UInt8Array, resize_picture
from laconvnet.settings import Section, check, read_json

PREPROCESS: Final = "preprocess.json"
VOCABULARY: Final = "vocabulary.json"


class Preprocess(Section):
    """How pictures and sentences are brought to a network; it travels with the weights."""

    size: int = Field(ge=32, multiple_of=32, description="Side of the square input, in pixels.")
    resize: ResizeMode = Field(description="Keep the aspect ratio and pad, or fill the square.")
    max_length: int | None = Field(ge=1, description="Words read of a sentence; null reads all of them.")


@dataclass(frozen=True)
class Inputs:
    """What a network takes, and the way back to the pixels of the pictures.

    Attributes:
        images: (N, 3, S, S) float32 in [0, 1].
        tokens: (N, L) int64, 0 behind the words.
        frames: (N, 4) float32, see `processing.Frame`: from the picture to the input.
        sizes: (N, 2) int64, width and height of each picture.
    """

    images: Tensor
    tokens: Tensor
    frames: Tensor
    sizes: Tensor


@dataclass(frozen=True)
class Processor:
    """Turns pictures and sentences into tensors.

    Args:
        preprocess: sizes and limits.
        tokenizer: from a sentence to the ids of its words.
    """

    preprocess: Preprocess
    tokenizer: Tokenizer

    def __call__(self, pictures: Sequence[UInt8Array], texts: Sequence[str]) -> Inputs:
        """Return the tensors of as many pictures, uint8 (H, W, 3) of any size, as sentences.

        Raises:
            ValueError: the numbers differ, or a sentence has no word.
        """
        if len(pictures) != len(texts):
            raise ValueError(f"{len(pictures)} pictures for {len(texts)} sentences; give one each")
        images, frames, sizes = self.pictures(pictures)
        return Inputs(images, self.texts(texts), frames, sizes)

    def pictures(self, pictures: Sequence[UInt8Array]) -> tuple[Tensor, Tensor, Tensor]:
        """Return images, frames and sizes of pictures, as in `Inputs`."""
        resized = [resize_picture(picture, self.preprocess.size, self.preprocess.resize) for picture in pictures]
        images = torch.from_numpy(np.stack([image for image, _ in resized])).permute(0, 3, 1, 2)
        frames = torch.tensor([frame for _, frame in resized], dtype=torch.float32)
        sizes = torch.tensor([picture.shape[1::-1] for picture in pictures], dtype=torch.int64)
        return scale_pixels(images), frames, sizes

    def texts(self, texts: Sequence[str]) -> Tensor:
        """Return the ids of the words of sentences, (N, L) int64, 0 behind them."""
        return pad_tokens([self.encode(text) for text in texts])

    def encode(self, text: str) -> list[int]:
        """Return the ids of the words that are read of a sentence, each at least 1.

        Raises:
            ValueError: it has no word.
        """
        return self.tokenizer.encode(text, max_length=self.preprocess.max_length)

    def unread(self, text: str) -> list[str]:
        """Return the words at the end of a sentence that are not read."""
        return self.tokenizer.unread(text, self.preprocess.max_length)

    def unknown(self, text: str) -> list[str]:
        """Return the words of a sentence that the tokenizer does not list."""
        return self.tokenizer.unknown(text)

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Write `preprocess.json` and `vocabulary.json` into a folder."""
        root = Path(folder)
        self.tokenizer.save(root / VOCABULARY)
        (root / PREPROCESS).write_text(self.preprocess.model_dump_json(indent=2) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> Processor:
        """Read what `save` wrote.

        Raises:
            FileNotFoundError: a file is missing.
            ValueError: a file is broken; names it.
        """
        root = Path(folder)
        preprocess = check(Preprocess, read_json(root / PREPROCESS), str(root / PREPROCESS))
        return cls(preprocess, Vocabulary.load(root / VOCABULARY))


def scale_pixels(images: Tensor) -> Tensor:
    """Return pictures as the network takes them: bytes, uint8 in [0, 255], become float32 in [0, 1]."""
    return images.float() / 255 if images.dtype == torch.uint8 else images


def pad_tokens(rows: Sequence[Sequence[int]]) -> Tensor:
    """Stack N lists of word ids as int64 (N, L), L the longest of them, 0 behind the others."""
    tokens = torch.zeros(len(rows), max(map(len, rows)), dtype=torch.int64)
    for row, ids in zip(tokens, rows, strict=True):
        row[: len(ids)] = torch.tensor(ids, dtype=torch.int64)
    return tokens
