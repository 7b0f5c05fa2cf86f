"""The parameter generator: from a sentence to one vector of language for every position of the picture (Eq. 3, 4).

Legend: N batch, d channels of the picture, H and W its size, s packing factor, P = (H/s)*(W/s) packed positions,
L words, D width of a word, c width of the condition, m heads.
"""

import math
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from laconvnet.layers.position import sine_position

Position = Literal["sine", "sine_normalized", "none"]


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
        area = packing * packing
        self.query = nn.Conv2d(dim * area, condition_dim, 1)
        self.key = nn.Linear(text_dim, condition_dim)
        self.value = nn.Linear(text_dim, condition_dim)
        self.merge = nn.Conv2d(condition_dim, condition_dim * area, 1)
        self.norm = nn.BatchNorm2d(condition_dim)

    def attention(self, x: Tensor, text: Tensor, text_mask: Tensor) -> Tensor:
        """The affinity matrix A of Eq. 4.

        Args:
            x: (N, d, H, W).
            text: (N, L, D).
            text_mask: (N, L) bool, True where the sentence has ended.

        Returns:
            (N, m, P, L); each row sums to 1, padding gets exactly 0.
        """
        if self.position != "none":
            normalize = self.position == "sine_normalized"
            code = sine_position(*x.shape[1:], normalize=normalize, device=x.device, dtype=x.dtype)
            x = x + code
        query = self.query(F.pixel_unshuffle(x, self.packing)).flatten(2)
        query = query.unflatten(1, (self.num_heads, -1)).transpose(2, 3)
        key = self.key(text).unflatten(2, (self.num_heads, -1)).permute(0, 2, 3, 1)
        scores = query @ key / math.sqrt(key.shape[2])
        scores = scores.masked_fill(text_mask[:, None, None, :], torch.finfo(scores.dtype).min)
        return scores.softmax(-1)  # type: ignore[no-any-return]

    def forward(self, x: Tensor, text: Tensor, text_mask: Tensor) -> Tensor:
        """The condition C of Eq. 3 at full resolution.

        Args:
            x: (N, d, H, W), H and W multiples of the packing factor.
            text: (N, L, D).
            text_mask: (N, L) bool, True where the sentence has ended.

        Returns:
            (N, c, H, W), non-negative.
        """
        height, width = x.shape[2] // self.packing, x.shape[3] // self.packing
        attention = F.dropout(self.attention(x, text, text_mask), self.dropout, self.training)
        value = self.value(text).unflatten(2, (self.num_heads, -1)).transpose(1, 2)
        read = (attention.to(value.dtype) @ value).transpose(2, 3).flatten(1, 2)
        packed = self.merge(read.unflatten(2, (height, width))).relu()
        return self.norm(F.pixel_shuffle(packed, self.packing)).relu()  # type: ignore[no-any-return]
