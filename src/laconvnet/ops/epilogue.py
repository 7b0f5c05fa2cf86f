"""What follows a matrix product when predicting: bias, norm, residual path and activation in one pass over a map.

In C++ where `laconvnet.ops.native` is built for CPUs, elsewhere in PyTorch.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from laconvnet.ops import native
from laconvnet.ops.eager import is_eager
from laconvnet.ops.native import epilogue


def _is_native(x: Tensor, numbers: tuple[tuple[Tensor | None, tuple[int, ...]], ...], like: Tensor | None) -> bool:
    """Whether the C++ kernels take a map, another like it, and float32 numbers of the shapes beside them.

    What is to be differentiated, transformed or put in a graph is left to PyTorch.
    """
    if not is_eager(x, like, *(values for values, _ in numbers)):
        return False
    if native.why_not(x, 1) is not None or not _is_plain(x):
        return False
    if like is not None and not (_is_plain(like) and (like.shape, like.dtype) == (x.shape, x.dtype)):
        return False
    return all(
        values is None or (_is_plain(values) and (values.shape, values.dtype) == (shape, torch.float32))
        for values, shape in numbers
    )


def _is_plain(x: Tensor) -> bool:
    """Whether a tensor is memory of this machine, in one piece, that no gradient asks for."""
    return x.device.type == "cpu" and x.is_contiguous() and not x.requires_grad


def _planes(values: Tensor, like: Tensor) -> Tensor:
    return values.to(like.dtype)[:, None, None]


def affine_silu_(
    x: Tensor, *, scale: Tensor | None = None, shift: Tensor | None = None, residual: Tensor | None = None
) -> Tensor:
    """``silu(scale * x + shift + residual)``, in place of x where that saves memory.

    Args:
        x: (N, C, H, W); its numbers are lost.
        scale: (C) float32, or None for 1.
        shift: (C) float32, or None for 0.
        residual: like x, or None for 0.

    Returns:
        (N, C, H, W) in the dtype of x.
    """
    channels = (x.shape[1],)
    if _is_native(x, ((scale, channels), (shift, channels)), residual):
        return epilogue.affine_silu_(x, scale, shift, residual)
    if scale is not None and shift is not None:
        x = torch.addcmul(_planes(shift, x), x, _planes(scale, x))
    elif scale is not None:
        x = x * _planes(scale, x)
    elif shift is not None:
        x = x + _planes(shift, x)
    if residual is not None:
        x = x + residual
    return F.silu(x, inplace=True)


def unpack_tokens(packed: Tensor, bias: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """Pixels packed s x s to one token, side by side again, after a bias was added and limits were kept.

    Args:
        packed: (N, h, w, s, s, c).
        bias: (s, s, c) float32.
        low: (c) float32, the least a channel may be.
        high: (c) float32, the most a channel may be.

    Returns:
        (N, h*s, w*s, c) in the dtype of packed.
    """
    s, channels = packed.shape[4:]
    if _is_native(packed, ((bias, (s, s, channels)), (low, (channels,)), (high, (channels,))), None):
        return epilogue.unpack_tokens(packed, bias, low, high)
    dtype = packed.dtype
    packed = (packed + bias.to(dtype)).clamp(low.to(dtype), high.to(dtype))
    return packed.transpose(2, 3).flatten(3, 4).flatten(1, 2)
