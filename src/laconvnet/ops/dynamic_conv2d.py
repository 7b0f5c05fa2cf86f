"""The public operator, registered with `torch.library` so that autograd, compile, export and FLOP counting see it.

Three operators are registered: the convolution and its two gradients. Each is linear in both arguments and the
derivative of each is made of the other two, so gradients of any order come from these few lines.
"""

import math
from typing import Any, get_args

import torch
from torch import Tensor
from torch.utils.flop_counter import register_flop_formula

from laconvnet.ops.backends import BACKENDS, PLAIN, asked_for_plain, select_backend
from laconvnet.ops.dropout import Dropout
from laconvnet.ops.eager import is_unrecorded
from laconvnet.ops.reference import GroupLayout


def _kernel_size(weight: Tensor) -> int:
    return math.isqrt(weight.shape[2])


def _dropout(p: float, seed: Tensor | None) -> Dropout | None:
    return None if seed is None else Dropout(p, seed)


@torch.library.custom_op("laconvnet::dynamic_conv2d", mutates_args=())
def _forward(x: Tensor, weight: Tensor, group_layout: str, dropout: float, seed: Tensor | None) -> Tensor:
    _check(x, weight, group_layout, dropout)
    backend = select_backend(x, _kernel_size(weight))
    return backend.forward(x, weight, group_layout, _dropout(dropout, seed))  # type: ignore[arg-type]


@torch.library.custom_op("laconvnet::dynamic_conv2d_grad_input", mutates_args=())
def _grad_input(grad: Tensor, weight: Tensor, group_layout: str, dropout: float, seed: Tensor | None) -> Tensor:
    _check(grad, weight, group_layout, dropout)
    backend = select_backend(grad, _kernel_size(weight))
    return backend.grad_input(grad, weight, group_layout, _dropout(dropout, seed))  # type: ignore[arg-type]


@torch.library.custom_op("laconvnet::dynamic_conv2d_grad_weight", mutates_args=())
def _grad_weight(
    grad: Tensor, x: Tensor, groups: int, kernel_size: int, group_layout: str, dropout: float, seed: Tensor | None
) -> Tensor:
    if grad.shape != x.shape or grad.dtype != x.dtype:
        raise ValueError(f"the gradient {tuple(grad.shape)} {grad.dtype} is not that of x {tuple(x.shape)} {x.dtype}")
    backend = select_backend(grad, kernel_size)
    return backend.grad_weight(grad, x, groups, kernel_size, group_layout, _dropout(dropout, seed))  # type: ignore[arg-type]


@_forward.register_fake
def _(x: Tensor, weight: Tensor, *_: Any) -> Tensor:
    return x.new_empty(x.shape)


@_grad_input.register_fake
def _(grad: Tensor, weight: Tensor, *_: Any) -> Tensor:
    return grad.new_empty(grad.shape)


@_grad_weight.register_fake
def _(grad: Tensor, x: Tensor, groups: int, kernel_size: int, *_: Any) -> Tensor:
    batch, _channels, height, width = grad.shape
    return grad.new_empty((batch, groups, kernel_size * kernel_size, height, width))


def _save(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    first, second, *_sizes, group_layout, dropout, seed = inputs
    ctx.save_for_backward(first, second, seed)
    ctx.options = group_layout, dropout


def _forward_backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
    x, weight, seed = ctx.saved_tensors
    need_x, need_weight, *_ = ctx.needs_input_grad
    options = *ctx.options, seed
    return (
        _grad_input(grad, weight, *options) if need_x else None,
        _grad_weight(grad, x, weight.shape[1], _kernel_size(weight), *options) if need_weight else None,
        *(None,) * 3,
    )


def _grad_input_backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
    """<grad, grad_input(g, w)> = <g, forward(grad, w)>, linear in g and in w."""
    g, weight, seed = ctx.saved_tensors
    need_g, need_weight, *_ = ctx.needs_input_grad
    options = *ctx.options, seed
    return (
        _forward(grad, weight, *options) if need_g else None,
        _grad_weight(g, grad, weight.shape[1], _kernel_size(weight), *options) if need_weight else None,
        *(None,) * 3,
    )


def _grad_weight_backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
    """<grad, grad_weight(g, x)> = <g, forward(x, grad)>, linear in g and in x."""
    g, x, seed = ctx.saved_tensors
    need_g, need_x, *_ = ctx.needs_input_grad
    options = *ctx.options, seed
    return (
        _forward(x, grad, *options) if need_g else None,
        _grad_input(g, grad, *options) if need_x else None,
        *(None,) * 5,
    )


_forward.register_autograd(_forward_backward, setup_context=_save)
_grad_input.register_autograd(_grad_input_backward, setup_context=_save)
_grad_weight.register_autograd(_grad_weight_backward, setup_context=_save)


def _flops(image_shape: tuple[int, ...], taps: int) -> int:
    """Two floating-point operations for each channel, tap and position."""
    return 2 * math.prod(image_shape) * taps


@register_flop_formula(torch.ops.laconvnet.dynamic_conv2d)
def _(x_shape: Any, weight_shape: Any, *_: Any, **__: Any) -> int:
    return _flops(x_shape, weight_shape[2])


@register_flop_formula(torch.ops.laconvnet.dynamic_conv2d_grad_input)
def _(grad_shape: Any, weight_shape: Any, *_: Any, **__: Any) -> int:
    return _flops(grad_shape, weight_shape[2])


@register_flop_formula(torch.ops.laconvnet.dynamic_conv2d_grad_weight)
def _(grad_shape: Any, x_shape: Any, groups: int, kernel_size: int, *_: Any, **__: Any) -> int:
    return _flops(grad_shape, kernel_size * kernel_size)


def _check(x: Tensor, weight: Tensor, group_layout: str, dropout: float) -> None:
    if not 0 <= dropout < 1:
        raise ValueError(f"dropout is {dropout}; allowed: 0 <= dropout < 1")
    if group_layout not in get_args(GroupLayout):
        raise ValueError(f"group_layout is {group_layout!r}; allowed: {', '.join(get_args(GroupLayout))}")
    if x.dim() != 4 or weight.dim() != 5:
        raise ValueError(
            f"x must be (N,C,H,W) and weight (N,G,K*K,H,W); got x {tuple(x.shape)}, weight {tuple(weight.shape)}"
        )
    if x.shape[0] != weight.shape[0] or x.shape[2:] != weight.shape[3:]:
        raise ValueError(
            f"batch and map size of x {tuple(x.shape)} and weight {tuple(weight.shape)} differ: "
            "weight must hold one kernel for every position of every sample"
        )
    channels, groups, taps = x.shape[1], weight.shape[1], weight.shape[2]
    if groups == 0 or channels % groups:
        raise ValueError(f"weight has {groups} groups, which do not divide the {channels} channels of x")
    kernel_size = math.isqrt(taps)
    if kernel_size * kernel_size != taps or kernel_size % 2 == 0:
        raise ValueError(f"weight has {taps} taps; allowed: the square of an odd kernel_size (1, 9, 25, 49, ...)")
    if not x.is_floating_point() or x.dtype != weight.dtype:
        raise TypeError(f"x and weight must share one floating dtype; got {x.dtype} and {weight.dtype}")
    if x.device != weight.device:
        raise ValueError(f"x is on {x.device} and weight on {weight.device}; both must be on one device")


def dynamic_conv2d(
    x: Tensor, weight: Tensor, *, group_layout: GroupLayout = "interleaved", dropout: float = 0.0
) -> Tensor:
    """Convolve x with a kernel of its own at every position: the core of LaConv (Eq. 2 of the paper).

    ``out[n,c,i,j] = sum over a, b of weight[n, g(c), a*K + b, i, j] * x[n, c, i + a - K//2, j + b - K//2]``,
    a centred cross-correlation with zero padding K//2. Sums are accumulated in float32 (float64 for float64).
    Differentiable in both arguments, any number of times. Under autocast both are cast to its dtype, but not float64.

    Args:
        x: (N, C, H, W), any floating dtype.
        weight: (N, G, K*K, H, W), K odd, G a divisor of C, in the dtype of x; may be an expanded view.
        group_layout: channel c uses group ``c % G`` ("interleaved", the authors' code) or ``c // (C // G)``
            ("contiguous", the paper's equation).
        dropout: probability that an entry of weight is taken as 0 in this call, the others being divided by
            ``1 - dropout``; drawn from PyTorch's generator of the device. No mask is stored, see `ops.dropout`.

    Returns:
        (N, C, H, W) in the dtype of x.

    Raises:
        ValueError: shapes, devices, ``group_layout`` or ``dropout`` do not fit; the message names them.
        TypeError: x and weight are not of one floating dtype.
    """
    # Here and not as a registered autocast rule: such a rule fixes one dtype per device, autocast lets the user choose.
    device_type = x.device.type
    if (
        device_type != "meta"
        and torch.is_autocast_enabled(device_type)
        and torch.float64 not in (x.dtype, weight.dtype)
    ):
        dtype = torch.get_autocast_dtype(device_type)
        x, weight = x.to(dtype), weight.to(dtype)
    _check(x, weight, group_layout, dropout)
    seed = torch.randint(2**63 - 1, (), device=x.device) if dropout else None
    if asked_for_plain():
        return BACKENDS[PLAIN].forward(x, weight, group_layout, _dropout(dropout, seed))
    if is_unrecorded(x, weight):
        return select_backend(x, _kernel_size(weight)).forward(x, weight, group_layout, _dropout(dropout, seed))
    return torch.ops.laconvnet.dynamic_conv2d(x, weight, group_layout, dropout, seed)  # type: ignore[no-any-return]
