"""What a task is: everything that training, scoring and predicting need to know of it, in one class."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from pydantic import Field
from torch import Tensor

from laconvnet.models.config import HEADS
from laconvnet.settings import NotNegative, Section
from laconvnet.tasks.answer import Answer

if TYPE_CHECKING:
    from laconvnet.data import Batch, Record

Outputs = dict[str, Tensor]
"""What the network returns, by name: see `models.LaConvNet.forward`."""

Scores = dict[str, dict[str, float]]
"""By the name of a baseline, its values by the name of the metric."""


class TaskOptions(Section):
    """The settings that every task has."""

    weight: NotNegative = Field(1.0, description="Weight of its loss beside those of other tasks.")


OwnOptions = TypeVar("OwnOptions", bound=TaskOptions)


class Task(ABC, Generic[OwnOptions]):
    """A task: its settings, what it needs of network and records, loss, decoding, metric and baselines.

    A new task is a subclass, entered in `tasks.TASKS`.

    Args:
        options: its settings.
        stride: input pixels per cell of the map that boxes are read from, see `ModelConfig.stride`.

    Attributes:
        name: what it is called in settings and results.
        job: what it does, in a few words.
        Options: the class of its settings.
        headline: the values of its metric that a summary shows; by the first, higher is better.
        scene_sorts: the sorts of sentences about the embedded world that it learns from, see `scenes.SceneSource`.
        max_length: words that it reads of a sentence where the settings do not say; None for all.
    """

    name: ClassVar[str]
    job: ClassVar[str]
    Options: ClassVar[type[TaskOptions]]
    headline: tuple[str, ...]
    scene_sorts: tuple[str, ...] = ()
    max_length: ClassVar[int | None] = 15

    def __init__(self, options: OwnOptions, *, stride: int = 32):
        self.options, self.stride = options, stride
        self.scene_sorts = self.sorts(options)

    @classmethod
    def sorts(cls, options: OwnOptions) -> tuple[str, ...]:
        """Return the sorts of sentences about the embedded world that it learns from with these settings."""
        return cls.scene_sorts

    @classmethod
    def complete(cls, options: OwnOptions, answers: Callable[[], Sequence[str]]) -> OwnOptions:
        """Return the settings with what only the data tell.

        Args:
            options: the settings.
            answers: lists the answers that are right in the data; slow, so it is called only where they are needed.
        """
        return options

    @property
    @abstractmethod
    def outputs(self) -> tuple[str, ...]:
        """The outputs of the network that its loss reads."""

    @property
    def heads(self) -> tuple[str, ...]:
        """The heads that it needs."""
        return tuple(name for name in self.outputs if name in HEADS)

    @property
    @abstractmethod
    def labels(self) -> tuple[str, ...]:
        """The keys that its records must have."""

    @property
    def truth(self) -> tuple[str, ...]:
        """The keys of a record that judge an answer: all of its labels but those that only teach."""
        return self.labels

    @property
    def answers(self) -> tuple[str, ...]:
        """What the outputs of the answer head stand for; empty where it is not needed."""
        return ()

    def serves(self, record: Record) -> bool:
        """Return whether a record is for this task, if it is labelled: here, whether it is an expression."""
        return record.is_expression

    def answers_text(self, text: str) -> bool:
        """Return whether a sentence is for this task where nobody says so: here, whether it is no question."""
        return not is_question(text)

    @abstractmethod
    def loss(self, outputs: Outputs, batch: Batch) -> dict[str, Tensor]:
        """Return scalars by name; "loss" is the one to minimize. No value leaves the device."""

    @abstractmethod
    def decode(
        self, outputs: Outputs, frames: Tensor, sizes: Tensor, *, top_k: int = 1, min_score: float = 0.0
    ) -> list[Answer]:
        """Return what the outputs say, one answer per sample.

        Args:
            outputs: of N samples.
            frames: (N, 4), from the pictures to the input, see `processing.Frame`.
            sizes: (N, 2) int64, width and height of the pictures.
            top_k: most boxes of an answer, where the task gives boxes.
            min_score: score in [0, 1] that a box needs.
        """

    @abstractmethod
    def metric(self) -> Any:
        """Return a fresh metric, a `metrics.GroupedSums`."""

    @abstractmethod
    def update(self, metric: Any, answers: Sequence[Answer], batch: Batch) -> None:
        """Count the answers to a batch in the metric."""

    @abstractmethod
    def blind(self, train: Sequence[Record], records: Sequence[Record]) -> Scores:
        """Return what is scored on records without looking, by answers chosen on records of a training split."""

    def remarks(self, answers: Sequence[Answer], records: Sequence[Record]) -> dict[str, int]:
        """Return counts, by what is counted, of what the values of the metric hide; here, nothing."""
        return {}

    def measure(self, metric: Any, outputs: Outputs, batch: Batch) -> list[Answer]:
        """Decode the outputs for a batch, count them in the metric, and return them."""
        answers = self.decode(outputs, batch["frames"], batch["sizes"])
        self.update(metric, answers, batch)
        return answers


def is_question(text: str) -> bool:
    """Return whether a sentence ends with a question mark."""
    return text.rstrip().endswith("?")
