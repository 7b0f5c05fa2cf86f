"""Dynamic convolution as K*K shifted multiply-adds, in plain PyTorch: nothing is unfolded.

A picture is stored with K//2 zeros around it, row after row in one line. Then tap (dy, dx) of *every* position is the
same line read ``dy * stride + dx`` further on: one contiguous run per channel, whatever the picture's width, so even a
7x7 map fills vector registers. Positions past a row's end compute values that are cut off at the end.

Legend: N batch, C channels, G groups, J = C/G channels of a group, K kernel side, T = K*K taps; ``stride`` = W + K - 1.
The temporary memory is bounded: samples are taken a few at a time, as many as fill `_CHUNK` numbers.
"""

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from laconvnet.ops.dropout import Dropout
from laconvnet.ops.reference import GroupLayout

_CHUNK = 4 * 2**20  # numbers in flight; 16 MiB of float32, about half of a common last-level cache


class _Lines:
    """Geometry of pictures laid out as padded lines, for one operand size and group layout."""

    def __init__(self, channels: int, groups: int, taps: int, height: int, width: int, layout: GroupLayout):
        self.kernel_size = math.isqrt(taps)
        self.radius = self.kernel_size // 2
        self.height, self.width = height, width
        self.stride = width + 2 * self.radius
        self.length = height * self.stride
        per_group = channels // groups
        self.split = (per_group, groups) if layout == "interleaved" else (groups, per_group)
        self.group_member_dim = 1 if layout == "interleaved" else 2
        self.samples = max(1, _CHUNK // max(1, (2 * channels + groups * taps) * self.length))

    def offsets(self) -> Iterator[tuple[int, int]]:
        """(tap, distance along the line from a position to what the tap sees)."""
        for tap in range(self.kernel_size**2):
            dy, dx = divmod(tap, self.kernel_size)
            yield tap, dy * self.stride + dx

    def padded(self, x: Tensor, dtype: torch.dtype) -> Tensor:
        """x (n,C,H,W) with a zero frame, split in groups, as lines: (n, *split, (H+K)*stride)."""
        r = self.radius
        planes = x.new_zeros((*x.shape[:2], self.height + 2 * r + 1, self.stride), dtype=dtype)
        planes[:, :, r : r + self.height, r : r + self.width] = x
        return planes.view(x.shape[0], *self.split, -1)

    def unpad(self, lines: Tensor) -> Tensor:
        """The inverse of `padded`: (n, C, H, W)."""
        r = self.radius
        planes = lines.view(lines.shape[0], -1, self.height + 2 * r + 1, self.stride)
        return planes[:, :, r : r + self.height, r : r + self.width]

    def ruled(self, y: Tensor, dtype: torch.dtype) -> Tensor:
        """y (n,...,H,W) as lines of `length`, zero past each row's end: (n, ..., length)."""
        rows = y.new_zeros((*y.shape[:-1], self.stride), dtype=dtype)
        rows[..., : self.width] = y
        return rows.view(*y.shape[:-2], self.length)

    def unrule(self, lines: Tensor) -> Tensor:
        """The inverse of `ruled`: (n, ..., H, W)."""
        return lines.view(*lines.shape[:-1], self.height, self.stride)[..., : self.width]

    def kernels(self, weight: Tensor, dtype: torch.dtype, dropout: Dropout | None, first_sample: int) -> Tensor:
        """weight (n,G,T,H,W) as lines that broadcast against a group's members: (n, 1, G, T, length)."""
        if dropout is not None:
            weight = dropout.apply(weight.to(dtype), first_sample)
        return self.ruled(weight, dtype).unsqueeze(self.group_member_dim)


def _accumulator_dtype(dtype: torch.dtype) -> torch.dtype:
    return torch.float64 if dtype == torch.float64 else torch.float32


def forward(x: Tensor, weight: Tensor, group_layout: GroupLayout, dropout: Dropout | None = None) -> Tensor:
    """out (N,C,H,W) of x (N,C,H,W) and weight (N,G,T,H,W)."""
    batch, channels, height, width = x.shape
    lines = _Lines(channels, weight.shape[1], weight.shape[2], height, width, group_layout)
    dtype = _accumulator_dtype(x.dtype)
    out = x.new_empty(x.shape)
    for start in range(0, batch, lines.samples):
        chunk = slice(start, start + lines.samples)
        source, kernels = lines.padded(x[chunk], dtype), lines.kernels(weight[chunk], dtype, dropout, start)
        total = source.new_zeros((*source.shape[:3], lines.length))
        for tap, offset in lines.offsets():
            total.addcmul_(source[..., offset : offset + lines.length], kernels[..., tap, :])
        out[chunk] = lines.unrule(total).flatten(1, 2)
    return out


def grad_input(grad: Tensor, weight: Tensor, group_layout: GroupLayout, dropout: Dropout | None = None) -> Tensor:
    """d<grad, out>/dx (N,C,H,W)."""
    batch, channels, height, width = grad.shape
    lines = _Lines(channels, weight.shape[1], weight.shape[2], height, width, group_layout)
    dtype = _accumulator_dtype(grad.dtype)
    out = grad.new_empty(grad.shape)
    for start in range(0, batch, lines.samples):
        chunk = slice(start, start + lines.samples)
        kernels = lines.kernels(weight[chunk], dtype, dropout, start)
        ruled = lines.ruled(grad[chunk], dtype).view(-1, *lines.split, lines.length)
        total = lines.padded(torch.zeros_like(grad[chunk]), dtype)
        for tap, offset in lines.offsets():
            total[..., offset : offset + lines.length].addcmul_(ruled, kernels[..., tap, :])
        out[chunk] = lines.unpad(total)
    return out


def grad_weight(
    grad: Tensor, x: Tensor, groups: int, kernel_size: int, group_layout: GroupLayout, dropout: Dropout | None = None
) -> Tensor:
    """d<grad, out>/dweight (N,G,T,H,W)."""
    batch, channels, height, width = grad.shape
    taps = kernel_size * kernel_size
    lines = _Lines(channels, groups, taps, height, width, group_layout)
    dtype = _accumulator_dtype(grad.dtype)
    out = grad.new_empty((batch, groups, taps, height, width))
    for start in range(0, batch, lines.samples):
        chunk = slice(start, start + lines.samples)
        source = lines.padded(x[chunk], dtype)
        ruled = lines.ruled(grad[chunk], dtype).view(-1, *lines.split, lines.length)
        product = torch.empty_like(ruled)
        total = ruled.new_empty((ruled.shape[0], groups, taps, lines.length))
        for tap, offset in lines.offsets():
            torch.mul(ruled, source[..., offset : offset + lines.length], out=product)
            total[:, :, tap] = product.sum(lines.group_member_dim)
        maps = lines.unrule(total)
        out[chunk] = maps if dropout is None else dropout.apply(maps, start)
    return out
