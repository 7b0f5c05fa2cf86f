"""LaConvNet: text encoder, language-guided backbone, neck, heads."""

from collections.abc import Sequence, Sized
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from laconvnet.language.encoder import TextEncoder
from laconvnet.layers import LaConvBlock, Memory, Sentence
from laconvnet.models.backbone import ConvNormAct, LaConvNetBackbone
from laconvnet.models.config import ModelConfig
from laconvnet.models.heads import BoxHead, MaskHead, PooledHead
from laconvnet.models.neck import PathAggregation, TopDown
from laconvnet.models.presets import resolve_config


@dataclass(frozen=True)
class Reading:
    """Everything the network takes from sentences; pictures may follow, any number of times.

    Attributes:
        sentence: the encoded text.
        memories: what each block of each stage keeps of it.
    """

    sentence: Sentence
    memories: tuple[tuple[Memory, ...], ...]


class LaConvNet(nn.Module):
    """One network for every language-guided task; its configuration says which heads it has.

    Args:
        config: shape and arithmetic.
    """

    def __init__(self, config: ModelConfig):
        super().__init__()
        self.config = config
        language, backbone = config.language, config.backbone
        self.text = TextEncoder(
            config.vocabulary_size,
            embed_dim=language.embed_dim,
            dim=language.dim,
            rnn=language.rnn,
            num_layers=language.num_layers,
            num_heads=language.num_heads,
            hidden_dim=language.hidden_dim,
            dropout=language.dropout,
        )
        self.backbone = LaConvNetBackbone(backbone, language.dim)
        self.pyramid_strides = backbone.strides[-3:]
        pyramid = [backbone.channels[stride] for stride in self.pyramid_strides]
        if config.has_neck:
            self.neck = PathAggregation(pyramid, config.neck.depth)
        self.heads = nn.ModuleDict()
        if "rec" in config.heads:
            self.heads["rec"] = BoxHead(pyramid[-1], config.head.box_dim or pyramid[-1] // 2)
        if "res" in config.heads:
            if config.neck.mask_path:
                self.mask_path = TopDown(pyramid, config.neck.depth)
            width = config.head.mask_dim or pyramid[0]
            self.heads["res"] = MaskHead(pyramid[0], width, config.head.mask_dilations)
        for name in config.pooled_heads:
            self.heads[name] = self._pooled_head(config.num_answers if name == "answer" else 1)
        self._freeze_what_no_output_reads()

    def _pooled_head(self, out_dim: int) -> PooledHead:
        config = self.config
        channels = config.backbone.channels
        dim = config.head.answer_dim or 2 * channels[config.stride]
        finer = sum(channels[stride] for stride in self._hypercolumn_strides())
        return PooledHead(
            channels[config.head.answer_stride] + finer,
            config.language.dim,
            dim=dim,
            hidden_dim=config.head.answer_hidden_dim or 2 * dim,
            out_dim=out_dim,
            dropout=config.language.dropout,
        )

    def _hypercolumn_strides(self) -> list[int]:
        """The strides of the backbone whose maps the pooled heads see beside that of `answer_stride`.

        The map of the coarsest stride is the backbone's own; of a finer one, the pyramid's is seen in any case.
        """
        head = self.config.head
        if not head.answer_hypercolumn:
            return []
        last, strides = head.answer_stride, self.config.backbone.strides
        return [stride for stride in strides if stride < last or (stride == last < self.config.stride)]

    def _freeze_what_no_output_reads(self) -> None:
        """So that every parameter that asks for a gradient gets one, in every process."""
        if not self.config.backbone.reads_pooled_sentence:
            self.text.pooling.requires_grad_(False)
        if self.config.has_neck:
            _, middle, last = self.pyramid_strides
            coarsest = max(self._strides_read())
            unread = [self.neck.down16, self.neck.mix32] if coarsest < last else []
            unread += [self.neck.down8, self.neck.mix16] if coarsest < middle else []
            for module in unread:
                module.requires_grad_(False)

    def _strides_read(self) -> set[int]:
        """Strides of the pyramid's maps that something reads."""
        config, strides = self.config, set()
        if "rec" in config.heads or ("res" in config.heads and config.neck.mask_path):
            strides.add(config.stride)
        if "res" in config.heads:
            strides.add(self.pyramid_strides[0])
        if config.pooled_heads and config.head.answer_stride < config.stride:
            strides.add(config.head.answer_stride)
        return strides

    @property
    def dtype(self) -> torch.dtype:
        """The dtype of the feature maps."""
        return next(self.backbone.stem.parameters()).dtype

    def set_grad_checkpointing(self, enable: bool = True) -> None:
        """Choose whether layers keep less for the backward pass and compute it again there: less memory, more time."""
        for module in self.modules():
            if isinstance(module, LaConvBlock | ConvNormAct):
                module.grad_checkpointing = enable

    def read(self, tokens: Tensor) -> Reading:
        """Take in sentences: token ids (N, L) int64, 0 = padding after the words."""
        words, mask, pooled = self.text(tokens, pool=self.config.backbone.reads_pooled_sentence)
        sentence = Sentence(words, mask, pooled)
        return Reading(sentence, self.backbone.read(sentence))

    def forward(self, images: Tensor, tokens: Tensor) -> dict[str, Tensor]:
        """Look at pictures under sentences.

        Args:
            images: (N, 3, H, W) float in [0, 1], H and W multiples of the coarsest stride, 32.
            tokens: (N, L) int64, 0 = padding after the words.

        Returns:
            By head: "rec" (N, 5, H/32, W/32), 4 box numbers and 1 objectness logit a cell; "res" (N, 1, H, W), mask
            logits; "no_target" (N,), the logit of there being none; "answer" (N, A), logits of the A answers; with the
            last two "no_target_attention" and "answer_attention" (N, H/s, W/s), the logits of the softmax that pools
            the map of stride s for them.

        Raises:
            ValueError: height or width is not a multiple of 32.
        """
        return self.look(images, self.read(tokens))

    def look(self, images: Tensor, reading: Reading) -> dict[str, Tensor]:
        """`forward` with sentences that were read before: as many as pictures, or one for all of them."""
        step = self.config.stride
        if images.shape[2] % step or images.shape[3] % step:
            raise ValueError(f"images are {tuple(images.shape)}; height and width must be multiples of {step}")
        if (sentences := reading.sentence.mask.shape[0]) not in (1, images.shape[0]):
            raise ValueError(f"{sentences} sentences for {images.shape[0]} pictures; give one each, or one for all")
        maps = self.backbone(images.to(self.dtype), reading.memories)
        outputs: dict[str, Tensor] = {}
        seen = maps
        if self.config.has_neck:
            pyramid = self.neck(*(maps[stride] for stride in self.pyramid_strides))
            if "rec" in self.heads:
                outputs["rec"] = self.heads["rec"](pyramid[-1])
            if "res" in self.heads:
                fine = self.mask_path(*pyramid)[0] if self.config.neck.mask_path else pyramid[0]
                outputs["res"] = self.heads["res"](fine)
            seen = {**maps, **dict(zip(self.pyramid_strides[:-1], pyramid, strict=False))}
        if self.config.pooled_heads:
            outputs |= self._judge(maps, seen, reading.sentence)
        return outputs

    def _judge(self, maps: dict[int, Tensor], seen: dict[int, Tensor], sentence: Sentence) -> dict[str, Tensor]:
        """What the pooled heads say of the map that they look at, with the backbone's finer ones averaged to it."""
        last = self.config.head.answer_stride
        finer = [F.avg_pool2d(maps[stride], last // stride) for stride in self._hypercolumn_strides()]
        x = torch.cat([seen[last], *finer], 1) if finer else seen[last]
        outputs = {}
        for name in self.config.pooled_heads:
            logits, outputs[f"{name}_attention"] = self.heads[name](x, sentence.words, sentence.mask)
            outputs[name] = logits.squeeze(1) if name == "no_target" else logits
        return outputs


def build_model(
    preset: str, heads: Sequence[str] = ("rec",), *, vocabulary: Sized, num_answers: int = 0, **overrides: Any
) -> LaConvNet:
    """Build a network with fresh weights.

    Args:
        preset: "n", "t", "s", "b", "s_paper" or "b_paper".
        heads: what it says: "rec" (box), "res" (mask), "no_target" (whether nothing is meant), "answer".
        vocabulary: its length is the number of word vectors.
        num_answers: outputs of the answer head.
        **overrides: sections of `ModelConfig` with the fields to change.

    Returns:
        The network, in training mode.

    Raises:
        ValueError: an unknown preset, head, field or value.
    """
    config = resolve_config(preset, heads=heads, vocabulary_size=len(vocabulary), num_answers=num_answers, **overrides)
    return LaConvNet(config)


class _NoDrawing(TorchFunctionMode):
    """While it lasts, fresh weights are not drawn: on the meta device that imports a compiler, and draws nothing."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func.__name__ in ("normal_", "uniform_", "kaiming_uniform_"):
            return args[0] if args else kwargs["tensor"]
        return func(*args, **(kwargs or {}))


def skeleton(config: ModelConfig) -> LaConvNet:
    """Return a network without memory for its weights, to count it or to load weights into."""
    with torch.device("meta"), _NoDrawing():
        return LaConvNet(config)
