"""The network made ready for predicting: the same answers with less work."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from laconvnet.models.network import LaConvNet

DTYPES = (torch.float32, torch.bfloat16, torch.float16)


def _fold_norms(sequence: nn.Sequential) -> None:
    """Give each convolution the scale and shift of the BatchNorm behind it, which becomes the identity."""
    for index in range(len(sequence) - 1):
        conv, norm = sequence[index], sequence[index + 1]
        if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
            sequence[index], sequence[index + 1] = fuse_conv_bn_eval(conv, norm), nn.Identity()


def prepare_for_inference(
    model: LaConvNet, *, dtype: torch.dtype = torch.float32, compile: bool | dict[str, Any] = False
) -> LaConvNet:
    """Make a copy that only predicts: BatchNorm folded into convolutions, no gradients, if wanted in half precision.

    Sentences are encoded, norms that could not be folded are applied, and boxes and logits are given in float32 in any
    case.

    Args:
        model: the network; it stays as it is.
        dtype: of convolutions, matrix products and feature maps: float32, bfloat16 or float16.
        compile: let `torch.compile` make one graph of the way from pictures and read sentences to outputs, anew for
            every input size; the first call takes tens of seconds. A dict holds options of `torch.compile`, such as
            ``{"mode": "reduce-overhead"}`` for CUDA graphs.

    Returns:
        The copy, in evaluation mode, on the device of the model.

    Raises:
        ValueError: another dtype.
    """
    if dtype not in DTYPES:
        raise ValueError(f"dtype is {dtype}; allowed: {', '.join(map(str, DTYPES))}")
    prepared = copy.deepcopy(model).eval().requires_grad_(False)
    for module in prepared.modules():
        if isinstance(module, nn.Sequential):
            _fold_norms(module)
        if isinstance(module, nn.SiLU | nn.LeakyReLU):
            module.inplace = True  # what they are given, nothing else reads
    for name, module in prepared.named_modules():
        if isinstance(module, nn.Conv2d | nn.Linear) and not name.startswith("text.") and not _is_output(name):
            module.to(dtype)
    if compile:
        options: dict[str, Any] = compile if isinstance(compile, dict) else {}
        prepared.look = torch.compile(prepared.look, fullgraph=True, dynamic=False, **options)  # type: ignore[method-assign]
    return prepared


def _is_output(name: str) -> bool:
    """The last convolutions of the heads, whose numbers are pixels and logits."""
    return name in ("heads.rec.box", "heads.rec.objectness", "heads.res.out")
