"""Batch normalisation that learns, a residual path and an activation, in C++; see `laconvnet.ops.norm_act`."""

from __future__ import annotations

import ctypes

import torch
from torch import Tensor

from laconvnet.ops.native import library

Tensors = dict[str, Tensor | None]


def _call(
    name: str,
    x: Tensor,
    slope: float | None,
    rectify: bool,
    tensors: Tensors,
    momentum: float = 0.0,
    eps: float = 0.0,
) -> None:
    loaded = library.load()
    if isinstance(loaded, str):
        raise RuntimeError(loaded)
    call = library.NormAct(x=x.data_ptr())
    for key, tensor in tensors.items():
        if tensor is not None:
            setattr(call, key, tensor.data_ptr())
    call.rows, call.channels = x.numel() // x.shape[1], x.shape[1]
    call.silu, call.slope, call.momentum, call.eps = slope is None, slope or 0.0, momentum, eps
    call.rectify = rectify
    call.bfloat16, call.threads = x.dtype == torch.bfloat16, torch.get_num_threads()
    call.capability = library.choose_capability(loaded)[1]
    if loaded.functions[name](ctypes.byref(call)):
        raise MemoryError(f"no memory for the sums of {name} on {tuple(x.shape)}")


def forward(
    x: Tensor,
    weight: Tensor,
    bias: Tensor,
    residual: Tensor | None,
    running_mean: Tensor,
    running_var: Tensor,
    *,
    momentum: float,
    eps: float,
    slope: float | None,
    rectify: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """The output, and the mean and the inverse deviation of each channel; the running statistics are moved.

    Args:
        x: (N, C, H, W), channels last.
        weight: (C) float32, as are bias, running_mean and running_var.
        bias: see weight.
        residual: like x, or None.
        running_mean: see weight.
        running_var: see weight.
        momentum: how far the running statistics move.
        eps: added to the variance.
        slope: of the activation below 0; None is SiLU.
        rectify: whether numbers of x below 0 count as 0; then there is no residual.
    """
    out, mean, inverse = torch.empty_like(x), torch.empty_like(weight), torch.empty_like(weight)
    given: Tensors = {"weight": weight, "bias": bias, "residual": residual}
    changed: Tensors = {"running_mean": running_mean, "running_var": running_var}
    _call(
        "norm_act", x, slope, rectify, {**given, **changed, "out": out, "mean": mean, "inverse": inverse}, momentum, eps
    )
    return out, mean, inverse


def backward(
    grad: Tensor,
    x: Tensor,
    weight: Tensor,
    bias: Tensor,
    residual: Tensor | None,
    mean: Tensor,
    inverse: Tensor,
    *,
    slope: float | None,
    rectify: bool,
) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
    """The gradients of x, weight, bias and residual; grad (N, C, H, W), channels last, the others as in `forward`."""
    grad_x, grad_weight, grad_bias = torch.empty_like(x), torch.empty_like(weight), torch.empty_like(bias)
    grad_residual = None if residual is None else torch.empty_like(residual)
    given: Tensors = {"grad": grad, "weight": weight, "bias": bias, "residual": residual}
    given |= {"mean": mean, "inverse": inverse, "out": grad_x, "grad_residual": grad_residual}
    _call("norm_act_backward", x, slope, rectify, {**given, "grad_weight": grad_weight, "grad_bias": grad_bias})
    return grad_x, grad_weight, grad_bias, grad_residual
