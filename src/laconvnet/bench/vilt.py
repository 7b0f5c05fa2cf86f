"""ViLT-B/32 (Kim et al. 2021), the network the paper compares with, from transformers, with fresh weights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch

from laconvnet.bench.cost import Cost, count
from laconvnet.bench.networks import Load, forward_pass

_SIZE = 384  # side of its square pictures
_WORDS = 40  # it has places for


def _model(words: int) -> Any:
    try:
        from transformers import ViltConfig, ViltModel
    except ImportError as error:
        raise ImportError("ViLT needs the extra hf: pip install 'laconvnet[hf]'; or leave it out") from error
    return ViltModel(ViltConfig(max_position_embeddings=max(_WORDS, words))).eval()


@dataclass(frozen=True)
class Vilt:
    """ViLT to measure, on pictures of its own size.

    Raises:
        ImportError: the extra hf is not installed.
    """

    load: Load
    name: str = "vilt"

    def __post_init__(self) -> None:
        object.__setattr__(self, "load", replace(self.load, size=_SIZE))
        with torch.device("meta"):
            _model(self.load.words)

    @property
    def device(self) -> str:
        """Where it runs."""
        return self.load.device

    def build(self) -> Callable[[], object]:
        """Fresh weights and inputs; the function is one forward pass for inference."""
        torch.manual_seed(0)
        model = _model(self.load.words).to(self.device)
        images, tokens = self.load.inputs(model.config.vocab_size)
        return forward_pass(model, self.load, input_ids=tokens, pixel_values=images)

    def cost(self) -> Cost:
        """What one picture costs, counted."""
        with torch.device("meta"):
            model = _model(self.load.words)
            images = torch.zeros(1, 3, _SIZE, _SIZE)

        def run() -> None:
            # Piece by piece: which patches it reads depends on values, and the meta device has none. Here it reads all.
            patches = model.embeddings.patch_embeddings(images).flatten(2).mT
            length = self.load.words + 1 + patches.shape[1]
            sequence = model.encoder(patches.new_zeros(1, length, patches.shape[2])).last_hidden_state
            model.pooler(model.layernorm(sequence))

        return count(model, run, embedding=model.embeddings.text_embeddings.word_embeddings.weight)
