"""What a network is given when it is measured."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor

from laconvnet.models import named_dtype


@dataclass(frozen=True)
class Load:
    """What a network is given, and in which number format it computes.

    Attributes:
        size: side of the square pictures, a multiple of 32.
        batch: pictures together, each with a sentence.
        words: words per sentence.
        dtype: "float32", "bfloat16" or "float16".
        device: where.
    """

    size: int = 416
    batch: int = 1
    words: int = 15
    dtype: str = "float32"
    device: str = "cpu"

    def __post_init__(self) -> None:
        named_dtype(self.dtype)
        if self.size < 32 or self.size % 32:
            raise ValueError(f"size must be a multiple of 32, got {self.size}")
        if self.batch < 1 or self.words < 1:
            raise ValueError(f"batch and words must be 1 or more, got {self.batch} and {self.words}")

    def inputs(self, vocabulary_size: int) -> tuple[Tensor, Tensor]:
        """Pictures (N, 3, S, S) in [0, 1] and word ids (N, L) of at least 1, always the same."""
        generator = torch.Generator().manual_seed(0)
        images = torch.rand(self.batch, 3, self.size, self.size, generator=generator)
        tokens = torch.randint(1, vocabulary_size, (self.batch, self.words), generator=generator)
        return images.to(self.device), tokens.to(self.device)

    def autocast(self) -> AbstractContextManager[object]:
        """The context in which the number format holds."""
        if self.dtype == "float32":
            return nullcontext()
        return torch.autocast(torch.device(self.device).type, named_dtype(self.dtype))
