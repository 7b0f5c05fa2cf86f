"""The configuration of a network: strict, frozen, saved beside the weights."""

from typing import Annotated, Any, Final, Literal, Self, get_args

from pydantic import Discriminator, Field, Tag, model_validator

from laconvnet.settings import Section

HeadName = Literal["rec", "res", "no_target", "answer"]
FiveInts = tuple[int, int, int, int, int]
Kernels = tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...], tuple[int, ...], tuple[int, ...]]
Probability = Annotated[float, Field(ge=0, lt=1)]

HEADS: Final[tuple[HeadName, ...]] = get_args(HeadName)
"""The heads in the order in which a network builds them."""


class LanguageConfig(Section):
    """The text encoder."""

    embed_dim: int = Field(300, gt=0, description="Width of a word vector.")
    dim: int = Field(512, gt=0, description="Width of a word feature.")
    rnn: Literal["gru", "lstm"] = Field("gru", description="Recurrent layer: authors' code gru, paper lstm.")
    num_layers: int = Field(1, ge=0, description="Self-attention layers after the recurrent one.")
    num_heads: int = Field(8, gt=0, description="Heads of the self-attention.")
    hidden_dim: int = Field(2048, gt=0, description="Width of its feed-forward layer.")
    dropout: Probability = Field(0.1, description="Dropout in self-attention and pooling.")


class LaConvConfig(Section):
    """LaConv: kernels from the words, read anew at every position (Eq. 3, 4)."""

    kind: Literal["laconv"] = Field("laconv", description="The block.")
    packing: FiveInts = Field((8, 4, 2, 1, 1), description="Pixels per attention token, along each side.")
    no_packing: bool = Field(
        False, description="Attend from every pixel, with conditions as wide as `packing` makes them (Tab. 10)."
    )
    condition_dims: FiveInts | None = Field(
        None, description="Width of the condition; by default dim * packing / 2 below 128 channels, else dim."
    )
    num_heads: int = Field(8, gt=0, description="Heads of the attention from positions to words.")
    attention_dropout: Probability = Field(0.1, description="Dropout on the attention weights.")
    position: Literal["sine", "sine_normalized", "none"] = Field(
        "sine", description="Position code added to the query."
    )

    def condition_dim(self, stage: int, dim: int) -> int:
        """Return the width of the condition in a stage, 0 to 4, of `dim` channels."""
        if self.condition_dims is not None:
            return self.condition_dims[stage]
        return dim * self.packing[stage] // 2 if dim < 128 else dim

    def packed(self, stage: int) -> int:
        """Return the pixels per attention token, along each side, in a stage, 0 to 4."""
        return 1 if self.no_packing else self.packing[stage]


class SentenceConfig(Section):
    """Kernels from the pooled sentence, the same at every position: "language only" (Tab. 10)."""

    kind: Literal["sentence"] = Field("sentence", description="The block.")


def _kind(block: Any) -> Any:
    """The kind of a block; LaConv where the settings do not say."""
    return block.get("kind", "laconv") if isinstance(block, dict) else getattr(block, "kind", None)


BlockConfig = Annotated[
    Annotated[LaConvConfig, Tag("laconv")] | Annotated[SentenceConfig, Tag("sentence")], Discriminator(_kind)
]


class LaConvNetBackboneConfig(Section):
    """The five stages at strides 2, 4, 8, 16, 32 (Tab. 1); lists have one entry per stage."""

    kind: Literal["laconvnet"] = Field("laconvnet", description="The backbone.")
    stem: Literal["space_to_depth", "linear"] = Field(
        "space_to_depth",
        description="Authors' code: 2x2 to depth, 3x3 conv. Paper: linear map, 2x2 max pooling.",
    )
    downsample: Literal["space_to_depth", "max_pool"] = Field(
        "space_to_depth", description="Between stages: 2x2 to depth or 2x2 max pooling, then a 1x1 conv."
    )
    dims: FiveInts = Field((16, 64, 128, 256, 512), description="Channels.")
    kernels: Kernels = Field(description="kernel_size of every block; an empty list is a stage without blocks.")
    groups: FiveInts = Field((4, 4, 8, 8, 16), description="Kernels per position.")
    mlp_ratio: float = Field(4.0, gt=0, description="Hidden width of a block's perceptron over its channels.")
    kernel_dropout: Probability = Field(0.1, description="Dropout on the generated kernels.")
    group_layout: Literal["interleaved", "contiguous"] = Field(
        "interleaved",
        description="Which channels share a kernel: c % G (authors' code) or c // (C/G) (Eq. 2).",
    )
    block: BlockConfig = Field(
        LaConvConfig(), description="What convolves under the sentence: laconv, or sentence, with its own settings."
    )

    @property
    def strides(self) -> tuple[int, ...]:
        """Input pixels per cell of the map of each stage."""
        return tuple(2 ** (stage + 1) for stage in range(5))

    @property
    def channels(self) -> dict[int, int]:
        """Channels of the map of each stage, by stride."""
        return dict(zip(self.strides, self.dims, strict=True))

    @property
    def reads_pooled_sentence(self) -> bool:
        """Whether its blocks need the sentence as one vector."""
        return self.block.kind == "sentence"

    @model_validator(mode="after")
    def _check(self) -> Self:
        for stage, (dim, groups) in enumerate(zip(self.dims, self.groups, strict=True)):
            where = f"stage {stage + 1}"
            if dim % groups:
                raise ValueError(f"{where}: groups {groups} does not divide its {dim} channels")
            if dim % 4:
                raise ValueError(f"{where}: {dim} channels; allowed: multiples of 4")
            if any(size < 1 or size % 2 == 0 for size in self.kernels[stage]):
                raise ValueError(f"{where}: kernel sizes {self.kernels[stage]}; allowed: odd numbers")
            if isinstance(self.block, LaConvConfig):
                self._check_attention(self.block, stage, where)
        return self

    def _check_attention(self, block: LaConvConfig, stage: int, where: str) -> None:
        packing, width = block.packing[stage], block.condition_dim(stage, self.dims[stage])
        if width % block.num_heads:
            raise ValueError(f"{where}: condition width {width} is not a multiple of {block.num_heads} heads")
        if packing < 1 or 2 ** (4 - stage) % packing:
            raise ValueError(
                f"{where}: packing {packing} does not divide {2 ** (4 - stage)}, its size at an input of 32"
            )


BackboneConfig = LaConvNetBackboneConfig
"""The backbones that a network can have, told apart by `kind`."""


class NeckConfig(Section):
    """The path-aggregation feature pyramid on strides 8, 16 and 32."""

    depth: int = Field(3, ge=1, description="Bottlenecks per cross-stage-partial layer.")
    mask_path: bool = Field(
        True,
        description="A second top-down path before the mask head (authors' code); the paper's counts have none.",
    )


class HeadConfig(Section):
    """Sizes of the heads, and where they look."""

    box_dim: int | None = Field(None, gt=0, description="Width of the box head; half the last stage by default.")
    mask_dim: int | None = Field(None, gt=0, description="Width of the mask head; that of stride 8 by default.")
    mask_dilations: tuple[int, ...] = Field((6, 12, 18), description="Dilations of the mask head's 3x3 branches.")
    answer_stride: Literal[8, 16, 32] = Field(
        32,
        description="Map that the answer and no_target heads look at: the last stage (32, the paper), or the pyramid's "
        "at stride 8 or 16, in which the things of a small picture keep apart.",
    )
    answer_hypercolumn: bool = Field(
        False,
        description="Whether these heads also see every stage up to that stride, averaged to it: a network that has "
        "learned to point lets go of color and material further on.",
    )
    answer_dim: int | None = Field(
        None, gt=0, description="Width of the pooled picture and sentence; twice the last stage by default."
    )
    answer_hidden_dim: int | None = Field(
        None, gt=0, description="Hidden width of the perceptron behind them; twice answer_dim by default."
    )


class ModelSections(Section):
    """The settings of a network that a preset gives and a user may change."""

    backbone: BackboneConfig = Field(description="What looks at the picture under the sentence.")
    language: LanguageConfig = Field(LanguageConfig(), description="What reads the sentence.")
    neck: NeckConfig = Field(NeckConfig(), description="What mixes the maps of several strides.")
    head: HeadConfig = Field(HeadConfig(), description="What speaks.")


class ModelConfig(ModelSections):
    """Everything that fixes a network's shape and arithmetic."""

    preset: str = Field(description="The preset it started from, for the record.")
    heads: tuple[HeadName, ...] = Field(
        min_length=1, description="What it says of a picture and a sentence: rec, res, no_target, answer."
    )
    num_answers: int = Field(0, ge=0, description="Outputs of the answer head.")
    vocabulary_size: int = Field(gt=1, description="Rows of the word-vector table, padding included.")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if len(set(self.heads)) != len(self.heads):
            raise ValueError(f"heads {list(self.heads)} name one twice")
        if ("answer" in self.heads) != bool(self.num_answers):
            raise ValueError(
                f"heads are {', '.join(self.heads)} and num_answers is {self.num_answers}; the answer head needs at "
                "least one answer, and no other has any"
            )
        return self

    @property
    def stride(self) -> int:
        """Input pixels per cell of the coarsest map, from which boxes are read; pictures are multiples of it."""
        return max(self.backbone.strides)

    @property
    def pooled_heads(self) -> tuple[HeadName, ...]:
        """The heads that judge the picture as a whole."""
        return tuple(head for head in HEADS if head in ("no_target", "answer") and head in self.heads)

    @property
    def has_neck(self) -> bool:
        """Whether a head reads the pyramid; the last stage serves the pooled heads, unless they want another stride."""
        is_fine = bool(self.pooled_heads) and self.head.answer_stride < self.stride
        return "rec" in self.heads or "res" in self.heads or is_fine
