"""LaConvBlock: a language-guided convolution and a two-layer perceptron, each with a residual path (Eq. 5, 6)."""

from dataclasses import dataclass

from torch import Tensor, nn

from laconvnet.layers.checkpointing import checkpointed
from laconvnet.layers.generator import TextMemory
from laconvnet.layers.laconv import LaConv, LanguageConv
from laconvnet.ops.norm_act import norm_act

Memory = TextMemory | Tensor
"""What a block keeps of sentences: keys and values, or (N, D) where it reads the pooled sentence."""


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

    With `grad_checkpointing` set, a pass that will be differentiated keeps x and the outputs of LaConv and of the
    perceptron's convolutions; kernels, norms and activations are computed again in the backward pass.

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
        self.grad_checkpointing = False

    def read(self, sentence: Sentence) -> Memory:
        """Take in sentences, before any picture.

        Raises:
            ValueError: the block reads the pooled sentence and there is none.
        """
        return self.conv.read(sentence.words, sentence.mask, sentence.pooled)

    def forward(self, x: Tensor, memory: Memory) -> Tensor:
        """x (N, dim, H, W) under sentences that were read, one for each or one for all; returns (N, dim, H, W)."""
        expand, norm, activation, project, last_norm = self.mlp
        x = checkpointed(self, norm_act, checkpointed(self, self.conv, x, memory), self.norm, activation, x)
        hidden = checkpointed(self, lambda hidden: project(norm_act(hidden, norm, activation)), expand(x))
        return checkpointed(self, norm_act, hidden, last_norm, activation, x)
