"""The definition of dynamic convolution: every other backend is judged by this file.

Legend: N batch, C channels, G groups, J = C/G channels of a group, K kernel side, T = K*K taps, P = H*W pixels.

The kernel of position p is not shared with its neighbours: it is read from ``weight`` at p. With X(n,c,t,p) the value
that tap t of the K x K window centred on p sees (zero outside the picture), and g(c) the group of channel c,

    out(n,c,p) = sum_t weight(n,g(c),t,p) * X(n,c,t,p)                                   (Eq. 2 of the paper)

This is linear in x and in weight, so both gradients are maps of the same kind. Dropout sets fixed entries of weight to
0 and scales the others first.
"""

import math
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from laconvnet.ops.dropout import Dropout

GroupLayout = Literal["interleaved", "contiguous"]

# The order of the two indices into which c splits: c = j*G + g (interleaved) or c = g*J + j (contiguous).
_CHANNELS = {"interleaved": "jg", "contiguous": "gj"}


def _split(channels: int, groups: int, group_layout: GroupLayout) -> tuple[int, int]:
    per_group = channels // groups
    return (per_group, groups) if group_layout == "interleaved" else (groups, per_group)


def _wide(*tensors: Tensor) -> tuple[Tensor, ...]:
    """Half precision as float32, in which all sums are made."""
    return tuple(tensor if tensor.dtype == torch.float64 else tensor.float() for tensor in tensors)


def _patches(x: Tensor, groups: int, kernel_size: int, group_layout: GroupLayout) -> Tensor:
    """X of the definition with c split in two: (N, J, G, T, P) or (N, G, J, T, P)."""
    batch, channels, height, width = x.shape
    patches = F.unfold(x, kernel_size, padding=kernel_size // 2)
    return patches.reshape(batch, *_split(channels, groups, group_layout), kernel_size * kernel_size, height * width)


def _dropped(weight: Tensor, dropout: Dropout | None) -> Tensor:
    return weight if dropout is None else dropout.apply(weight)


def forward(x: Tensor, weight: Tensor, group_layout: GroupLayout, dropout: Dropout | None = None) -> Tensor:
    """out (N,C,H,W) of x (N,C,H,W) and weight (N,G,T,H,W)."""
    groups, taps = weight.shape[1:3]
    c = _CHANNELS[group_layout]
    wide_x, wide_weight = _wide(x, weight)
    patches = _patches(wide_x, groups, math.isqrt(taps), group_layout)
    return (
        torch.einsum(f"n{c}tp,ngtp->n{c}p", patches, _dropped(wide_weight, dropout).flatten(3))
        .reshape(x.shape)
        .to(x.dtype)
    )


def grad_input(grad: Tensor, weight: Tensor, group_layout: GroupLayout, dropout: Dropout | None = None) -> Tensor:
    """d<grad, out>/dx (N,C,H,W): every patch entry is sent back to the pixel it was read from."""
    batch, channels, height, width = grad.shape
    groups, taps = weight.shape[1:3]
    kernel_size = math.isqrt(taps)
    c = _CHANNELS[group_layout]
    wide_grad, wide_weight = _wide(grad, weight)
    split = wide_grad.reshape(batch, *_split(channels, groups, group_layout), height * width)
    patches = torch.einsum(f"n{c}p,ngtp->n{c}tp", split, _dropped(wide_weight, dropout).flatten(3))
    patches = patches.reshape(batch, channels * taps, height * width)
    return F.fold(patches, (height, width), kernel_size, padding=kernel_size // 2).to(grad.dtype)


def grad_weight(
    grad: Tensor, x: Tensor, groups: int, kernel_size: int, group_layout: GroupLayout, dropout: Dropout | None = None
) -> Tensor:
    """d<grad, out>/dweight (N,G,T,H,W): a group's kernel gathers from all J channels that used it."""
    batch, channels, height, width = grad.shape
    c = _CHANNELS[group_layout]
    wide_grad, wide_x = _wide(grad, x)
    split = wide_grad.reshape(batch, *_split(channels, groups, group_layout), height * width)
    patches = _patches(wide_x, groups, kernel_size, group_layout)
    out = torch.einsum(f"n{c}p,n{c}tp->ngtp", split, patches)
    return _dropped(out.reshape(batch, groups, kernel_size * kernel_size, height, width), dropout).to(grad.dtype)
