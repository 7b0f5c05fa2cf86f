"""What answering scores without looking: the most frequent answers, and what the words of the question tell."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from laconvnet.data import Record, best_answer
from laconvnet.data.answers import as_scores
from laconvnet.metrics import VQAAccuracy

_MIN_COUNT = 3  # records that a word, or two words side by side, must occur in
_EPOCHS, _BATCH = 20, 128


def _scores(record: Record) -> Mapping[str, float]:
    return as_scores(record.answer, record.answers)


def _right(record: Record) -> str | None:
    return best_answer(record.answer, record.answers)


def _first_words(text: str) -> str:
    return " ".join(text.lower().split()[:2])


def _features(text: str) -> list[str]:
    """Words, and pairs of words side by side."""
    words = re.findall(r"\w+", text.lower())
    return [*words, *map(" ".join, pairwise(words))]


class LanguageOnly:
    """The linear classifier of the words and pairs of words of a question, fitted by its softmax cross-entropy.

    Args:
        records: of a training split, with an answer; a tenth of them, or all if they are few, decides when to stop.
        seed: of that tenth and of the order.
    """

    def __init__(self, records: Sequence[Record], seed: int = 0) -> None:
        counts = Counter(feature for record in records for feature in set(_features(record.text)))
        self._features = {f: n for n, f in enumerate(sorted(f for f in counts if counts[f] >= _MIN_COUNT), start=1)}
        self.answers = sorted({answer for answer in map(_right, records) if answer is not None})
        numbers = {answer: number for number, answer in enumerate(self.answers)}
        self._weights = nn.EmbeddingBag(len(self._features) + 1, len(self.answers), mode="sum")
        nn.init.zeros_(self._weights.weight)
        bags = [self._bag(record.text) for record in records]
        right = torch.tensor([numbers[answer] for answer in map(_right, records) if answer is not None])
        self._fit(bags, right, torch.Generator().manual_seed(seed))

    def _bag(self, text: str) -> Tensor:
        """Numbers of the features; 0, which every question has, carries how frequent an answer is."""
        return torch.tensor([0, *(self._features[f] for f in set(_features(text)) if f in self._features)])

    def _logits(self, bags: Sequence[Tensor]) -> Tensor:
        offsets = torch.tensor([0, *map(len, bags[:-1])]).cumsum(0)
        return self._weights(torch.cat(list(bags)), offsets)  # type: ignore[no-any-return]

    def _fit(self, bags: Sequence[Tensor], right: Tensor, generator: torch.Generator) -> None:
        order = torch.randperm(len(bags), generator=generator)
        held_out, rest = order[: len(bags) // 10], order[len(bags) // 10 :]
        judges = held_out if len(held_out) else order
        optimizer = torch.optim.Adam(self._weights.parameters(), lr=1e-2)
        best, kept = -1.0, self._weights.weight.detach().clone()
        for _ in range(_EPOCHS):
            for rows in torch.split(rest[torch.randperm(len(rest), generator=generator)], _BATCH):
                loss = F.cross_entropy(self._logits([bags[row] for row in rows.tolist()]), right[rows])
                optimizer.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                optimizer.step()
            with torch.no_grad():
                found = self._logits([bags[row] for row in judges.tolist()]).argmax(1)
                accuracy = float((found == right[judges]).float().mean())
                if accuracy > best:
                    best, kept = accuracy, self._weights.weight.clone()
        self._weights.weight.data = kept

    def __call__(self, texts: Sequence[str]) -> list[str]:
        """The likeliest answer to each question."""
        if not texts:
            return []
        with torch.no_grad():
            best = self._logits([self._bag(text) for text in texts]).argmax(1)
        return [self.answers[number] for number in best.tolist()]


@dataclass(frozen=True)
class BlindAnswers:
    """Answers that were chosen on a training split without seeing a picture.

    Attributes:
        constant: the most frequent answer.
        by_first_words: the most frequent answer to questions with the same two first words.
        language_only: the linear classifier of words.
    """

    constant: str
    by_first_words: Mapping[str, str]
    language_only: LanguageOnly

    @classmethod
    def fit(cls, records: Sequence[Record], seed: int = 0) -> BlindAnswers:
        """Choose the answers on the records of a training split.

        Raises:
            ValueError: none of them has an answer.
        """
        labelled = [record for record in records if _right(record) is not None]
        if not labelled:
            raise ValueError("blind baselines of answers need records with answer or answers in the training split")
        counts: dict[str, Counter[str | None]] = defaultdict(Counter)
        for record in labelled:
            counts[_first_words(record.text)][_right(record)] += 1
        most = {words: str(count.most_common(1)[0][0]) for words, count in counts.items()}
        constant = Counter(map(_right, labelled)).most_common(1)[0][0]
        return cls(str(constant), most, LanguageOnly(labelled, seed))

    def score(self, records: Sequence[Record]) -> dict[str, dict[str, float]]:
        """Accuracy of each baseline on the records of another split.

        Returns:
            "most frequent answer", "most frequent answer per first two words" and "words alone (linear)" to metric
            values by name.
        """
        labelled = [record for record in records if _right(record) is not None]
        said = {
            "most frequent answer": [self.constant] * len(labelled),
            "most frequent answer per first two words": [
                self.by_first_words.get(_first_words(record.text), self.constant) for record in labelled
            ],
            "words alone (linear)": self.language_only([record.text for record in labelled]),
        }
        scores = {}
        for name, answers in said.items():
            metric = VQAAccuracy()
            metric.update(answers, list(map(_scores, labelled)), [record.group for record in labelled])
            scores[name] = {key: float(value) for key, value in metric.compute().items()}
        return scores
