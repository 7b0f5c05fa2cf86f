"""VQA: answer a question about a picture, or judge a statement, with one of a list of answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal, Self

import torch
from pydantic import Field, model_validator
from torch import Tensor

from laconvnet.settings import NotNegative
from laconvnet.tasks.answer import Answer
from laconvnet.tasks.losses import attention_loss, right_answer_loss, soft_answers_loss
from laconvnet.tasks.segmentation import cut_out_loss
from laconvnet.tasks.task import Outputs, Scores, Task, TaskOptions, is_question

if TYPE_CHECKING:
    from laconvnet.data import Batch, Record
    from laconvnet.metrics import AnswerAccuracy, VQAAccuracy

_TOLD = 5  # answers of a sample


class AnsweringOptions(TaskOptions):
    """The settings of `vqa`."""

    answers: tuple[str, ...] = Field(
        (), description="What can be answered, in the order of the head's outputs; empty lists those of the data."
    )
    loss: Literal["cross_entropy", "soft_bce"] = Field(
        "cross_entropy",
        description="cross_entropy against the one right answer (CLEVR, SNLI-VE), scored by the share of right ones; "
        "or soft_bce against the share of people who gave each answer (VQAv2), scored by the soft accuracy.",
    )
    mask_weight: NotNegative = Field(
        0.0,
        description="Weight of cutting out what a question asks about, for records with masks of that, as those of the "
        "embedded world: where to look is learned much sooner so.",
    )
    attention_weight: NotNegative = Field(0.0, description="Weight of the answer head's attention resting on the same.")

    @model_validator(mode="after")
    def _differ(self) -> Self:
        if len(set(self.answers)) != len(self.answers):
            twice = next(answer for answer in self.answers if self.answers.count(answer) > 1)
            raise ValueError(f"answers must be different, got {twice!r} twice")
        return self


class Answering(Task[AnsweringOptions]):
    """Answer loss, decoding and accuracy."""

    name = "vqa"
    job = "answer"
    Options = AnsweringOptions
    headline = ("accuracy",)
    scene_sorts = ("vqa",)
    max_length = None

    def __init__(self, options: AnsweringOptions, *, stride: int = 32):
        super().__init__(options, stride=stride)
        if not options.answers:
            raise ValueError("task vqa needs a list of answers: at least one")
        self._numbers = {answer: number for number, answer in enumerate(options.answers)}

    @classmethod
    def complete(cls, options: AnsweringOptions, answers: Callable[[], Sequence[str]]) -> AnsweringOptions:
        """Return the settings with the answers of the data, where they list none."""
        return options if options.answers else options.model_copy(update={"answers": tuple(answers())})

    @property
    def answers(self) -> tuple[str, ...]:
        """What can be answered, in the order of the head's outputs."""
        return self.options.answers

    @property
    def is_soft(self) -> bool:
        """Whether several answers are right to some degree."""
        return self.options.loss == "soft_bce"

    @property
    def outputs(self) -> tuple[str, ...]:
        """The outputs that it reads."""
        weights = {"answer": 1.0, "res": self.options.mask_weight, "answer_attention": self.options.attention_weight}
        return tuple(name for name, weight in weights.items() if weight)

    @property
    def labels(self) -> tuple[str, ...]:
        """The keys that its records must have."""
        answer = "answers" if self.is_soft else "answer"
        looks = self.options.mask_weight or self.options.attention_weight
        return (answer, "masks") if looks else (answer,)

    @property
    def truth(self) -> tuple[str, ...]:
        """The keys of a record that judge an answer: masks only teach where to look."""
        return self.labels[:1]

    def serves(self, record: Record) -> bool:
        """Return whether a record is a question or a statement to judge."""
        return record.is_question

    def answers_text(self, text: str) -> bool:
        """Return whether a sentence is a question."""
        return is_question(text)

    def loss(self, outputs: Outputs, batch: Batch) -> dict[str, Tensor]:
        """The cross-entropy of the right answer, or that of each answer by itself, summed; then the mean of samples.

        A right answer outside the list teaches nothing: the sample does not count in the cross-entropy, and in the
        other sum wants none of the listed answers. Of the union of a record's masks, ``mask_weight * (BCE + dice)`` and
        ``attention_weight * attention_loss`` are added.

        Args:
            outputs: "answer" (N, A), and with its weight "res" (N, 1, H, W) and "answer_attention" (N, h, w).
            batch: "answer", N texts or None; "answers", N mappings of answers to scores in [0, 1]; with either weight
                "target_masks" (N, H, W) bool.

        Returns:
            Scalars "loss" and, with those weights, its parts "answer_loss", "mask_loss" and "attention_loss".
        """
        mask_weight, attention_weight = self.options.mask_weight, self.options.attention_weight
        of_answers = self._answer_loss(outputs["answer"], batch)
        losses = {"loss": of_answers}
        if mask_weight or attention_weight:
            losses["answer_loss"] = of_answers.detach()
        if mask_weight:
            of_masks = cut_out_loss(outputs, batch, dice_weight=1.0)["loss"]
            losses["loss"] = losses["loss"] + mask_weight * of_masks
            losses["mask_loss"] = of_masks.detach()
        if attention_weight:
            strays = attention_loss(outputs["answer_attention"], batch["target_masks"])
            losses["loss"] = losses["loss"] + attention_weight * strays
            losses["attention_loss"] = strays.detach()
        return losses

    def _answer_loss(self, logits: Tensor, batch: Batch) -> Tensor:
        if self.is_soft:
            return soft_answers_loss(logits, self._scores(batch).to(logits.device, non_blocking=True))
        return right_answer_loss(logits, self._right(batch).to(logits.device, non_blocking=True))

    def _right(self, batch: Batch) -> Tensor:
        """The numbers of the right answers, int64 (N,), -1 for one outside the list."""
        return torch.tensor([self._numbers.get(answer or "", -1) for answer in batch["answer"]], dtype=torch.int64)

    def _scores(self, batch: Batch) -> Tensor:
        """How right every answer is, float32 (N, A)."""
        scores = torch.zeros(len(batch["answers"]), len(self.options.answers))
        for row, given in zip(scores, batch["answers"], strict=True):
            for answer, score in given.items():
                if answer in self._numbers:
                    row[self._numbers[answer]] = score
        return scores

    def decode(
        self, outputs: Outputs, frames: Tensor, sizes: Tensor, *, top_k: int = 1, min_score: float = 0.0
    ) -> list[Answer]:
        """Return the five likeliest answers, the likeliest first; see `Task.decode`."""
        return [
            Answer(answers=tuple(ranked)) for ranked in best_answers(outputs["answer"], self.options.answers, _TOLD)
        ]

    def metric(self) -> AnswerAccuracy | VQAAccuracy:
        """Accuracy, over all samples and by group."""
        from laconvnet.metrics import AnswerAccuracy, VQAAccuracy

        return VQAAccuracy() if self.is_soft else AnswerAccuracy()

    def update(self, metric: Any, answers: Sequence[Answer], batch: Batch) -> None:
        """Count the most likely answer of every sample."""
        said = [answer.answer or "" for answer in answers]
        if self.is_soft:
            metric.update(said, batch["answers"], batch["groups"])
        else:
            numbers = torch.tensor([self._numbers[answer] for answer in said], dtype=torch.int64)
            metric.update(numbers.to(metric.device), self._right(batch).to(metric.device), batch["groups"])

    def remarks(self, answers: Sequence[Answer], records: Sequence[Record]) -> dict[str, int]:
        """Return how many right answers are not in the list, and how many answers given are right nowhere."""
        from laconvnet.data.answers import as_scores

        right = [set(as_scores(record.answer, record.answers)) for record in records]
        everywhere = set().union(*right)
        counts = {
            "right answers that the network does not know": sum(not each & self._numbers.keys() for each in right),
            "answers given that are right nowhere in the data": sum(
                answer.answer not in everywhere for answer in answers
            ),
        }
        return {what: count for what, count in counts.items() if count}

    def blind(self, train: Sequence[Record], records: Sequence[Record]) -> Scores:
        """The most frequent answer, the one per first two words, and a linear classifier of words and word pairs."""
        from laconvnet.tasks.blind.answers import BlindAnswers

        return BlindAnswers.fit(train).score(records)


def best_answers(logits: Tensor, answers: Sequence[str], count: int) -> list[list[tuple[str, float]]]:
    """Return the most likely answers with their shares of the softmax, the likeliest first.

    Args:
        logits: (N, A).
        answers: A texts.
        count: how many, at most A.

    Returns:
        For each of N samples `count` pairs of answer and share in [0, 1].
    """
    numbers = logits.float().topk(min(count, len(answers)), 1).indices
    shares = logits.float().softmax(1).gather(1, numbers)
    return [
        [(answers[number], share) for number, share in zip(row, own, strict=True)]
        for row, own in zip(numbers.tolist(), shares.tolist(), strict=True)
    ]
