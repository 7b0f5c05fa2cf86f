"""LaConv: a convolution whose kernels are generated from the sentence, one for every position (Sec. 3.1)."""

from typing import cast

import torch.nn.functional as F
from torch import Tensor, nn

from laconvnet.layers.generator import ParameterGenerator, Position, TextMemory
from laconvnet.ops import GroupLayout, dynamic_conv2d
from laconvnet.ops.layout import in_planes, laid_out_like
from laconvnet.ops.planes import pointwise_planes


class LaConv(nn.Module):
    """Generate a K x K kernel per group and position from the sentence, and apply it.

    Args:
        dim: channels of the picture, a multiple of groups.
        text_dim: width of a word feature.
        kernel_size: K, odd.
        groups: kernels per position; channels of one group share a kernel.
        condition_dim: width of the condition the kernels are predicted from.
        packing: pixels packed to one attention token along each side.
        num_heads: attention heads.
        attention_dropout: probability of dropping an attention weight in training.
        kernel_dropout: probability of dropping a kernel entry in training.
        position: see `ParameterGenerator`.
        group_layout: see `laconvnet.ops.dynamic_conv2d`.
    """

    def __init__(
        self,
        dim: int,
        text_dim: int,
        *,
        kernel_size: int = 7,
        groups: int = 8,
        condition_dim: int | None = None,
        packing: int = 1,
        num_heads: int = 8,
        attention_dropout: float = 0.1,
        kernel_dropout: float = 0.1,
        position: Position = "sine",
        group_layout: GroupLayout = "interleaved",
    ):
        super().__init__()
        if kernel_size % 2 == 0:
            raise ValueError(f"kernel_size is {kernel_size}; allowed: odd numbers")
        if dim % groups:
            raise ValueError(f"groups {groups} does not divide dim {dim}")
        self.groups = groups
        self.kernel_size = kernel_size
        self.kernel_dropout = kernel_dropout
        self.group_layout: GroupLayout = group_layout
        condition_dim = condition_dim or dim
        self.generator = ParameterGenerator(
            dim,
            text_dim,
            condition_dim,
            packing=packing,
            num_heads=num_heads,
            dropout=attention_dropout,
            position=position,
        )
        self.predict = nn.Conv2d(condition_dim, groups * kernel_size**2, 1)

    def read(self, text: Tensor, text_mask: Tensor, pooled: Tensor | None = None) -> TextMemory:
        """Take in sentences: text (N, L, text_dim); text_mask (N, L) is True at padding; pooled is not needed."""
        return self.generator.read(text, text_mask)

    def kernels(self, x: Tensor, memory: TextMemory) -> Tensor:
        """The generated kernels W of Eq. 3: (N, groups, K*K, H, W)."""
        condition, bias = self.generator(x, memory), cast(Tensor, self.predict.bias)
        kernels = pointwise_planes(condition, self.predict.weight.flatten(1), bias)
        return kernels.view(x.shape[0], self.groups, self.kernel_size**2, *x.shape[2:])

    def forward(self, x: Tensor, memory: TextMemory) -> Tensor:
        """Convolve x (N, dim, H, W) under sentences that were read: one for each picture, or one for all.

        Returns:
            (N, dim, H, W).
        """
        weight = self.kernels(x, memory)
        dropout = self.kernel_dropout if self.training else 0.0
        planes = in_planes(x).to(weight.dtype)
        out = dynamic_conv2d(planes, weight, group_layout=self.group_layout, dropout=dropout)
        return laid_out_like(out, x)


class LanguageConv(nn.Module):
    """The "language only" ablation (Tab. 10): kernels from the pooled sentence, the same at every position.

    Args:
        dim: channels of the picture, a multiple of groups.
        text_dim: width of the pooled sentence.
        kernel_size: K, odd.
        groups: channels of one group share a kernel.
        kernel_dropout: probability of dropping a kernel entry in training.
        group_layout: see `laconvnet.ops.dynamic_conv2d`.
    """

    def __init__(
        self,
        dim: int,
        text_dim: int,
        *,
        kernel_size: int = 7,
        groups: int = 8,
        kernel_dropout: float = 0.1,
        group_layout: GroupLayout = "interleaved",
    ):
        super().__init__()
        if dim % groups:
            raise ValueError(f"groups {groups} does not divide dim {dim}")
        self.groups = groups
        self.kernel_dropout = kernel_dropout
        self.group_layout: GroupLayout = group_layout
        self.predict = nn.Linear(text_dim, groups * kernel_size**2)

    def read(self, text: Tensor, text_mask: Tensor, pooled: Tensor | None = None) -> Tensor:
        """Take in sentences, of which the pooled vectors (N, text_dim) are all that counts.

        Raises:
            ValueError: there are none.
        """
        if pooled is None:
            raise ValueError("a block that reads the pooled sentence needs a text encoder that pools")
        return pooled

    def forward(self, x: Tensor, sentence: Tensor) -> Tensor:
        """Convolve x (N, dim, H, W) under sentence vectors (N, text_dim), or one for all; returns (N, dim, H, W)."""
        predicted = self.predict(sentence.to(self.predict.weight.dtype))
        weight = F.dropout(predicted, self.kernel_dropout, self.training)
        weight = weight.view(sentence.shape[0], self.groups, -1, 1, 1).expand(x.shape[0], -1, -1, *x.shape[2:])
        out = dynamic_conv2d(in_planes(x).to(weight.dtype), weight, group_layout=self.group_layout)
        return laid_out_like(out, x)
