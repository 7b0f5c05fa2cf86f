"""How a map lies in memory: in planes, as the operator reads it, or with channels last, as products do.

In C++ on CPUs where `laconvnet.ops.native` is built, elsewhere in PyTorch.
"""

from typing import Any

import torch
from torch import Tensor

from laconvnet.ops import native
from laconvnet.ops.eager import is_eager
from laconvnet.ops.native import layout


def has_channels_last(x: Tensor) -> bool:
    """Whether a map (N, C, H, W) lies with channels last, and not in planes as well."""
    return x.is_contiguous(memory_format=torch.channels_last) and not x.is_contiguous()


def in_planes(x: Tensor) -> Tensor:
    """A map (N, C, H, W) in planes; the gradient of one with channels last has them last, too."""
    return _turned(x) if has_channels_last(x) and _is_native(x) else x.contiguous()


def channels_last(x: Tensor) -> Tensor:
    """A map (N, C, H, W) with channels last; the gradient of one in planes lies in planes, too."""
    if x.is_contiguous(memory_format=torch.channels_last):
        return x
    return _turned(x) if x.is_contiguous() and _is_native(x) else x.contiguous(memory_format=torch.channels_last)


def laid_out_like(x: Tensor, like: Tensor) -> Tensor:
    """A map (N, C, H, W) with channels last if another map lies so, else as it is."""
    return channels_last(x) if has_channels_last(like) else x


def _is_native(x: Tensor) -> bool:
    """Whether the C++ kernels turn a map; what is transformed or put in a graph is left to PyTorch."""
    return is_eager(x) and native.why_not(x, 1) is None


class _Turn(torch.autograd.Function):
    """From planes to channels last, or back."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        """x (N, C, H, W) in one of the two layouts; the same numbers in the other."""
        batch, channels, height, width = x.shape
        ctx.to_planes = to_planes = not x.is_contiguous()
        out = torch.empty_like(x, memory_format=torch.contiguous_format if to_planes else torch.channels_last)
        sizes = (height * width, channels) if to_planes else (channels, height * width)
        return layout.transpose(x, out, batch, *sizes)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        """The gradient in the layout of x."""
        grad = grad.contiguous(memory_format=torch.contiguous_format if ctx.to_planes else torch.channels_last)
        both = grad.is_contiguous() and grad.is_contiguous(memory_format=torch.channels_last)
        return grad if both else _turned(grad)


def _turned(x: Tensor) -> Tensor:
    """A map that lies in one of the layouts, in the other."""
    turned: Tensor = _Turn.apply(x)  # type: ignore[no-untyped-call]
    return turned
