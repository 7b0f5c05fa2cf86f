"""The language-guided backbone: recognition and reasoning in one pass (Sec. 3.2, Tab. 1)."""

from collections.abc import Iterable

import torch.nn.functional as F
from torch import Tensor, nn

from laconvnet.layers import LaConv, LaConvBlock, LanguageConv, Memory, Sentence
from laconvnet.layers.checkpointing import checkpointed
from laconvnet.models.config import BackboneConfig, SentenceConfig
from laconvnet.ops.convolution import convolve
from laconvnet.ops.layout import channels_last, has_channels_last
from laconvnet.ops.norm_act import norm_act


def space_to_depth(x: Tensor) -> Tensor:
    """Move each 2x2 square into the channels: (N,C,H,W) to (N,4C,H/2,W/2), in blocks TL, BL, TR, BR of C channels.

    Channels that were last in memory stay last.

    This is the authors' order, which their weights rely on; `pixel_unshuffle` orders channels differently.
    """
    n, c, h, w = x.shape
    if has_channels_last(x):
        squares = x.permute(0, 2, 3, 1).view(n, h // 2, 2, w // 2, 2, c)
        return squares.permute(0, 1, 3, 4, 2, 5).reshape(n, h // 2, w // 2, 4 * c).permute(0, 3, 1, 2)
    squares = x.view(n, c, h // 2, 2, w // 2, 2)
    return squares.permute(0, 5, 3, 1, 2, 4).reshape(n, 4 * c, h // 2, w // 2)


class SpaceToDepth(nn.Module):
    """`space_to_depth` as a module."""

    def forward(self, x: Tensor) -> Tensor:
        """(N,C,H,W) to (N,4C,H/2,W/2)."""
        return space_to_depth(x)


class ConvNormAct(nn.Sequential):
    """Convolution without bias, BatchNorm, activation; padded so that stride 1 keeps the size."""

    def __init__(
        self,
        in_dim: int,
        out_dim: int,
        kernel_size: int = 1,
        *,
        stride: int = 1,
        dilation: int = 1,
        activation: nn.Module | None = None,
    ):
        padding = dilation * (kernel_size // 2)
        super().__init__(
            nn.Conv2d(in_dim, out_dim, kernel_size, stride, padding, dilation, bias=False),
            nn.BatchNorm2d(out_dim),
            activation or nn.SiLU(),
        )
        self.grad_checkpointing = False

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_dim, H, W) to (N, out_dim, H / stride, W / stride)."""
        conv, norm, activation = self
        return checkpointed(self, lambda y: norm_act(y, norm, activation), convolve(conv, x))


def _stem(config: BackboneConfig) -> nn.Sequential:
    """(N,3,H,W) to (N,dims[0],H/2,W/2)."""
    if config.stem == "linear":
        return nn.Sequential(nn.Conv2d(3, config.dims[0], 1), nn.MaxPool2d(2))
    return nn.Sequential(SpaceToDepth(), ConvNormAct(12, config.dims[0], 3))


def _downsample(config: BackboneConfig, stage: int) -> nn.Sequential:
    """Halve the map and change to the stage's channels; the first stage has the stem for that."""
    if stage == 0:
        return nn.Sequential()
    in_dim, out_dim = config.dims[stage - 1], config.dims[stage]
    if config.downsample == "max_pool":
        return nn.Sequential(nn.MaxPool2d(2), ConvNormAct(in_dim, out_dim))
    return nn.Sequential(SpaceToDepth(), ConvNormAct(4 * in_dim, out_dim))


def _conv(config: BackboneConfig, stage: int, kernel_size: int, text_dim: int) -> LaConv | LanguageConv:
    dim, groups = config.dims[stage], config.groups[stage]
    block = config.block
    if isinstance(block, SentenceConfig):
        return LanguageConv(
            dim,
            text_dim,
            kernel_size=kernel_size,
            groups=groups,
            kernel_dropout=config.kernel_dropout,
            group_layout=config.group_layout,
        )
    return LaConv(
        dim,
        text_dim,
        kernel_size=kernel_size,
        groups=groups,
        condition_dim=block.condition_dim(stage, dim),
        packing=block.packed(stage),
        num_heads=block.num_heads,
        attention_dropout=block.attention_dropout,
        kernel_dropout=config.kernel_dropout,
        position=block.position,
        group_layout=config.group_layout,
    )


class Stage(nn.Module):
    """Halve the map, then blocks that all read the sentence.

    Args:
        config: the backbone's configuration.
        stage: which one, 0 to 4.
        text_dim: width of a word feature.
    """

    def __init__(self, config: BackboneConfig, stage: int, text_dim: int):
        super().__init__()
        self.downsample = _downsample(config, stage)
        self.blocks = nn.ModuleList(
            LaConvBlock(_conv(config, stage, kernel_size, text_dim), config.dims[stage], mlp_ratio=config.mlp_ratio)
            for kernel_size in config.kernels[stage]
        )

    def read(self, sentence: Sentence) -> tuple[Memory, ...]:
        """What each block keeps of the sentences."""
        return tuple(block.read(sentence) for block in self.blocks)  # type: ignore[operator]

    def forward(self, x: Tensor, memories: Iterable[Memory]) -> Tensor:
        """x under what each block has read; half the height and width, except in the first stage."""
        x = self.downsample(x)
        for block, memory in zip(self.blocks, memories, strict=True):
            x = block(x, memory)
        return x


class LaConvNetBackbone(nn.Module):
    """Five stages at strides 2, 4, 8, 16, 32, language in every block.

    Args:
        config: its configuration.
        text_dim: width of a word feature.

    Attributes:
        strides: input pixels per cell of the map of each stage.
    """

    def __init__(self, config: BackboneConfig, text_dim: int):
        super().__init__()
        self.strides = config.strides
        self.stem = _stem(config)
        self.stages = nn.ModuleList(Stage(config, stage, text_dim) for stage in range(5))

    def read(self, sentence: Sentence) -> tuple[tuple[Memory, ...], ...]:
        """What each block of each stage keeps of the sentences."""
        return tuple(stage.read(sentence) for stage in self.stages)  # type: ignore[operator]

    def forward(self, images: Tensor, memories: tuple[tuple[Memory, ...], ...]) -> dict[int, Tensor]:
        """Look at pictures under sentences that were read.

        Args:
            images: (N, 3, H, W), H and W multiples of the last stride, values in [0, 1].
            memories: by `read`, of as many sentences, or of one for all pictures.

        Returns:
            The map of every stage by its stride s, (N, channels, H / s, W / s).
        """
        first, second = self.stem
        x = first(images)
        if self.training and x.device.type == "cpu":  # there, products and norms learn faster so
            x = channels_last(x)
        x = second(x)
        maps = {}
        for stride, stage, memory in zip(self.strides, self.stages, memories, strict=True):
            maps[stride] = x = stage(x, memory)
        return maps


def upsample2(x: Tensor) -> Tensor:
    """Repeat every pixel 2x2."""
    return F.interpolate(x, scale_factor=2.0, mode="nearest")
