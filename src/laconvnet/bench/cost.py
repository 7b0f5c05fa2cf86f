"""What a network costs, counted without running it: parameters and multiply-accumulates, the operator included."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from laconvnet.models import LaConvNet
from laconvnet.models.network import skeleton


@dataclass(frozen=True)
class Cost:
    """Counts for one picture and one sentence.

    Attributes:
        parameters: all of them.
        embedding_parameters: those of the word-vector table, part of `parameters`.
        macs: multiply-accumulates of convolutions, matrix products, the recurrent layer and the operator. The paper's
            "FLOPs" count one per multiply-accumulate.
        norm_operations: two per element that a BatchNorm writes; the paper's figures seem to include them.
    """

    parameters: int
    embedding_parameters: int
    macs: int
    norm_operations: int


def measure_cost(model: LaConvNet, size: int, words: int = 15) -> Cost:
    """Count on the meta device, where nothing is computed and recurrent layers and attention are seen too.

    Args:
        model: the network; it stays as it is.
        size: side of the square picture, a multiple of 32.
        words: length of the sentence.

    Returns:
        The counts.
    """
    shadow = skeleton(model.config).eval()
    with torch.device("meta"):
        images, tokens = torch.zeros(1, 3, size, size), torch.ones(1, words, dtype=torch.int64)
    return count(shadow, lambda: shadow(images, tokens), embedding=model.text.embedding.weight)


def count(model: nn.Module, run: Callable[[], object], *, embedding: Tensor | None = None) -> Cost:
    """Count what one run of a network does.

    Args:
        model: the network, best on the meta device: elsewhere some kernels are not seen.
        run: runs it once, on one picture.
        embedding: its word-vector table, if it has one.

    Returns:
        The counts.
    """
    norm_elements: list[int] = []

    def note(_module: nn.Module, _inputs: Any, output: Tensor) -> None:
        norm_elements.append(output.numel())

    hooks = [m.register_forward_hook(note) for m in model.modules() if isinstance(m, nn.BatchNorm2d)]
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        run()
    for hook in hooks:
        hook.remove()
    return Cost(
        parameters=sum(parameter.numel() for parameter in model.parameters()),
        embedding_parameters=0 if embedding is None else embedding.numel(),
        macs=counter.get_total_flops() // 2,
        norm_operations=2 * sum(norm_elements),
    )
