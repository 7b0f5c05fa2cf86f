"""Dynamic convolution as it can be written in plain PyTorch: what the operator's backends are measured against.

Groups are interleaved. Legend: N batch, C channels, G groups, K kernel side, T = K*K taps.
"""

from __future__ import annotations

import math

import torch.nn.functional as F
from torch import Tensor


def unfold_mul_sum(x: Tensor, weight: Tensor) -> Tensor:
    """out (N,C,H,W) of x (N,C,H,W) and weight (N,G,T,H,W): unfolded, multiplied, added up over the taps."""
    groups, taps = weight.shape[1:3]
    kernel_size = math.isqrt(taps)
    patches = F.unfold(x, kernel_size, padding=kernel_size // 2).view(x.shape[0], -1, groups, taps, x[0, 0].numel())
    return (patches * weight.flatten(3).unsqueeze(1)).sum(3).view(x.shape)


def frame(x: Tensor, weight: Tensor) -> Tensor:
    """x with the zeros around it that the kernels reach: (N, C, H+K-1, W+K-1)."""
    radius = math.isqrt(weight.shape[2]) // 2
    return F.pad(x, (radius, radius, radius, radius))


def sum_of_taps(framed: Tensor, weight: Tensor) -> Tensor:
    """out (N,C,H,W) of a framed x: one sum of T products, which a compiler can make in one pass over the positions."""
    batch, groups, taps, height, width = weight.shape
    kernel_size = math.isqrt(taps)
    split = framed.view(batch, -1, groups, *framed.shape[2:])
    total = split[..., :height, :width] * weight[:, None, :, 0]
    for tap in range(1, taps):
        dy, dx = divmod(tap, kernel_size)
        total = total + split[..., dy : dy + height, dx : dx + width] * weight[:, None, :, tap]
    return total.flatten(1, 2)


def shifted_sums(x: Tensor, weight: Tensor) -> Tensor:
    """out (N,C,H,W) of x (N,C,H,W) and weight (N,G,T,H,W): shifted copies of x, multiplied and added one by one."""
    return sum_of_taps(frame(x, weight), weight)


def static_depthwise(x: Tensor, weight: Tensor) -> Tensor:
    """PyTorch's convolution of each channel with one kernel for all positions, weight (C,1,K,K): a yardstick."""
    return F.conv2d(x, weight, padding=weight.shape[-1] // 2, groups=x.shape[1])
