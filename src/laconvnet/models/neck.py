"""The neck: a path-aggregation pyramid that mixes strides 8, 16 and 32 top-down, then bottom-up."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from laconvnet.models.backbone import ConvNormAct, upsample2


class Bottleneck(nn.Sequential):
    """1x1 then 3x3 convolution, without shortcut."""

    def __init__(self, dim: int):
        super().__init__(ConvNormAct(dim, dim), ConvNormAct(dim, dim, 3))


class CrossStageLayer(nn.Module):
    """Cross-stage-partial layer: one half goes through bottlenecks, the other past them, both are merged.

    Args:
        in_dim: channels in.
        out_dim: channels out; each half has out_dim / 2.
        depth: number of bottlenecks.
    """

    def __init__(self, in_dim: int, out_dim: int, depth: int):
        super().__init__()
        half = out_dim // 2
        self.through = ConvNormAct(in_dim, half)
        self.past = ConvNormAct(in_dim, half)
        self.bottlenecks = nn.Sequential(*(Bottleneck(half) for _ in range(depth)))
        self.merge = ConvNormAct(2 * half, out_dim)

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_dim, H, W) to (N, out_dim, H, W)."""
        both = torch.cat([self.bottlenecks(self.through(x)), self.past(x)], 1)
        return self.merge(both)  # type: ignore[no-any-return]


class TopDown(nn.Module):
    """Carry what stride 32 knows down to strides 16 and 8.

    Args:
        dims: channels at strides 8, 16 and 32.
        depth: bottlenecks per layer.
    """

    def __init__(self, dims: Sequence[int], depth: int):
        super().__init__()
        d8, d16, d32 = dims
        self.reduce32 = ConvNormAct(d32, d16)
        self.mix16 = CrossStageLayer(2 * d16, d16, depth)
        self.reduce16 = ConvNormAct(d16, d8)
        self.mix8 = CrossStageLayer(2 * d8, d8, depth)

    def forward(self, x8: Tensor, x16: Tensor, x32: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Returns the mixed stride 8 (d8 channels), the reduced stride 16 (d8) and stride 32 (d16)."""
        top32 = self.reduce32(x32)
        top16 = self.reduce16(self.mix16(torch.cat([upsample2(top32), x16], 1)))
        return self.mix8(torch.cat([upsample2(top16), x8], 1)), top16, top32


class PathAggregation(nn.Module):
    """`TopDown`, then the way back up.

    Args:
        dims: channels at strides 8, 16 and 32, in and out.
        depth: bottlenecks per layer.
    """

    def __init__(self, dims: Sequence[int], depth: int):
        super().__init__()
        d8, d16, d32 = dims
        self.top_down = TopDown(dims, depth)
        self.down8 = ConvNormAct(d8, d8, 3, stride=2)
        self.mix16 = CrossStageLayer(2 * d8, d16, depth)
        self.down16 = ConvNormAct(d16, d16, 3, stride=2)
        self.mix32 = CrossStageLayer(2 * d16, d32, depth)

    def forward(self, x8: Tensor, x16: Tensor, x32: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Maps at strides 8, 16, 32 to maps of the same shapes."""
        out8, top16, top32 = self.top_down(x8, x16, x32)
        out16 = self.mix16(torch.cat([self.down8(out8), top16], 1))
        out32 = self.mix32(torch.cat([self.down16(out16), top32], 1))
        return out8, out16, out32
