"""The settings of a training run: what they are called, what they mean, and which values they may take."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

import yaml
from pydantic import BaseModel, Field, SerializeAsAny, ValidationError, create_model, field_validator, model_validator

from laconvnet.models.config import ModelSections
from laconvnet.models.presets import sections_of
from laconvnet.scenes import FAMILIES, KINDS, SceneSource, World, picture_size
from laconvnet.settings import NotNegative, Positive, Section, Share, relocated, section_of
from laconvnet.tasks import TASKS, TaskOptions, find_task

if TYPE_CHECKING:

    class WorldConfig(Section):
        """Which scenes occur in the embedded world; the defaults are CLEVR's."""

else:
    WorldConfig = section_of(World, "WorldConfig")


class ScenesConfig(Section):
    """Scenes of the embedded world that are made and drawn while training."""

    seed: int = Field(default=0, description="Names the scenes; other seeds give other ones.")
    train: int = Field(default=10_000, ge=1, description="Scenes of one epoch.")
    val: int = Field(default=500, ge=1, description="Scenes to evaluate on, always the same.")
    fresh: bool = Field(default=True, description="New scenes in every epoch; false repeats those of the first.")
    sentences: dict[str, int] = Field(
        default={"rec": 4},
        description="Sentences of a scene by sort: rec (one target), gres (any number of targets), vqa (questions).",
    )
    kinds: tuple[str, ...] = Field(default=KINDS, description="Kinds of referring expressions.")
    families: tuple[str, ...] = Field(default=FAMILIES, description="Families of questions.")
    max_hops: int | None = Field(
        default=None, ge=0, description="Most relations that a description of a question follows; null for CLEVR's 3."
    )
    world: WorldConfig = Field(default=WorldConfig(), description="Which scenes occur.")
    val_world: WorldConfig | None = Field(
        default=None, description="Which scenes occur in the evaluation, such as CoGenT's other condition; null: these."
    )
    cache: Path | None = Field(
        default=None, description="Folder that keeps drawn scenes, with fresh: false; null draws them anew."
    )
    draw: Literal["workers", "device"] = Field(
        default="workers",
        description="Draw pictures ahead in the workers, or in batches on the device of the network; the latter "
        "without augmentation and cache.",
    )

    @model_validator(mode="after")
    def _possible(self) -> ScenesConfig:
        self.source("train")
        self.source("val")
        if self.cache is not None and self.fresh:
            raise ValueError(
                "a cache keeps scenes for the next epoch, and fresh ones never come again: set fresh: false"
            )
        return self

    def source(self, split: Literal["train", "val"] = "train") -> SceneSource:
        """Where the scenes of a split come from."""
        chosen = self.val_world if split == "val" and self.val_world is not None else self.world
        world = World(**chosen.model_dump())
        return SceneSource(self.seed, world, self.sentences, self.kinds, self.families, self.max_hops)


class SourceConfig(Section):
    """One of several dataset folders that are learned from together."""

    root: Path = Field(description="Dataset folder, with dataset.json and one <split>.jsonl per split.")
    tasks: tuple[str, ...] | None = Field(
        default=None, description="Tasks that its records serve; null for all that are learned."
    )
    weight: Positive = Field(
        default=1.0,
        description="How often an epoch visits its records: 2 twice, 0.5 another half of them each time.",
    )
    train_split: str | None = Field(default=None, description="Split to learn from; null for data.train_split.")
    val_split: str | None = Field(default=None, description="Split to evaluate on; null for data.val_split.")
    evaluate: bool = Field(default=True, description="Whether the run is evaluated on it, too.")


class AnswersConfig(Section):
    """Which answers a network learns to give: those that are right in the splits often enough."""

    splits: tuple[str, ...] | None = Field(
        default=None, description="Splits whose right answers count; null for the split that is learned from."
    )
    min_count: int = Field(
        default=1, ge=1, description="Questions that an answer must be right for; 9 gives the usual list of VQAv2."
    )


class DataConfig(Section):
    """Which pictures and sentences are learned from, and how they are brought to the network."""

    root: Path | None = Field(
        default=None, description="Dataset folder, with dataset.json and one <split>.jsonl per split."
    )
    scenes: ScenesConfig | None = Field(default=None, description="Scenes of the embedded world in place of a folder.")
    sources: tuple[SourceConfig, ...] | None = Field(
        default=None, description="Several dataset folders in place of one, mixed in every batch."
    )
    train_split: str = Field(default="train", description="Split to learn from.")
    val_split: str = Field(default="val", description="Split to evaluate on.")
    size: int = Field(default=416, ge=32, multiple_of=32, description="Side of the square network input, in pixels.")
    resize: Literal["letterbox", "stretch"] = Field(
        default="letterbox",
        description="Keep the aspect ratio and pad (letterbox), or fill the square (stretch).",
    )
    batch_size: int = Field(default=32, ge=1, description="Sentences in one batch of one process.")
    eval_batch_size: int = Field(default=32, ge=1, description="Sentences in one batch of the evaluation.")
    sentences_per_image: int | None = Field(
        default=None,
        ge=1,
        description="Sentences taken of an image in one visit while training; null takes all of them.",
    )
    num_workers: int = Field(default=2, ge=0, description="Processes that read pictures; 0 reads them in the main one.")
    flip: Share = Field(
        default=0.0, description="Probability of mirroring a picture, its boxes and its left/right words."
    )
    color_jitter: Share = Field(default=0.0, description="Strength of random brightness, contrast and saturation.")
    hue: Annotated[float, Field(ge=0, le=0.5)] = Field(default=0.0, description="Largest change of hue, in full turns.")
    crop: tuple[Share, Share] | None = Field(
        default=None,
        description="Range of the area share of a random crop that keeps every box whole; null never crops.",
    )
    aspect: tuple[Positive, Positive] = Field(
        default=(3 / 4, 4 / 3), description="Range of the factor by which such a crop changes the aspect."
    )
    max_length: Annotated[int, Field(ge=1)] | Literal["auto"] | None = Field(
        default="auto",
        description="Words kept of a sentence; null keeps all of them, auto 15 as the authors, and all of questions "
        "and about scenes.",
    )
    min_count: int = Field(
        default=1, ge=1, description="Occurrences in the training split that a word of the vocabulary needs."
    )
    answers: AnswersConfig = Field(default=AnswersConfig(), description="Answers that task vqa can give.")
    num_buckets: int = Field(
        default=32, ge=1, description="Shared rows of the embedding for words outside the vocabulary."
    )
    val_limit: int | None = Field(
        default=None,
        ge=1,
        description="Evaluate only the first records of the split; null evaluates all of them.",
    )
    shuffle_sentences: bool | Literal["train", "val"] = Field(
        default=False,
        description="Control experiment: permute the sentences among the images of a split, or of both.",
    )

    @property
    def folders(self) -> tuple[SourceConfig, ...]:
        """The dataset folders, one or several; none where scenes take their place."""
        return self.sources or (() if self.root is None else (SourceConfig(root=self.root),))

    @model_validator(mode="after")
    def _one_source(self) -> DataConfig:
        if sum(given is not None for given in (self.root, self.scenes, self.sources or None)) != 1:
            raise ValueError(
                "data needs one of root, a dataset folder, sources, several of them, or scenes, the embedded world"
            )
        if self.scenes is None:
            return self
        if self.val_limit is not None:
            raise ValueError("val_limit is for a dataset folder; data.scenes.val counts the scenes to evaluate on")
        picture_size(self.size)
        if self.scenes.draw == "device":
            plain = {"flip": 0.0, "color_jitter": 0.0, "hue": 0.0, "crop": None, "shuffle_sentences": False}
            changed = [name for name, value in plain.items() if getattr(self, name) != value]
            if changed or self.scenes.cache is not None:
                raise ValueError(
                    f"scenes.draw is device, which leaves no place for {', '.join(changed) or 'scenes.cache'}; "
                    "set it to workers, or leave that out"
                )
        return self


class OptimizerConfig(Section):
    """How a gradient changes the weights."""

    name: Literal["adam", "adamw"] = Field(default="adam", description="Adam, or AdamW with decoupled weight decay.")
    lr: Positive = Field(default=1e-4, description="Learning rate after the warm-up.")
    betas: tuple[Share, Share] = Field(default=(0.9, 0.98), description="Decay of the two running moments.")
    eps: Positive = Field(default=1e-9, description="Term that keeps the division by the second moment finite.")
    weight_decay: NotNegative = Field(
        default=0.0,
        description="Weight decay of matrices and filters; norms, biases and other vectors have none.",
    )
    clip_grad_norm: Positive | None = Field(
        default=0.15, description="Largest total norm of the gradient; null does not clip."
    )


class ScheduleConfig(Section):
    """How the learning rate moves during training."""

    kind: Literal["cosine", "steps", "constant"] = Field(default="cosine", description="Shape after the warm-up.")
    warmup: NotNegative = Field(default=3.0, description="Epochs of linear warm-up; a fraction is allowed.")
    warmup_start: NotNegative = Field(default=1e-7, description="Learning rate at the first step of the warm-up.")
    min_lr: NotNegative = Field(default=1e-6, description="Learning rate at the end of a cosine.")
    milestones: tuple[NotNegative, ...] = Field(
        default=(), description="Epochs at which a steps schedule multiplies the learning rate by gamma."
    )
    gamma: Share = Field(default=0.2, description="Factor of a steps schedule at each milestone.")


class EMAConfig(Section):
    """The running average of the weights that is evaluated and published."""

    decay: Annotated[float, Field(ge=0, lt=1)] | None = Field(
        default=0.9997,
        description="Share of the average kept in a step; null or 0 evaluates the raw weights.",
    )


class TrainConfig(Section):
    """Everything that decides a training run."""

    preset: str = Field(description="Name of the network, as build_model knows it.")
    model: dict[str, Any] = Field(
        default_factory=dict, description="Changes to the preset: backbone, language, neck and head."
    )
    tasks: dict[str, SerializeAsAny[TaskOptions]] = Field(
        default_factory=lambda: {name: task.Options() for name, task in list(TASKS.items())[:1]},
        min_length=1,
        description="What is learned, each task with its settings and its weight beside the others.",
    )
    data: DataConfig = Field(description="Pictures and sentences.")
    initial: Path | None = Field(
        default=None,
        description="Checkpoint folder whose weights training starts from; heads and words that it lacks start anew.",
    )
    vectors: Path | None = Field(
        default=None,
        description="GloVe text file that initialises the word embedding; null takes the shipped table.",
    )
    standardize_vectors: bool = Field(
        True, description="Give the word vectors mean 0 and deviation 1 over the vocabulary, so that words differ."
    )
    freeze_embedding: bool = Field(default=True, description="Keep the word embedding as it was initialised.")
    optimizer: OptimizerConfig = Field(default=OptimizerConfig(), description="Optimiser.")
    schedule: ScheduleConfig = Field(default=ScheduleConfig(), description="Learning rate schedule.")
    ema: EMAConfig = Field(default=EMAConfig(), description="Running average of the weights.")
    epochs: int = Field(default=40, ge=1, description="Passes over the training split; the schedule spans them.")
    max_steps: int | None = Field(
        default=None, ge=1, description="Steps after which training ends, before the epochs do."
    )
    max_minutes: Positive | None = Field(
        default=None,
        description="Minutes of training; the schedule follows the clock when it is ahead of the steps.",
    )
    gradient_accumulation: int = Field(default=1, ge=1, description="Batches whose gradients make one step.")
    mixed_precision: Literal["no", "bf16", "fp16"] = Field(
        default="no", description="Number format of the forward pass."
    )
    grad_checkpointing: bool = Field(
        default=False, description="Compute parts of the layers again in the backward pass: less memory, more time."
    )
    keep_freed_memory: bool = Field(
        default=True,
        description="On a CPU, let the process keep freed memory from then on (Linux): faster steps, a higher peak.",
    )
    device: Literal["auto", "cpu"] = Field(default="auto", description="Use an accelerator if there is one, or never.")
    threads: int | None = Field(default=None, ge=1, description="CPU threads of PyTorch; null leaves its default.")
    compile: bool = Field(default=False, description="Compile the network with torch.compile.")
    seed: int = Field(default=123456, ge=0, description="Seed of weights, order, augmentation and dropout.")
    eval_every: NotNegative = Field(default=1.0, description="Epochs between evaluations; 0 evaluates only at the end.")
    save_every: NotNegative = Field(
        default=1.0, description="Epochs between saves of the state; 0 saves only at the end."
    )
    log_every: int = Field(default=20, ge=1, description="Steps between two lines of the log.")
    tensorboard: bool = Field(default=False, description="Also write the log for TensorBoard.")
    output: Path = Field(description="Folder of the run: weights, log, results and the state to resume from.")

    @classmethod
    def open_sections(cls) -> Mapping[str, type[BaseModel]]:
        """Return the settings of networks and of tasks."""
        fields: dict[str, Any] = {name: (task.Options, ...) for name, task in TASKS.items()}
        return {"model": ModelSections, "tasks": cast(type[BaseModel], create_model("Tasks", **fields))}

    @field_validator("tasks", mode="plain")
    @classmethod
    def _checked_tasks(cls, value: Any) -> dict[str, TaskOptions]:
        """Settings of each task by its own class."""
        if not isinstance(value, Mapping) or not value:
            raise ValueError(f"must map the name of at least one task to its settings, got {value!r}")
        tasks: dict[str, TaskOptions] = {}
        for name, options in value.items():
            kind = find_task(name).Options
            try:
                is_checked = isinstance(options, kind)
                tasks[name] = (
                    options if is_checked else kind.model_validate_json(json.dumps(options or {}), strict=True)
                )
            except ValidationError as error:
                raise relocated(error, name) from None
        return tasks

    @cached_property
    def network(self) -> ModelSections:
        """The settings of the network: those of the preset, with the changes."""
        values = sections_of(self.preset, self.model)
        try:
            return ModelSections.model_validate_json(json.dumps(values), strict=True)
        except ValidationError as error:
            raise relocated(error, "model") from None

    @model_validator(mode="after")
    def _builds(self) -> TrainConfig:
        _ = self.network
        return self

    @model_validator(mode="after")
    def _consistent(self) -> TrainConfig:
        scenes = self.data.scenes
        if scenes is not None:
            sorts = {name: find_task(name).sorts(options) for name, options in self.tasks.items()}
            given = dict.fromkeys(scenes.source().sorts)
            idle = [sort for sort in given if not any(sort in each for each in sorts.values())]
            hungry = [name for name, each in sorts.items() if not given.keys() & set(each)]
            if idle or hungry:
                problem = f"leave out {', '.join(idle)}" if idle else f"there are none for {', '.join(hungry)}"
                raise ValueError(
                    f"data.scenes.sentences is {scenes.sentences}, tasks are {', '.join(self.tasks)}: {problem}; "
                    + ", ".join(f"{name} learns from {' and '.join(each)}" for name, each in sorts.items())
                )
        for number, source in enumerate(self.data.sources or ()):
            if unknown := [task for task in source.tasks or () if task not in self.tasks]:
                raise ValueError(
                    f"data.sources[{number}].tasks names {', '.join(unknown)}; learned are {', '.join(self.tasks)}"
                )
        for sources, lack in (
            (self.data.sources or (), "no source of data.sources serves"),
            ([source for source in self.data.sources or () if source.evaluate], "evaluate is false of all that serve"),
        ):
            fed = {task for source in sources for task in source.tasks or self.tasks}
            if self.data.sources and (missing := [task for task in self.tasks if task not in fed]):
                raise ValueError(f"{lack} {', '.join(missing)}")
        if self.schedule.kind == "steps" and not self.schedule.milestones:
            raise ValueError("schedule.milestones must name at least one epoch when schedule.kind is steps")
        if self.compile and self.grad_checkpointing:
            raise ValueError(
                "grad_checkpointing and compile are both set; torch.compile decides itself what to compute again: "
                "leave one out"
            )
        return self

    @property
    def words_kept(self) -> int | None:
        """Words kept of a sentence, None for all."""
        if self.data.max_length != "auto":
            return self.data.max_length
        limits = [find_task(name).max_length for name in self.tasks]
        known = [limit for limit in limits if limit is not None]
        return max(known) if self.data.scenes is None and len(known) == len(limits) else None

    def changed(self) -> dict[str, Any]:
        """Return the settings that are not at their defaults, as plain values."""
        values = self.model_dump(mode="json", exclude_defaults=True)
        values["tasks"] = {
            name: options.model_dump(mode="json", exclude_defaults=True) for name, options in self.tasks.items()
        }
        return values

    def to_yaml(self) -> str:
        """Every setting, defaults included, as YAML that `load_config` reads back to an equal config."""
        return yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
