"""The operator, and what follows products, on CPUs: C++ behind a plain C interface, an optional part of the package."""

from __future__ import annotations

import ctypes
import math

import torch
from torch import Tensor

from laconvnet.ops.dropout import Dropout
from laconvnet.ops.native import library
from laconvnet.ops.reference import GroupLayout

DTYPES = (torch.float32, torch.bfloat16)
MAX_KERNEL_SIZE = 11


def why_not(x: Tensor, kernel_size: int) -> str | None:
    """None when the library can convolve tensors like x with kernels of this size, else the reason in words."""
    if x.device.type != "cpu":
        return f"runs on CPUs, not on {x.device.type}"
    if x.dtype not in DTYPES:
        return f"has no {str(x.dtype).removeprefix('torch.')}, only float32 and bfloat16"
    if kernel_size > MAX_KERNEL_SIZE:
        return f"has kernel_size up to {MAX_KERNEL_SIZE}, not {kernel_size}"
    loaded = library.load()
    if isinstance(loaded, str):
        return loaded
    try:
        library.choose_capability(loaded)
    except ValueError as error:
        return str(error)
    return None


def _run(
    name: str,
    image: Tensor,
    other: Tensor,
    out: Tensor,
    groups: int,
    kernel_size: int,
    group_layout: GroupLayout,
    dropout: Dropout | None,
) -> Tensor:
    loaded = library.load()
    if isinstance(loaded, str):
        raise RuntimeError(loaded)
    problem = library.Problem(
        *(image.shape[0], image.shape[1], groups, *image.shape[2:], kernel_size),
        contiguous_groups=group_layout == "contiguous",
        bfloat16=image.dtype == torch.bfloat16,
        threads=torch.get_num_threads(),
        capability=library.choose_capability(loaded)[1],
        image=image.data_ptr(),
        image_strides=image.stride(),
        other=other.data_ptr(),
        other_strides=other.stride(),
        out=out.data_ptr(),
    )
    if dropout is not None:
        problem.drop_below, problem.drop_scale = dropout.threshold, dropout.scale
        problem.drop_seed = int(dropout.seed)
    code = loaded.functions[name](ctypes.byref(problem))
    if code == 2:
        raise ValueError(f"kernel_size is {kernel_size}; allowed: odd numbers up to {MAX_KERNEL_SIZE}")
    if code:
        raise MemoryError(f"no memory for the buffers of dynamic_conv2d on {tuple(image.shape)}")
    return out


def forward(x: Tensor, weight: Tensor, group_layout: GroupLayout, dropout: Dropout | None = None) -> Tensor:
    """out (N,C,H,W) of x (N,C,H,W) and weight (N,G,T,H,W)."""
    return _run("forward", x, weight, x.new_empty(x.shape), weight.shape[1], _side(weight), group_layout, dropout)


def grad_input(grad: Tensor, weight: Tensor, group_layout: GroupLayout, dropout: Dropout | None = None) -> Tensor:
    """d<grad, out>/dx (N,C,H,W)."""
    out = grad.new_empty(grad.shape)
    return _run("grad_input", grad, weight, out, weight.shape[1], _side(weight), group_layout, dropout)


def grad_weight(
    grad: Tensor, x: Tensor, groups: int, kernel_size: int, group_layout: GroupLayout, dropout: Dropout | None = None
) -> Tensor:
    """d<grad, out>/dweight (N,G,T,H,W)."""
    batch, _, height, width = grad.shape
    out = grad.new_empty((batch, groups, kernel_size * kernel_size, height, width))
    return _run("grad_weight", x, grad, out, groups, kernel_size, group_layout, dropout)


def _side(weight: Tensor) -> int:
    return math.isqrt(weight.shape[2])
