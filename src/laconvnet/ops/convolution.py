"""Convolutions done with less work, where there is some to save."""

from collections.abc import Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from laconvnet.ops.autocast import autocast_dtype
from laconvnet.ops.eager import is_eager
from laconvnet.ops.layout import has_channels_last

_BLOCK = 16
"""Channels that a convolution computes together."""


def convolve(conv: nn.Module, x: Tensor) -> Tensor:
    """``conv(x)``.

    A 1x1 kernel to a few channels is a product with a narrow matrix, where a convolution fills blocks of channels. Of a
    3x3 kernel dilated so far that its taps see less of the map than of the padding, what they see there is left out, in
    the backward pass or altogether.

    Args:
        conv: a convolution, or what stands in its place.
        x: (N, C, H, W).

    Returns:
        What conv makes of it.
    """
    if not isinstance(conv, nn.Conv2d) or conv.groups > 1 or conv.stride != (1, 1) or x.device.type != "cpu":
        return conv(x)  # type: ignore[no-any-return]
    if conv.kernel_size == (1, 1) and conv.out_channels < _BLOCK and has_channels_last(x):
        return F.linear(x.permute(0, 2, 3, 1), conv.weight.flatten(1), conv.bias).permute(0, 3, 1, 2)
    if conv.kernel_size == (3, 3) and conv.padding == conv.dilation and conv.bias is None:
        share = max(x.shape[2:]) / min(conv.dilation)
        if share <= 1:
            return F.conv2d(x, conv.weight[:, :, 1:2, 1:2])
        if share <= 2 and has_channels_last(x) and is_eager(x, conv.weight):
            return _dilated(x, conv.weight, min(conv.dilation))
    return conv(x)  # type: ignore[no-any-return]


def _dilated(x: Tensor, weight: Tensor, dilation: int) -> Tensor:
    if dtype := autocast_dtype(x):
        x, weight = x.to(dtype), weight.to(dtype)
    out: Tensor = _Dilated.apply(x, weight, dilation)  # type: ignore[no-untyped-call]
    return out


class _Dilated(torch.autograd.Function):
    """A padded convolution by dilated 3x3 kernels (O, C, 3, 3), its gradients tap by tap where taps meet the map."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, dilation: int) -> Tensor:
        """x (N, C, H, W) to (N, O, H, W)."""
        ctx.save_for_backward(x, weight)
        ctx.dilation = dilation
        return F.conv2d(x, weight, padding=dilation, dilation=dilation)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        """The gradients of x and weight."""
        x, weight = ctx.saved_tensors
        rows, grad = x.permute(0, 2, 3, 1), grad.permute(0, 2, 3, 1)
        grad_rows, grad_weight = torch.zeros_like(rows), torch.empty_like(weight)
        for i, above, below in _meetings(rows.shape[1], ctx.dilation):
            for j, left, right in _meetings(rows.shape[2], ctx.dilation):
                part = grad[:, above, left].contiguous()
                grad_rows[:, below, right] += part @ weight[:, :, i, j]
                grad_weight[:, :, i, j] = part.flatten(0, 2).t() @ rows[:, below, right].flatten(0, 2)
        return grad_rows.permute(0, 3, 1, 2), grad_weight, None


def _meetings(size: int, dilation: int) -> Iterator[tuple[int, slice, slice]]:
    """For each of three taps along a side, the outputs that it gives to, and the inputs that it takes from."""
    rest = max(0, size - dilation)
    yield 0, slice(dilation, size), slice(0, rest)
    yield 1, slice(0, size), slice(0, size)
    yield 2, slice(0, rest), slice(dilation, size)
