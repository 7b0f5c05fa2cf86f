"""The configuration of a network: strict, frozen, saved beside the weights."""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

TaskName = Literal["rec", "res", "gres", "vqa"]
FiveInts = tuple[int, int, int, int, int]
Kernels = tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...], tuple[int, ...], tuple[int, ...]]
Probability = Annotated[float, Field(ge=0, lt=1)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Preprocess(_Strict):
    """How pictures and sentences are brought to a network; it travels with the weights."""

    size: int = Field(ge=32, multiple_of=32, description="Side of the square input, in pixels.")
    resize: Literal["letterbox", "stretch"] = Field(description="Keep the aspect ratio and pad, or fill the square.")
    max_length: int | None = Field(ge=1, description="Words read of a sentence; null reads all of them.")


class LanguageConfig(_Strict):
    """The text encoder."""

    embed_dim: int = Field(300, gt=0, description="Width of a word vector.")
    dim: int = Field(512, gt=0, description="Width of a word feature.")
    rnn: Literal["gru", "lstm"] = Field("gru", description="Recurrent layer: authors' code gru, paper lstm.")
    num_layers: int = Field(1, ge=0, description="Self-attention layers after the recurrent one.")
    num_heads: int = Field(8, gt=0, description="Heads of the self-attention.")
    hidden_dim: int = Field(2048, gt=0, description="Width of its feed-forward layer.")
    dropout: Probability = Field(0.1, description="Dropout in self-attention and pooling.")


class BackboneConfig(_Strict):
    """The five stages at strides 2, 4, 8, 16, 32 (Tab. 1); lists have one entry per stage."""

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
    packing: FiveInts = Field((8, 4, 2, 1, 1), description="Pixels per attention token, along each side.")
    condition_dims: FiveInts | None = Field(
        None, description="Width of the condition; by default dim * packing / 2 below 128 channels, else dim."
    )
    num_heads: int = Field(8, gt=0, description="Heads of the attention from positions to words.")
    mlp_ratio: float = Field(4.0, gt=0, description="Hidden width of a block's perceptron over its channels.")
    attention_dropout: Probability = Field(0.1, description="Dropout on the attention weights.")
    kernel_dropout: Probability = Field(0.1, description="Dropout on the generated kernels.")
    position: Literal["sine", "sine_normalized", "none"] = Field(
        "sine", description="Position code added to the query."
    )
    group_layout: Literal["interleaved", "contiguous"] = Field(
        "interleaved",
        description="Which channels share a kernel: c % G (authors' code) or c // (C/G) (Eq. 2).",
    )
    conditioning: Literal["attention", "sentence"] = Field(
        "attention",
        description="Kernels from the words at each position, or from the pooled sentence (Tab. 10).",
    )

    def condition_dim(self, stage: int) -> int:
        """Width of the condition in a stage, 0 to 4."""
        if self.condition_dims is not None:
            return self.condition_dims[stage]
        dim = self.dims[stage]
        return dim * self.packing[stage] // 2 if dim < 128 else dim

    @model_validator(mode="after")
    def _check(self) -> Self:
        for stage, (dim, groups, packing) in enumerate(zip(self.dims, self.groups, self.packing, strict=True)):
            where = f"stage {stage + 1}"
            if dim % groups:
                raise ValueError(f"{where}: groups {groups} does not divide its {dim} channels")
            if dim % 4:
                raise ValueError(f"{where}: {dim} channels; allowed: multiples of 4")
            if self.condition_dim(stage) % self.num_heads:
                raise ValueError(
                    f"{where}: condition width {self.condition_dim(stage)} is not a multiple of {self.num_heads} heads"
                )
            if packing < 1 or 2 ** (4 - stage) % packing:
                raise ValueError(
                    f"{where}: packing {packing} does not divide {2 ** (4 - stage)}, its size at an input of 32"
                )
            if any(size < 1 or size % 2 == 0 for size in self.kernels[stage]):
                raise ValueError(f"{where}: kernel sizes {self.kernels[stage]}; allowed: odd numbers")
        return self


class NeckConfig(_Strict):
    """The path-aggregation feature pyramid on strides 8, 16 and 32."""

    depth: int = Field(3, ge=1, description="Bottlenecks per cross-stage-partial layer.")
    mask_path: bool = Field(
        True,
        description="A second top-down path before the mask head (authors' code); the paper's counts have none.",
    )


class HeadConfig(_Strict):
    """The heads."""

    box_dim: int | None = Field(None, gt=0, description="Width of the box head; half the last stage by default.")
    mask_dim: int | None = Field(None, gt=0, description="Width of the mask head; that of stride 8 by default.")
    mask_dilations: tuple[int, ...] = Field((6, 12, 18), description="Dilations of the mask head's 3x3 branches.")
    no_target: bool = Field(False, description="For gres, also a classifier of whether there is any target.")
    answer_stride: Literal[8, 16, 32] = Field(
        32,
        description="Map that the answer and no_target heads look at: the last stage (32, the paper), or the pyramid's "
        "at stride 8 or 16, in which the things of a small picture keep apart.",
    )
    answer_hypercolumn: bool = Field(
        False,
        description="Whether these heads also see every stage up to that stride, averaged to it: a network that has "
        "learned to point lets go of colour and material further on.",
    )
    answer_dim: int | None = Field(
        None, gt=0, description="Width of the pooled picture and sentence; twice the last stage by default."
    )
    answer_hidden_dim: int | None = Field(
        None, gt=0, description="Hidden width of the perceptron behind them; twice answer_dim by default."
    )


class ModelConfig(_Strict):
    """Everything that fixes a network's shape and arithmetic."""

    preset: str = Field(description="The preset it started from, for the record.")
    tasks: tuple[TaskName, ...] = Field(
        min_length=1,
        description="What the network does: rec (box), res (mask), gres (mask of any targets), vqa (answer).",
    )
    answers: tuple[str, ...] = Field((), description="What it can answer, in the order of the answer head's outputs.")
    vocabulary_size: int = Field(gt=1, description="Rows of the word-vector table, padding included.")
    backbone: BackboneConfig
    language: LanguageConfig = LanguageConfig()
    neck: NeckConfig = NeckConfig()
    head: HeadConfig = HeadConfig()

    @model_validator(mode="after")
    def _check(self) -> Self:
        if len(set(self.tasks)) != len(self.tasks):
            raise ValueError(f"tasks {list(self.tasks)} name one twice")
        if ("vqa" in self.tasks) != bool(self.answers):
            raise ValueError(f"task vqa needs answers, and no other does; got {len(self.answers)} of them")
        if len(set(self.answers)) != len(self.answers):
            raise ValueError("answers name one twice")
        if self.head.no_target and "gres" not in self.tasks:
            raise ValueError(f"head.no_target is for task gres, which is not among {list(self.tasks)}")
        return self

    @property
    def heads(self) -> tuple[str, ...]:
        """The heads that the tasks need, by the keys of the network's outputs."""
        needed = {
            "rec": "rec" in self.tasks,
            "res": "res" in self.tasks or "gres" in self.tasks,
            "no_target": self.head.no_target,
            "answer": "vqa" in self.tasks,
        }
        return tuple(head for head, is_needed in needed.items() if is_needed)

    @property
    def has_neck(self) -> bool:
        """Whether a head reads the pyramid; answers are given from the last stage, unless they want another stride."""
        looks = {"no_target", "answer"} & {*self.heads}
        return "rec" in self.heads or "res" in self.heads or (bool(looks) and self.head.answer_stride < 32)
