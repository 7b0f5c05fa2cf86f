"""Batch normalisation, a residual path and an activation: what follows most convolutions.

In C++ where a map with channels last is learned from on a CPU and `laconvnet.ops.native` is built; then neither the
normalised map nor its sum with the residual path is kept for the backward pass. Elsewhere in PyTorch.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from laconvnet.ops import native
from laconvnet.ops.eager import is_eager
from laconvnet.ops.native import norm as native_norm


def norm_act(
    x: Tensor, norm: nn.Module, activation: nn.Module, residual: Tensor | None = None, *, rectify: bool = False
) -> Tensor:
    """``activation(norm(x) + residual)``.

    A single number a channel has no statistics of its own, and is judged by the running ones.

    Args:
        x: (N, C, H, W).
        norm: a batch normalisation, or what stands in its place.
        activation: what stands behind it.
        residual: like x, or None for 0.
        rectify: put x through ReLU first; where x has no gradient, in place.

    Returns:
        (N, C, H, W).
    """
    if isinstance(norm, nn.BatchNorm2d) and _is_native(x, norm, activation, residual, rectify):
        assert norm.num_batches_tracked is not None and norm.momentum is not None
        norm.num_batches_tracked.add_(1)
        statistics = norm.running_mean, norm.running_var
        constants = norm.momentum, norm.eps, _slope(activation), rectify
        learned = norm.weight, norm.bias
        out: Tensor = _NormAct.apply(x, *learned, residual, *statistics, *constants)  # type: ignore[no-untyped-call]
        return out
    if rectify:
        x = F.relu(x, inplace=not x.requires_grad)
    if isinstance(norm, nn.BatchNorm2d) and norm.training and x.numel() == x.shape[1]:
        x = F.batch_norm(x, norm.running_mean, norm.running_var, norm.weight, norm.bias, eps=norm.eps)
    else:
        x = norm(x)
    if residual is None:
        return activation(x)  # type: ignore[no-any-return]
    x = x + residual
    return F.silu(x, inplace=not x.requires_grad) if type(activation) is nn.SiLU else activation(x)


def _slope(activation: nn.Module) -> float | None:
    """By what the activation multiplies numbers below 0; None for SiLU."""
    if isinstance(activation, nn.LeakyReLU):
        return float(activation.negative_slope)
    return 0.0 if isinstance(activation, nn.ReLU) else None


def _is_native(x: Tensor, norm: nn.BatchNorm2d, activation: nn.Module, residual: Tensor | None, rectify: bool) -> bool:
    """Whether the C++ kernels take the map; what is transformed or put in a graph is left to PyTorch."""
    if not (norm.training and norm.track_running_stats and norm.affine and norm.momentum is not None):
        return False
    if type(norm) is not nn.BatchNorm2d or type(activation) not in (nn.SiLU, nn.ReLU, nn.LeakyReLU):
        return False
    if rectify and residual is not None:
        return False
    if not is_eager(x, residual) or native.why_not(x, 1) is not None:
        return False
    if x.shape[1] != norm.num_features or x.numel() <= x.shape[1]:
        return False
    alike = residual is None or (_is_rows(residual) and (residual.shape, residual.dtype) == (x.shape, x.dtype))
    numbers = norm.weight, norm.bias, norm.running_mean, norm.running_var
    return alike and _is_rows(x) and all(each is not None and _is_column(each) for each in numbers)


def _is_column(numbers: Tensor) -> bool:
    """Whether there is one float32 number after the other for every channel."""
    return numbers.device.type == "cpu" and numbers.dtype == torch.float32 and numbers.is_contiguous()


def _is_rows(x: Tensor) -> bool:
    """Whether a map lies in this machine's memory with channels last."""
    return x.device.type == "cpu" and x.dim() == 4 and x.is_contiguous(memory_format=torch.channels_last)


class _NormAct(torch.autograd.Function):
    """The operator with the gradients of x, weight, bias and residual."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor,
        bias: Tensor,
        residual: Tensor | None,
        running_mean: Tensor,
        running_var: Tensor,
        momentum: float,
        eps: float,
        slope: float | None,
        rectify: bool,
    ) -> Tensor:
        """See `norm_act`."""
        out, mean, inverse = native_norm.forward(
            x,
            weight,
            bias,
            residual,
            running_mean,
            running_var,
            momentum=momentum,
            eps=eps,
            slope=slope,
            rectify=rectify,
        )
        ctx.save_for_backward(x, weight, bias, residual, mean, inverse)
        ctx.eps, ctx.slope, ctx.rectify = eps, slope, rectify
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        """In C++, or differentiable where that is asked for."""
        x, weight, bias, residual, mean, inverse = ctx.saved_tensors
        if torch.is_grad_enabled():
            constants = ctx.eps, ctx.slope, ctx.rectify
            return *_differentiable_gradients(grad, x, weight, bias, residual, *constants), *(None,) * 6
        grad = grad.contiguous(memory_format=torch.channels_last)
        given = grad, x, weight, bias, residual, mean, inverse
        return *native_norm.backward(*given, slope=ctx.slope, rectify=ctx.rectify), *(None,) * 6


def _differentiable_gradients(
    grad: Tensor,
    x: Tensor,
    weight: Tensor,
    bias: Tensor,
    residual: Tensor | None,
    eps: float,
    slope: float | None,
    rectify: bool,
) -> tuple[Tensor | None, ...]:
    """The gradients of x, weight, bias and residual by the definition, written so that they have gradients."""
    z = F.batch_norm(F.relu(x) if rectify else x, None, None, weight, bias, training=True, eps=eps)
    if residual is not None:
        z = z + residual
    y = F.silu(z) if slope is None else F.leaky_relu(z, slope)
    inputs = [each for each in (x, weight, bias, residual) if each is not None and each.requires_grad]
    found = iter(torch.autograd.grad(y, inputs, grad, create_graph=True))
    return tuple(
        next(found) if each is not None and each.requires_grad else None for each in (x, weight, bias, residual)
    )
