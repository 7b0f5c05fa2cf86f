"""A 1x1 convolution from a map with channels last to planes."""

from typing import Any

import torch
from torch import Tensor

from laconvnet.ops.autocast import autocast_dtype
from laconvnet.ops.eager import is_eager


def pointwise_planes(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """``weight @ x + bias`` at every position.

    The result lies in planes whatever the layout of x, and the gradient of x with channels last. Under autocast all
    are cast to its dtype.

    Args:
        x: (N, C, H, W).
        weight: (O, C).
        bias: (O).

    Returns:
        (N, O, H, W).
    """
    if dtype := autocast_dtype(x):
        x, weight, bias = x.to(dtype), weight.to(dtype), bias.to(dtype)
    product = _PointwisePlanes.apply if is_eager(x, weight, bias) else _product
    out: Tensor = product(x.flatten(2).transpose(1, 2), weight, bias)
    return out.view(*out.shape[:2], *x.shape[2:])


def _product(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """x (N, P, C), weight (O, C) and bias (O) to (N, O, P): one product for each sample."""
    return torch.baddbmm(bias[:, None], weight.expand(x.shape[0], -1, -1), x.transpose(1, 2))


class _PointwisePlanes(torch.autograd.Function):
    """`_product` with gradients that lie as they are used."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        """See `_product`."""
        ctx.save_for_backward(x, weight)
        return _product(x, weight, bias)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        """The gradients of x, weight and bias."""
        x, weight = ctx.saved_tensors
        need_x, need_weight, need_bias = ctx.needs_input_grad
        return (
            torch.bmm(grad.transpose(1, 2), weight.expand(grad.shape[0], -1, -1)) if need_x else None,
            torch.bmm(grad, x).sum(0) if need_weight else None,
            grad.sum(2).sum(0) if need_bias else None,
        )
