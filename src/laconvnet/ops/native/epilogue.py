"""What follows a matrix product when predicting, in one pass over its result, in C++."""

from __future__ import annotations

import ctypes
import math

import torch
from torch import Tensor

from laconvnet.ops.native import library


def _call(name: str, structure: ctypes.Structure, dtype: torch.dtype) -> None:
    loaded = library.load()
    if isinstance(loaded, str):
        raise RuntimeError(loaded)
    capability = library.choose_capability(loaded)[1]
    loaded.functions[name](ctypes.byref(structure), dtype == torch.bfloat16, torch.get_num_threads(), capability)


def _address(x: Tensor | None) -> int | None:
    return None if x is None else x.data_ptr()


def affine_silu_(x: Tensor, scale: Tensor | None, shift: Tensor | None, residual: Tensor | None) -> Tensor:
    """silu(scale * x + shift + residual) in place, x contiguous (N,C,...), scale and shift (C) in float32."""
    rows, pixels = x.shape[0] * x.shape[1], math.prod(x.shape[2:])
    addresses = _address(x), _address(residual), _address(scale), _address(shift)
    _call("affine_silu", library.AffineSilu(*addresses, rows, x.shape[1], pixels), x.dtype)
    return x


def unpack_tokens(packed: Tensor, bias: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """Contiguous tokens (N,h,w,s,s,c) to a map (N,h*s,w*s,c); bias (s,s,c), low and high (c) in float32."""
    batch, height, width, s, _, channels = packed.shape
    out = packed.new_empty(batch, height * s, width * s, channels)
    addresses = _address(packed), _address(out), _address(bias), _address(low), _address(high)
    _call("unpack", library.Unpack(*addresses, batch * height, width, s, channels), packed.dtype)
    return out
