"""The network made ready for predicting: the same answers with less work."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from laconvnet.layers import ParameterGenerator
from laconvnet.models.network import LaConvNet, Reading

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def named_dtype(name: str) -> torch.dtype:
    """The number format of a name.

    Raises:
        ValueError: the network does not compute in it; the message lists those in which it does.
    """
    if name not in DTYPES:
        raise ValueError(f"dtype must be one of {', '.join(DTYPES)}, got {name!r}")
    return DTYPES[name]


class Pointwise(nn.Module):
    """A 1x1 convolution as a product of matrices: on CPUs as fast in float32, and by a quarter faster in bfloat16.

    Args:
        conv: a 1x1 convolution with stride 1 and one group, whose numbers it takes.
    """

    def __init__(self, conv: nn.Conv2d):
        super().__init__()
        bias = torch.zeros_like(conv.weight[:, 0, 0, 0]) if conv.bias is None else conv.bias.detach()
        self.weight = nn.Parameter(conv.weight.detach().flatten(1))
        self.bias = nn.Parameter(bias[:, None])

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, out channels, H, W)."""
        pixels = x.flatten(2)
        if x.shape[0] == 1:
            out = torch.addmm(self.bias, self.weight, pixels[0])[None]
        else:
            out = torch.baddbmm(self.bias, self.weight.expand(x.shape[0], -1, -1), pixels)
        return out.view(x.shape[0], self.weight.shape[0], *x.shape[2:])


def _is_pointwise(module: nn.Module) -> bool:
    return isinstance(module, nn.Conv2d) and (module.kernel_size, module.stride, module.groups) == ((1, 1), (1, 1), 1)


def _simplify(sequence: nn.Sequential) -> None:
    """Fold each BatchNorm into the convolution before it, and let activations overwrite what only they read."""
    for index in range(1, len(sequence)):
        before, module = sequence[index - 1], sequence[index]
        if isinstance(before, nn.Conv2d) and isinstance(module, nn.BatchNorm2d):
            sequence[index - 1], sequence[index] = fuse_conv_bn_eval(before, module), nn.Identity()
        elif isinstance(module, nn.SiLU | nn.LeakyReLU):
            module.inplace = True
    for index, module in enumerate(sequence):
        if _is_pointwise(module):
            sequence[index] = Pointwise(cast(nn.Conv2d, module))


def prepare_for_inference(model: LaConvNet, *, dtype: torch.dtype = torch.float32) -> LaConvNet:
    """Make a copy that only predicts: BatchNorm folded, 1x1 convolutions as products, in half precision if wanted.

    In half precision, sentences are encoded, norms that could not be folded are applied, and boxes and logits are given
    in float32 all the same.

    Args:
        model: the network; it stays as it is.
        dtype: of convolutions, matrix products and feature maps: float32, bfloat16 or float16.

    Returns:
        The copy, in evaluation mode, on the device of the model.

    Raises:
        TypeError: the model is no `LaConvNet`, but for example one that `torch.compile` or a wrapper made of it.
        ValueError: another dtype.
    """
    if not isinstance(model, LaConvNet):
        raise TypeError(f"only a LaConvNet can be made ready for predicting, not {type(model).__name__}")
    if dtype not in DTYPES.values():
        raise ValueError(f"dtype is {dtype}; allowed: {', '.join(map(str, DTYPES.values()))}")
    prepared = copy.deepcopy(model).eval()
    for module in prepared.modules():
        if isinstance(module, nn.Sequential):
            _simplify(module)
        if isinstance(module, ParameterGenerator) and module.limits is None:
            module.fold_norm()
    exact = {f"heads.{name}.{layer}" for name, head in prepared.heads.items() for layer in cast(Any, head).last}
    for name, module in prepared.named_modules():
        if isinstance(module, nn.Conv2d | nn.Linear | Pointwise) and not name.startswith("text.") and name not in exact:
            module.to(dtype)
        elif isinstance(module, ParameterGenerator):
            module.limits = nn.Parameter(cast(Tensor, module.limits).to(dtype), requires_grad=False)
    return prepared.requires_grad_(False)


Look = Callable[[Tensor, Reading], dict[str, Tensor]]


def compile_look(model: LaConvNet, **options: Any) -> Look:
    """What `torch.compile` makes of `model.look`, without a graph break.

    The first call of a picture size takes a minute or so, the first of another number of pictures or words again;
    from then on these numbers are free.

    Args:
        model: a network, prepared or not; keep it as it is while the function is in use.
        **options: of `torch.compile`, such as ``mode="reduce-overhead"`` for CUDA graphs.

    Returns:
        A function like `model.look`.
    """
    return torch.compile(model.look, fullgraph=True, **options)
