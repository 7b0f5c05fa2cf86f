"""Layers made ready for predicting: they answer as those they are made from, with less work.

Norms are folded into the products before them, and what follows a product happens in one pass over its result. Numbers
that stay in float32 when a network goes to half precision are buffers, the others parameters.
"""

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from laconvnet.layers.block import LaConvBlock, Memory, Sentence
from laconvnet.layers.generator import TextMemory, attend, read_text
from laconvnet.layers.laconv import LaConv
from laconvnet.layers.position import sine_position
from laconvnet.ops import dynamic_conv2d
from laconvnet.ops.epilogue import affine_silu_, unpack_tokens


def _scale_and_shift(norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """What a norm multiplies by and adds when predicting, (C) each, in float32."""
    scale = norm.weight.float() / (cast(Tensor, norm.running_var).float() + norm.eps).sqrt()
    return scale.detach(), (norm.bias - cast(Tensor, norm.running_mean) * scale).detach().float()


def _constant(values: Tensor) -> nn.Parameter:
    return nn.Parameter(values.detach().contiguous(), requires_grad=False)


def _product(left: Tensor, right: Tensor, bias: Tensor | None = None) -> Tensor:
    """(N, M, K) times (N, K, P), either with N = 1 for all, plus a bias that broadcasts to (M, P)."""
    batch = right.shape[0] if left.shape[0] == 1 else left.shape[0]
    left, right = left.expand(batch, -1, -1), right.expand(batch, -1, -1)
    return torch.bmm(left, right) if bias is None else torch.baddbmm(bias, left, right)


class PreparedSiLU(nn.Module):
    """SiLU that may overwrite its input."""

    def forward(self, x: Tensor) -> Tensor:
        """x (N, C, H, W)."""
        return affine_silu_(x)


class PointwiseSiLU(nn.Module):
    """A 1x1 convolution, the norm behind it and SiLU: a product of matrices and a pass over its result.

    Args:
        conv: a 1x1 convolution with stride 1 and one group.
        norm: the norm.
    """

    shift: Tensor

    def __init__(self, conv: nn.Conv2d, norm: nn.BatchNorm2d):
        super().__init__()
        scale, shift = _scale_and_shift(norm)
        self.weight = _constant(conv.weight.flatten(1) * scale[:, None])
        self.register_buffer("shift", (shift if conv.bias is None else shift + scale * conv.bias).detach().float())

    def forward(self, x: Tensor, residual: Tensor | None = None) -> Tensor:
        """SiLU(norm(conv(x)) + residual): x (N, C, H, W), residual and result (N, out channels, H, W)."""
        out = _product(self.weight[None], x.flatten(2)).view(x.shape[0], self.weight.shape[0], *x.shape[2:])
        return affine_silu_(out, shift=self.shift, residual=residual)


class PreparedLaConv(nn.Module):
    """`LaConv` for predicting.

    Args:
        conv: whose numbers it takes.
    """

    query_bias: Tensor
    merge_bias: Tensor
    low: Tensor
    high: Tensor

    def __init__(self, conv: LaConv):
        super().__init__()
        generator = conv.generator
        width, s = generator.norm.num_features, generator.packing
        self.groups, self.kernel_size, self.group_layout = conv.groups, conv.kernel_size, conv.group_layout
        self.packing, self.num_heads, self.position = s, generator.num_heads, generator.position
        self.key, self.value = generator.key, generator.value
        self.query = _constant(generator.query.weight.view(width, -1, s, s))
        self.register_buffer("query_bias", cast(Tensor, generator.query.bias).detach().float())
        self._code: tuple[object, Tensor] | None = None
        # ReLU, norm and ReLU after merging: relu(a * relu(z) + b) is a * z + b between two limits, at least relu(b)
        # where a is not negative, else at least 0 and at most relu(b).
        scale, shift = _scale_and_shift(generator.norm)
        merge = generator.merge.weight.view(width, s, s, width) * scale[:, None, None, None]
        bias = cast(Tensor, generator.merge.bias).view(width, s, s).permute(1, 2, 0)
        # The channels of a token are (c, s, s); as (s, s, c) its pixels unpack in runs of s * c numbers.
        self.merge = _constant(merge.permute(3, 1, 2, 0).flatten(1))
        self.register_buffer("merge_bias", (bias * scale + shift).detach().float().contiguous())
        end = shift.relu()
        self.register_buffer("low", end.masked_fill(scale < 0, 0))
        self.register_buffer("high", end.masked_fill(scale >= 0, torch.inf))
        self.predict = _constant(conv.predict.weight.flatten(1))
        self.predict_bias = _constant(cast(Tensor, conv.predict.bias)[:, None])

    def read(self, text: Tensor, text_mask: Tensor, pooled: Tensor | None = None) -> TextMemory:
        """As `LaConv.read`."""
        return read_text(self.key, self.value, self.num_heads, text, text_mask)

    def _query_code(self, x: Tensor) -> Tensor:
        """What bias and position add to the queries of maps like x, (c, h, w); kept until maps of another kind come."""
        kind = (x.shape[2:], x.dtype, x.device)
        kept = self._code
        if kept is not None and kept[0] == kind:
            return kept[1]
        with torch.inference_mode(False), torch.no_grad():  # what is made while predicting may be used elsewhere
            code = self.query_bias[:, None, None]
            if self.position != "none":
                channels, normalize = self.query.shape[1], self.position == "sine_normalized"
                position = sine_position(channels, *x.shape[2:], normalize=normalize, device=x.device)
                code = code + F.conv2d(position[0], self.query.float(), stride=self.packing)
            code = code.to(x.dtype)
        if not torch.compiler.is_compiling():  # a graph is to depend on its inputs alone
            self._code = kind, code
        return code

    def forward(self, x: Tensor, memory: TextMemory) -> Tensor:
        """As `LaConv.forward`: x (N, dim, H, W) under sentences that were read, one for each or one for all."""
        batch, _, height, width = x.shape
        query = F.conv2d(x, self.query, stride=self.packing) + self._query_code(x)
        read = (memory.value @ attend(query.flatten(2), memory)).flatten(1, 2)
        packed = _product(read.transpose(1, 2), self.merge[None])
        packed = packed.view(batch, *query.shape[2:], *self.merge_bias.shape)
        condition = unpack_tokens(packed, self.merge_bias, self.low, self.high).flatten(1, 2)
        kernels = _product(self.predict[None], condition.transpose(1, 2), self.predict_bias)
        kernels = kernels.view(batch, self.groups, self.kernel_size**2, height, width)
        return dynamic_conv2d(x, kernels, group_layout=self.group_layout)


class PreparedBlock(nn.Module):
    """`LaConvBlock` for predicting.

    Args:
        block: whose numbers it takes.
    """

    scale: Tensor
    shift: Tensor

    def __init__(self, block: LaConvBlock):
        super().__init__()
        self.conv = PreparedLaConv(block.conv) if isinstance(block.conv, LaConv) else block.conv
        scale, shift = _scale_and_shift(block.norm)
        self.register_buffer("scale", scale)
        self.register_buffer("shift", shift)
        expand, norm, _, project, last_norm = block.mlp
        self.expand = PointwiseSiLU(cast(nn.Conv2d, expand), cast(nn.BatchNorm2d, norm))
        self.project = PointwiseSiLU(cast(nn.Conv2d, project), cast(nn.BatchNorm2d, last_norm))

    def read(self, sentence: Sentence) -> Memory:
        """As `LaConvBlock.read`."""
        return self.conv.read(sentence.words, sentence.mask, sentence.pooled)

    def forward(self, x: Tensor, memory: Memory) -> Tensor:
        """As `LaConvBlock.forward`."""
        x = affine_silu_(self.conv(x, memory), scale=self.scale, shift=self.shift, residual=x)
        return self.project(self.expand(x), residual=x)  # type: ignore[no-any-return]
