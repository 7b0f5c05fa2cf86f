"""The text encoder: word vectors, one recurrent layer, self-attention, and a pooled sentence.

Legend: N batch, L words, E width of a word vector, D width of a word feature, m heads.
"""

import math
from typing import Literal

import torch
from torch import Tensor, nn

Recurrent = Literal["gru", "lstm"]


class UnbiasedLayerNorm(nn.Module):
    """Layer norm as the authors' text encoder has it: unbiased deviation, epsilon added outside the root."""

    def __init__(self, dim: int, eps: float = 1e-6):
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(dim))
        self.bias = nn.Parameter(torch.zeros(dim))

    def forward(self, x: Tensor) -> Tensor:
        """Normalise the last dimension of x (..., dim)."""
        mean, std = x.mean(-1, keepdim=True), x.std(-1, keepdim=True)
        return self.weight * (x - mean) / (std + self.eps) + self.bias


class SelfAttention(nn.Module):
    """Post-norm transformer layer over the words.

    Args:
        dim: width D, a multiple of num_heads.
        num_heads: attention heads.
        hidden_dim: width of the feed-forward layer.
        dropout: probability, on attention weights, hidden units and both residual branches.
    """

    def __init__(self, dim: int, *, num_heads: int, hidden_dim: int, dropout: float):
        super().__init__()
        if dim % num_heads:
            raise ValueError(f"dim {dim} is not a multiple of num_heads {num_heads}")
        self.num_heads = num_heads
        self.query = nn.Linear(dim, dim)
        self.key = nn.Linear(dim, dim)
        self.value = nn.Linear(dim, dim)
        self.merge = nn.Linear(dim, dim)
        self.feed_forward = nn.Sequential(
            nn.Linear(dim, hidden_dim), nn.ReLU(), nn.Dropout(dropout), nn.Linear(hidden_dim, dim)
        )
        self.norm1 = UnbiasedLayerNorm(dim)
        self.norm2 = UnbiasedLayerNorm(dim)
        self.dropout = nn.Dropout(dropout)

    def _heads(self, x: Tensor) -> Tensor:
        return x.view(*x.shape[:2], self.num_heads, -1).transpose(1, 2)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """x (N, L, D), mask (N, L) True at padding; returns (N, L, D)."""
        query, key, value = self._heads(self.query(x)), self._heads(self.key(x)), self._heads(self.value(x))
        scores = query @ key.transpose(2, 3) / math.sqrt(query.shape[-1])
        scores = scores.masked_fill(mask[:, None, None, :], torch.finfo(scores.dtype).min)
        attention = self.dropout(scores.softmax(-1))
        read = (attention.to(value.dtype) @ value).transpose(1, 2).flatten(2)
        x = self.norm1(x + self.dropout(self.merge(read)))
        return self.norm2(x + self.dropout(self.feed_forward(x)))  # type: ignore[no-any-return]


class AttentivePooling(nn.Module):
    """A weighted mean over a set, its weights predicted from each element, then a linear map.

    Args:
        dim: width of an element.
        hidden_dim: width of the layer that predicts the weights.
        out_dim: width of the result.
        dropout: probability, on the hidden layer.
    """

    def __init__(self, dim: int, *, hidden_dim: int, out_dim: int, dropout: float):
        super().__init__()
        self.score = nn.Sequential(nn.Linear(dim, hidden_dim), nn.ReLU(), nn.Dropout(dropout), nn.Linear(hidden_dim, 1))
        self.merge = nn.Linear(dim, out_dim)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """x (N, L, dim), mask (N, L) True where an element does not count; returns (N, out_dim)."""
        return self.pool(x, self.scores(x, mask))

    def scores(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """The logits of the weights, (N, L)."""
        scores = self.score(x).squeeze(2)
        return scores if mask is None else scores.masked_fill(mask, torch.finfo(scores.dtype).min)  # type: ignore[no-any-return]

    def pool(self, x: Tensor, scores: Tensor) -> Tensor:
        """The mean of x under the softmax of the scores, and the linear map: (N, out_dim)."""
        return self.merge((scores.softmax(1)[:, None] @ x).squeeze(1))  # type: ignore[no-any-return]


class TextEncoder(nn.Module):
    """Token ids to one feature per word and one for the sentence.

    Padding must follow the words; then more of it changes nothing, to the last bit of the mask.

    Args:
        vocabulary_size: rows of the word-vector table; row 0 is padding.
        embed_dim: width E of a word vector.
        dim: width D of a word feature.
        rnn: the recurrent layer, "gru" (the authors' code) or "lstm" (the paper's text).
        num_layers: self-attention layers after it.
        num_heads: their heads.
        hidden_dim: their feed-forward width.
        dropout: probability in self-attention and pooling.
    """

    def __init__(
        self,
        vocabulary_size: int,
        *,
        embed_dim: int = 300,
        dim: int = 512,
        rnn: Recurrent = "gru",
        num_layers: int = 1,
        num_heads: int = 8,
        hidden_dim: int = 2048,
        dropout: float = 0.1,
    ):
        super().__init__()
        self.embedding = nn.Embedding(vocabulary_size, embed_dim, padding_idx=0)
        recurrent = {"gru": nn.GRU, "lstm": nn.LSTM}[rnn]
        self.rnn: nn.GRU | nn.LSTM = recurrent(embed_dim, dim, batch_first=True)
        self.layers = nn.ModuleList(
            SelfAttention(dim, num_heads=num_heads, hidden_dim=hidden_dim, dropout=dropout) for _ in range(num_layers)
        )
        self.pooling = AttentivePooling(dim, hidden_dim=dim // 2, out_dim=dim, dropout=dropout)

    def forward(self, tokens: Tensor, *, pool: bool = True) -> tuple[Tensor, Tensor, Tensor | None]:
        """Encode sentences.

        Args:
            tokens: (N, L) int64, 0 = padding, after the words.
            pool: also make one vector of each sentence.

        Returns:
            Word features (N, L, D); mask (N, L) bool, True at padding; pooled sentence (N, D), or None.
        """
        mask = tokens == 0
        words, _ = self.rnn(self.embedding(tokens))
        for layer in self.layers:
            words = layer(words, mask)
        return words, mask, self.pooling(words, mask) if pool else None
