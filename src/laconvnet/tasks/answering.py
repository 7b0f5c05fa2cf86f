"""VQA: answer a question about a picture, or judge a statement, with one of a list of answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor
from torchmetrics import Metric

from laconvnet.metrics import AnswerAccuracy, VQAAccuracy
from laconvnet.tasks.masks import attention_loss
from laconvnet.tasks.segmentation import Segmentation
from laconvnet.tasks.task import Batch, Outputs, check_weights

AnswerLoss = Literal["cross_entropy", "soft_bce"]


class Answering:
    """Answer loss, decoding and accuracy.

    Args:
        answers: what can be answered, in the order of the head's outputs.
        loss: "cross_entropy" against the one right answer (CLEVR, SNLI-VE), scored by the share of right ones; or
            "soft_bce" against the share of people who gave each answer (VQAv2), scored by the soft accuracy.
        mask_weight: weight of cutting out what a question asks about, for records with masks of that, as those of the
            embedded world: where to look is learned much sooner so. The network then needs a mask head, of res or gres.
        attention_weight: weight of the answer head's attention resting on the same; see `attention_loss`.

    Raises:
        ValueError: there are no answers, one stands twice, there is no such loss, or a weight is negative.
    """

    name = "vqa"
    main_metric = "accuracy"

    def __init__(
        self,
        *,
        answers: Sequence[str],
        loss: AnswerLoss = "cross_entropy",
        mask_weight: float = 0.0,
        attention_weight: float = 0.0,
    ):
        if loss not in get_args(AnswerLoss):
            raise ValueError(f"loss must be one of {get_args(AnswerLoss)}, got {loss!r}")
        if not answers or len(set(answers)) != len(answers):
            raise ValueError(f"answers must be at least one, each once; got {len(answers)}: {list(answers)[:5]}")
        check_weights(mask_weight=mask_weight, attention_weight=attention_weight)
        self.answers, self.kind = tuple(answers), loss
        self.mask_weight, self.attention_weight = mask_weight, attention_weight
        self._looking = Segmentation(dice_weight=1.0)
        self._numbers = {answer: number for number, answer in enumerate(self.answers)}

    @property
    def heads(self) -> tuple[str, ...]:
        """The outputs that it reads."""
        heads = {"answer": 1.0, "res": self.mask_weight, "answer_attention": self.attention_weight}
        return tuple(head for head, weight in heads.items() if weight)

    @property
    def labels(self) -> tuple[str, ...]:
        """What its records must have."""
        answer = "answers" if self.kind == "soft_bce" else "answer"
        return (answer, "masks") if self.mask_weight or self.attention_weight else (answer,)

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
        answer_loss = self._answer_loss(outputs["answer"].float(), batch)
        losses = {"loss": answer_loss}
        if self.mask_weight or self.attention_weight:
            losses["answer_loss"] = answer_loss.detach()
        if self.mask_weight:
            masks = self._looking.loss(outputs, batch)["loss"]
            losses["loss"] = losses["loss"] + self.mask_weight * masks
            losses["mask_loss"] = masks.detach()
        if self.attention_weight:
            strays = attention_loss(outputs["answer_attention"], batch["target_masks"])
            losses["loss"] = losses["loss"] + self.attention_weight * strays
            losses["attention_loss"] = strays.detach()
        return losses

    def _answer_loss(self, logits: Tensor, batch: Batch) -> Tensor:
        if self.kind == "soft_bce":
            wanted = self._scores(batch).to(logits.device, non_blocking=True)
            return F.binary_cross_entropy_with_logits(logits, wanted, reduction="sum") / len(logits)
        right = self._right(batch).to(logits.device, non_blocking=True)
        total = F.cross_entropy(logits, right, ignore_index=-1, reduction="sum")
        return total / (right >= 0).sum().clamp(min=1)

    def _right(self, batch: Batch) -> Tensor:
        """The numbers of the right answers, int64 (N,), -1 for one outside the list."""
        return torch.tensor([self._numbers.get(answer, -1) for answer in batch["answer"]], dtype=torch.int64)

    def _scores(self, batch: Batch) -> Tensor:
        """How right every answer is, float32 (N, A)."""
        scores = torch.zeros(len(batch["answers"]), len(self.answers))
        for row, given in zip(scores, batch["answers"], strict=True):
            for answer, score in given.items():
                if answer in self._numbers:
                    row[self._numbers[answer]] = score
        return scores

    def metric(self) -> Metric:
        """Accuracy, over all samples and by group."""
        return VQAAccuracy() if self.kind == "soft_bce" else AnswerAccuracy()

    def update(self, metric: Metric, outputs: Outputs, batch: Batch) -> None:
        """Count the most likely answer of every sample."""
        best = outputs["answer"].argmax(1)
        if self.kind == "soft_bce":
            metric.update([self.answers[number] for number in best.tolist()], batch["answers"], batch["groups"])
        else:
            metric.update(best.to(metric.device), self._right(batch).to(metric.device), batch["groups"])

    def predictions(self, outputs: Outputs, batch: Batch) -> list[dict[str, Any]]:
        """Returns {"answer": text, "answer_score": in [0, 1]} per sample."""
        return [
            {"answer": ranked[0][0], "answer_score": round(ranked[0][1], 4)}
            for ranked in best_answers(outputs["answer"], self.answers, 1)
        ]


def best_answers(logits: Tensor, answers: Sequence[str], count: int) -> list[list[tuple[str, float]]]:
    """The most likely answers with their shares of the softmax, the likeliest first.

    Args:
        logits: (N, A).
        answers: A texts.
        count: how many, at most A.

    Returns:
        For each of N samples `count` pairs of answer and share in [0, 1].
    """
    shares, numbers = logits.float().softmax(1).topk(min(count, len(answers)), 1)
    return [
        [(answers[number], share) for number, share in zip(row, values, strict=True)]
        for row, values in zip(numbers.tolist(), shares.tolist(), strict=True)
    ]
