"""Batch normalisation that learns, a residual path and an activation, in C++; see `laconvnet.ops.norm_act`."""

from __future__ import annotations

import ctypes

import torch
from torch import Tensor

from laconvnet.ops.native import library


def _call(name: str, x: Tensor, slope: float | None, **values: Tensor | float | None) -> None:
    loaded = library.load()
    if isinstance(loaded, str):
        raise RuntimeError(loaded)
    call = library.NormAct(
        x=x.data_ptr(),
        rows=x.numel() // x.shape[1],
        channels=x.shape[1],
        silu=slope is None,
        slope=slope or 0.0,
        bfloat16=x.dtype == torch.bfloat16,
        threads=torch.get_num_threads(),
        capability=library.choose_capability(loaded)[1],
        **{key: value.data_ptr() if isinstance(value, Tensor) else value for key, value in values.items()},
    )
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
    """
    out, mean, inverse = torch.empty_like(x), torch.empty_like(weight), torch.empty_like(weight)
    numbers = {"weight": weight, "bias": bias, "running_mean": running_mean, "running_var": running_var}
    results = {"out": out, "mean": mean, "inverse": inverse}
    _call("norm_act", x, slope, residual=residual, momentum=momentum, eps=eps, **numbers, **results)
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
) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
    """The gradients of x, weight, bias and residual; grad (N, C, H, W), channels last, the others as in `forward`."""
    grad_x, grad_weight, grad_bias = torch.empty_like(x), torch.empty_like(weight), torch.empty_like(bias)
    grad_residual = None if residual is None else torch.empty_like(residual)
    numbers = {"weight": weight, "bias": bias, "mean": mean, "inverse": inverse}
    results = {"out": grad_x, "grad_weight": grad_weight, "grad_bias": grad_bias, "grad_residual": grad_residual}
    _call("norm_act_backward", x, slope, grad=grad, residual=residual, **numbers, **results)
    return grad_x, grad_weight, grad_bias, grad_residual
