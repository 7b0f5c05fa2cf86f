"""What follows a matrix product when predicting: bias, norm, residual path and activation in one pass over a map.

In C++ where `laconvnet.ops.native` is built for CPUs, elsewhere in PyTorch.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from laconvnet.ops import native
from laconvnet.ops.native import epilogue


def _is_native(*maps: Tensor) -> bool:
    """Whether the C++ kernels take such maps; what is to be differentiated or put in a graph is left to PyTorch."""
    if torch.compiler.is_compiling() or native.why_not(maps[0], 1) is not None:
        return False
    return all(x.is_contiguous() and not x.requires_grad for x in maps)


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
    if _is_native(x, *(() if residual is None else (residual,))):
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
    if _is_native(packed):
        return epilogue.unpack_tokens(packed, bias, low, high)
    dtype = packed.dtype
    packed = (packed + bias.to(dtype)).clamp(low.to(dtype), high.to(dtype))
    return packed.transpose(2, 3).flatten(3, 4).flatten(1, 2)
