"""The parameter generator: from a sentence to one vector of language for every position of the picture (Eq. 3, 4).

Legend: N batch, d channels of the picture, H and W its size, s packing factor, P = (H/s)*(W/s) packed positions,
L words, D width of a word, c width of the condition, m heads.
"""

import math
from dataclasses import dataclass
from typing import Literal, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from laconvnet.layers.position import sine_position
from laconvnet.ops.layout import has_channels_last, in_planes, laid_out_like
from laconvnet.ops.norm_act import norm_act

Position = Literal["sine", "sine_normalized", "none"]


_RELU = nn.ReLU(inplace=True)


@dataclass(frozen=True)
class TextMemory:
    """What a generator keeps of sentences; it depends on no picture, so that one reading serves many pictures.

    Attributes:
        key: (N, m, L, c/m), divided by the square root of its width; N may be 1 for a batch of pictures.
        value: (N, m, c/m, L).
        mask: (N, L) bool, True where the sentence has ended.
    """

    key: Tensor
    value: Tensor
    mask: Tensor


def read_text(key: nn.Linear, value: nn.Linear, num_heads: int, text: Tensor, text_mask: Tensor) -> TextMemory:
    """Turn sentences, text (N, L, D) and text_mask (N, L) bool, into keys and values."""
    sentences, words, _ = text.shape
    head_dim = key.out_features // num_heads
    text = text.to(key.weight.dtype)
    keys = key(text).view(sentences, words, num_heads, head_dim).transpose(1, 2)
    values = value(text).view(sentences, words, num_heads, head_dim).permute(0, 2, 3, 1)
    return TextMemory(keys / math.sqrt(head_dim), values, text_mask)


def attend(query: Tensor, memory: TextMemory) -> Tensor:
    """The affinity matrix A of Eq. 4 of queries (N, c, P): (N, m, L, P), each column sums to 1, padding gets 0."""
    heads, head_dim = memory.value.shape[1:3]
    scores = memory.key @ query.view(query.shape[0], heads, head_dim, query.shape[2])
    scores = scores.masked_fill(memory.mask[:, None, :, None], torch.finfo(scores.dtype).min)
    return scores.softmax(2)


class ParameterGenerator(nn.Module):
    """Multi-head attention from positions to words, on pixels packed s x s to one token.

    Args:
        dim: channels d of the picture.
        text_dim: width D of a word feature.
        condition_dim: width c of the condition, a multiple of num_heads.
        packing: s; H and W must be multiples of it. The attention then sees s*s times fewer positions.
        num_heads: attention heads.
        dropout: probability of dropping an attention weight in training.
        position: code added to the query only: "sine" counts cells from 1 as the authors' code does,
            "sine_normalized" scales them by the map's size, "none" adds nothing.
    """

    def __init__(
        self,
        dim: int,
        text_dim: int,
        condition_dim: int,
        *,
        packing: int = 1,
        num_heads: int = 8,
        dropout: float = 0.1,
        position: Position = "sine",
    ):
        super().__init__()
        if condition_dim % num_heads:
            raise ValueError(f"condition_dim {condition_dim} is not a multiple of num_heads {num_heads}")
        self.packing = packing
        self.num_heads = num_heads
        self.dropout = dropout
        self.position = position
        self._code: Tensor | None = None
        area = packing * packing
        self.query = nn.Conv2d(dim * area, condition_dim, 1)
        self.key = nn.Linear(text_dim, condition_dim)
        self.value = nn.Linear(text_dim, condition_dim)
        self.merge = nn.Conv2d(condition_dim, condition_dim * area, 1)
        self.norm = nn.BatchNorm2d(condition_dim)

    def read(self, text: Tensor, text_mask: Tensor) -> TextMemory:
        """Turn sentences into keys and values.

        Args:
            text: (N, L, D).
            text_mask: (N, L) bool, True where the sentence has ended.
        """
        return read_text(self.key, self.value, self.num_heads, text, text_mask)

    def _position_code(self, x: Tensor) -> Tensor:
        """The code for maps like x, kept until another size, layout, dtype or device comes."""
        code = self._code
        alike = code is not None and code.shape[1:] == x.shape[1:] and has_channels_last(code) == has_channels_last(x)
        if code is None or not alike or code.dtype != x.dtype or code.device != x.device:
            with torch.inference_mode(False):  # made while predicting, it may be used in training
                normalize = self.position == "sine_normalized"
                code = sine_position(*x.shape[1:], normalize=normalize, device=x.device, dtype=x.dtype)
                code = laid_out_like(code, x)
            if not torch.compiler.is_compiling():  # a graph is to depend on its inputs alone
                self._code = code
        return code

    def attention(self, x: Tensor, memory: TextMemory) -> Tensor:
        """The affinity matrix A of Eq. 4, words before positions.

        Args:
            x: (N, d, H, W).
            memory: of as many sentences, or of one for all.

        Returns:
            (N, m, L, P); each column sums to 1, padding gets exactly 0.
        """
        if self.position != "none":
            x = x + self._position_code(x)
        # A 1x1 convolution of pixels packed s x s is an s x s convolution with stride s.
        weight = self.query.weight.view(-1, x.shape[1], self.packing, self.packing)
        query = F.conv2d(x, weight, self.query.bias, stride=self.packing)
        return attend(in_planes(query).flatten(2), memory)

    def forward(self, x: Tensor, memory: TextMemory) -> Tensor:
        """The condition C of Eq. 3 at full resolution.

        Args:
            x: (N, d, H, W), H and W multiples of the packing factor.
            memory: of as many sentences, or of one for all.

        Returns:
            (N, c, H, W), non-negative.
        """
        attention = F.dropout(self.attention(x, memory), self.dropout, self.training)
        read = (memory.value @ attention.to(memory.value.dtype)).flatten(1, 2).transpose(1, 2)
        merged = F.linear(read, *self._merge_pixel_by_pixel())
        return norm_act(self._side_by_side(merged, *x.shape[2:]), self.norm, _RELU, rectify=True)

    def _merge_pixel_by_pixel(self) -> tuple[Tensor, Tensor]:
        """Weight (s*s*c, c) and bias (s*s*c) of `merge`, the c numbers of a pixel side by side."""
        channels = self.merge.in_channels
        weight = self.merge.weight.view(channels, -1, channels).transpose(0, 1).flatten(0, 1)
        return weight, cast(Tensor, self.merge.bias).view(channels, -1).t().flatten()

    def _side_by_side(self, tokens: Tensor, height: int, width: int) -> Tensor:
        """The pixels of tokens (N, P, s*s*c) as a map (N, c, H, W), channels last in memory."""
        s, channels = self.packing, self.merge.in_channels
        pixels = tokens.view(-1, height // s, width // s, s, s, channels).transpose(2, 3)
        return pixels.reshape(-1, height, width, channels).permute(0, 3, 1, 2)
