"""LaConvNet: text encoder, language-guided backbone, neck, heads."""

from dataclasses import dataclass
from typing import Any, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from laconvnet.language.encoder import TextEncoder
from laconvnet.layers import LaConvBlock, Memory, Sentence
from laconvnet.models.backbone import Backbone, ConvNormAct
from laconvnet.models.config import ModelConfig
from laconvnet.models.heads import BoxHead, MaskHead, PooledHead
from laconvnet.models.neck import PathAggregation, TopDown
from laconvnet.models.presets import resolve_config

_STAGES = {8: 2, 16: 3, 32: 4}
"""Of the strides of the pyramid, the stages."""


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
    """One network for every language-guided task; which heads it has is in its configuration.

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
        self.backbone = Backbone(backbone, language.dim)
        pyramid = backbone.dims[2:]
        if config.has_neck:
            self.neck = PathAggregation(pyramid, config.neck.depth)
        self.heads = nn.ModuleDict()
        if "rec" in config.heads:
            self.heads["rec"] = BoxHead(pyramid[2], config.head.box_dim or pyramid[2] // 2)
        if "res" in config.heads:
            if config.neck.mask_path:
                self.mask_path = TopDown(pyramid, config.neck.depth)
            width = config.head.mask_dim or pyramid[0]
            self.heads["res"] = MaskHead(pyramid[0], width, config.head.mask_dilations)
        for name, logits in (("no_target", 1), ("answer", len(config.answers))):
            if name in config.heads:
                self.heads[name] = self._pooled_head(logits)
        self._freeze_what_no_output_reads()

    def _pooled_head(self, out_dim: int) -> PooledHead:
        config = self.config
        dim = config.head.answer_dim or 2 * config.backbone.dims[4]
        return PooledHead(
            sum(config.backbone.dims[stage] for stage in self._stages_answering()),
            config.language.dim,
            dim=dim,
            hidden_dim=config.head.answer_hidden_dim or 2 * dim,
            out_dim=out_dim,
            dropout=config.language.dropout,
        )

    def _stages_answering(self) -> list[int]:
        """The stages whose channels an answer is pooled from: that of the stride, then those on the way to it."""
        last = _STAGES[self.config.head.answer_stride]
        before = range(last if last == 4 else last + 1)
        return [last, *before] if self.config.head.answer_hypercolumn else [last]

    @property
    def _pools_sentences(self) -> bool:
        return self.config.backbone.conditioning == "sentence"

    def _freeze_what_no_output_reads(self) -> None:
        """So that every parameter that asks for a gradient gets one, in every process."""
        if not self._pools_sentences:
            self.text.pooling.requires_grad_(False)
        if self.config.has_neck:
            coarsest = max(self._strides_read())
            unread = [self.neck.down16, self.neck.mix32] if coarsest < 32 else []
            unread += [self.neck.down8, self.neck.mix16] if coarsest < 16 else []
            for module in unread:
                module.requires_grad_(False)

    def _strides_read(self) -> set[int]:
        """Strides of the pyramid's maps that something reads."""
        heads, strides = self.config.heads, set()
        if "rec" in heads or ("res" in heads and self.config.neck.mask_path):
            strides.add(32)
        if "res" in heads:
            strides.add(8)
        if {"no_target", "answer"} & {*heads} and self.config.head.answer_stride < 32:
            strides.add(self.config.head.answer_stride)
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
        words, mask, pooled = self.text(tokens, pool=self._pools_sentences)
        sentence = Sentence(words, mask, pooled)
        return Reading(sentence, self.backbone.read(sentence))

    def forward(self, images: Tensor, tokens: Tensor) -> dict[str, Tensor]:
        """Look at pictures under sentences.

        Args:
            images: (N, 3, H, W) float in [0, 1], H and W multiples of 32.
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
        if images.shape[2] % 32 or images.shape[3] % 32:
            raise ValueError(f"images are {tuple(images.shape)}; height and width must be multiples of 32")
        if (sentences := reading.sentence.mask.shape[0]) not in (1, images.shape[0]):
            raise ValueError(f"{sentences} sentences for {images.shape[0]} pictures; give one each, or one for all")
        features = self.backbone(images.to(self.dtype), reading.memories)
        outputs = {}
        if self.config.has_neck:
            pyramid = self.neck(*features[2:])
            if "rec" in self.heads:
                outputs["rec"] = self.heads["rec"](pyramid[2])
            if "res" in self.heads:
                fine = self.mask_path(*pyramid)[0] if self.config.neck.mask_path else pyramid[0]
                outputs["res"] = self.heads["res"](fine)
        stride = self.config.head.answer_stride
        last, *before = self._stages_answering()
        seen = features[4] if stride == 32 else pyramid[last - 2]
        if before:
            seen = torch.cat([seen, *(F.avg_pool2d(features[stage], 2 ** (last - stage)) for stage in before)], 1)
        whole = seen, reading.sentence.words, reading.sentence.mask
        if "no_target" in self.heads:
            logit, outputs["no_target_attention"] = self.heads["no_target"](*whole)
            outputs["no_target"] = logit.squeeze(1)
        if "answer" in self.heads:
            outputs["answer"], outputs["answer_attention"] = self.heads["answer"](*whole)
        return outputs


class SizedVocabulary(Protocol):
    """What `build_model` needs of a vocabulary: how many ids it has."""

    def __len__(self) -> int:
        """Number of ids, padding included."""
        ...


def build_model(
    preset: str, tasks: tuple[str, ...] = ("rec",), *, vocabulary: SizedVocabulary, **overrides: Any
) -> LaConvNet:
    """Build a network with fresh weights.

    Args:
        preset: "n", "t", "s", "b", "s_paper" or "b_paper".
        tasks: what it does: "rec" (box), "res" (mask), "gres" (mask of any targets), "vqa" (answer).
        vocabulary: its length is the number of word vectors.
        **overrides: sections of `ModelConfig` with the fields to change, and for "vqa" `answers`, what it can answer.

    Returns:
        The network, in training mode.

    Raises:
        ValueError: an unknown preset, field or value.
    """
    return LaConvNet(resolve_config(preset, tasks=tasks, vocabulary_size=len(vocabulary), **overrides))
