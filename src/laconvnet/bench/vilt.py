"""ViLT-B/32 (Kim et al. 2021), the network the paper compares with, from transformers, with fresh weights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import torch

from laconvnet.bench.cost import Cost, count
from laconvnet.bench.load import Load
from laconvnet.bench.networks import Contender, other_pass

_SIZE = 384  # side of its square pictures
_WORDS = 40  # it has places for


def vilt_contender(load: Load) -> Contender:
    """ViLT on pictures of its own size.

    Raises:
        ImportError: the extra hf is not installed.
    """
    _transformers()
    load = replace(load, size=_SIZE)
    return Contender("vilt", load, partial(_build, load), partial(_cost, load.words))


def _transformers() -> Any:
    try:
        import transformers
    except ImportError as error:
        raise ImportError("ViLT needs the extra hf: pip install 'laconvnet[hf]'; or leave it out") from error
    return transformers


def _model(words: int) -> Any:
    library = _transformers()
    return library.ViltModel(library.ViltConfig(max_position_embeddings=max(_WORDS, words))).eval()


def _build(load: Load) -> Callable[[], object]:
    torch.manual_seed(0)
    model = _model(load.words)
    images, tokens = load.inputs(model.config.vocab_size)
    return other_pass(model, load, input_ids=tokens, pixel_values=images)


def _cost(words: int) -> Cost:
    with torch.device("meta"):
        model, images = _model(words), torch.zeros(1, 3, _SIZE, _SIZE)

    def run() -> None:
        # Piece by piece: which patches it reads depends on values, and the meta device has none. Here it reads all.
        patches = model.embeddings.patch_embeddings(images).flatten(2).mT
        length = words + 1 + patches.shape[1]
        sequence = model.encoder(patches.new_zeros(1, length, patches.shape[2])).last_hidden_state
        model.pooler(model.layernorm(sequence))

    return count(model, run, embedding=model.embeddings.text_embeddings.word_embeddings.weight)
