"""LaConvBlock: a language-guided convolution and a two-layer perceptron, each with a residual path (Eq. 5, 6)."""

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, nn

from laconvnet.layers.laconv import LaConv, LanguageConv


@dataclass(frozen=True)
class Sentence:
    """What a block may know of the text.

    Attributes:
        words: (N, L, D), one feature per word.
        mask: (N, L) bool, True at padding.
        pooled: (N, D), the sentence as one vector; None where the encoder does not pool.
    """

    words: Tensor
    mask: Tensor
    pooled: Tensor | None = None


def pointwise_mlp(dim: int, ratio: float) -> nn.Sequential:
    """Eq. 6: two 1x1 convolutions dim -> ratio*dim -> dim, each followed by BatchNorm, SiLU between."""
    hidden = int(dim * ratio)
    return nn.Sequential(
        nn.Conv2d(dim, hidden, 1, bias=False),
        nn.BatchNorm2d(hidden),
        nn.SiLU(),
        nn.Conv2d(hidden, dim, 1, bias=False),
        nn.BatchNorm2d(dim),
    )


class LaConvBlock(nn.Module):
    """Eq. 5: X' = SiLU(X + BN(LaConv(X, Y))), X'' = SiLU(X' + MLP(X')).

    The second SiLU is not in the paper's equation; the authors' network has it.

    Args:
        conv: `LaConv`, or `LanguageConv` for the ablation.
        dim: channels.
        mlp_ratio: hidden width of the perceptron as a multiple of dim.
    """

    def __init__(self, conv: LaConv | LanguageConv, dim: int, *, mlp_ratio: float = 4.0):
        super().__init__()
        self.conv = conv
        self.norm = nn.BatchNorm2d(dim)
        self.mlp = pointwise_mlp(dim, mlp_ratio)

    def forward(self, x: Tensor, sentence: Sentence) -> Tensor:
        """x (N, dim, H, W) under a sentence; returns (N, dim, H, W)."""
        if isinstance(self.conv, LanguageConv):
            if sentence.pooled is None:
                raise ValueError("a block that reads the pooled sentence needs a text encoder that pools")
            guided = self.conv(x, sentence.pooled)
        else:
            guided = self.conv(x, sentence.words, sentence.mask)
        x = F.silu(x + self.norm(guided))
        return F.silu(x + self.mlp(x))
