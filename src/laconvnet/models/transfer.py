"""Starting from weights that were learned before: what fits is taken over, the rest starts anew."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from laconvnet.language import Vocabulary
from laconvnet.models.checkpoint import Checkpoint
from laconvnet.models.config import ModelConfig
from laconvnet.models.network import LaConvNet
from laconvnet.settings import flat

_WORDS = "text.embedding.weight"
_ANSWERS = ("heads.answer.perceptron.3.weight", "heads.answer.perceptron.3.bias")  # a row for each


@dataclass(frozen=True)
class Start:
    """What a network starts from.

    Attributes:
        folder: the checkpoint folder.
        taken: the parts that have its weights: "text", "backbone", "neck", "mask_path", "heads.<name>".
        anew: the other parts.
        words: how many listed words have its vectors.
        new_words: how many have not.
        answers: how many answers have its weights.
        new_answers: how many have not.
    """

    folder: Path
    taken: tuple[str, ...]
    anew: tuple[str, ...]
    words: int
    new_words: int
    answers: int
    new_answers: int

    def __str__(self) -> str:
        taken, anew = [*self.taken, f"{self.words} words"], [*self.anew, f"{self.new_words} words"]
        if self.answers + self.new_answers:
            taken, anew = [*taken, f"{self.answers} answers"], [*anew, f"{self.new_answers} answers"]
        return f"start from {self.folder}: {', '.join(taken)} are taken over, {', '.join(anew)} start anew"


def start_from(
    folder: Path,
    model: LaConvNet,
    tokenizer: Vocabulary,
    answers: Sequence[str] = (),
    *,
    answers_of: Callable[[Checkpoint], Sequence[str]],
) -> Start:
    """Give a network the weights of a checkpoint folder, as far as it has them.

    Text encoder and backbone have to be built alike, dropout and position code apart, which have no weights. Neck and
    heads are taken over each as a whole, if theirs have the same shapes; the last layer of the answer head goes by the
    answer. Word vectors go by the word, and
    those of the buckets for other words by the bucket, if there are as many. What it lacks stays as it is, so new words
    fit known ones if both runs made their vectors alike (`vectors`, `standardize_vectors`).

    Args:
        folder: as `Checkpoint.save` wrote it, or the name of a shipped one.
        model: the network; changed in place.
        tokenizer: the words its ids stand for.
        answers: what the outputs of its answer head stand for.
        answers_of: tells what those of a checkpoint's answer head stand for.

    Returns:
        What was taken over.

    Raises:
        FileNotFoundError: the folder or one of its files is missing.
        ValueError: a file is broken, or text encoder or backbone are built differently; names the setting.
    """
    checkpoint = Checkpoint.load(folder)
    learned, known = checkpoint.network, checkpoint.processor.tokenizer
    assert isinstance(known, Vocabulary)
    _check_alike(folder, learned.config, model.config)
    theirs, ours = _parts(learned), _parts(model)
    fitting = {name for name, tensors in ours.items() if name in theirs and _shapes(tensors) == _shapes(theirs[name])}
    with torch.no_grad():
        for name in fitting:
            for key, tensor in ours[name].items():
                tensor.copy_(theirs[name][key])
    words = _take_words(model.text.embedding, tokenizer, learned.text.embedding.weight, known)
    taken = _take_answers(model, answers, learned, answers_of(checkpoint)) if "heads.answer" in fitting else 0
    return Start(
        folder,
        taken=tuple(name for name in ours if name in fitting),
        anew=tuple(name for name in ours if name not in fitting),
        words=words,
        new_words=len(tokenizer.words) - words,
        answers=taken,
        new_answers=len(answers) - taken,
    )


def _check_alike(folder: Path, learned: ModelConfig, new: ModelConfig) -> None:
    """Refuse weights of a text encoder or a backbone that does something else."""
    for section in ("backbone", "language"):
        theirs, ours = flat(getattr(learned, section).model_dump()), flat(getattr(new, section).model_dump())
        for name, value in ours.items():
            if not name.endswith(("dropout", "position")) and theirs.get(name) != value:
                raise ValueError(
                    f"initial {folder}: model.{section}.{name} is {theirs.get(name)!r} there (preset {learned.preset}) "
                    f"and {value!r} here (preset {new.preset}); the weights fit only if both are the same"
                )


def _parts(model: LaConvNet) -> dict[str, dict[str, Tensor]]:
    """Weights and buffers by part, rows of words and answers left out."""
    parts: dict[str, dict[str, Tensor]] = {}
    for key, tensor in model.state_dict().items():
        if key not in (_WORDS, *_ANSWERS):
            first, second, *_ = key.split(".")
            parts.setdefault(f"heads.{second}" if first == "heads" else first, {})[key] = tensor
    return parts


def _shapes(tensors: dict[str, Tensor]) -> dict[str, torch.Size]:
    return {key: tensor.shape for key, tensor in tensors.items()}


def _take_words(embedding: nn.Embedding, vocabulary: Vocabulary, learned: Tensor, known: Vocabulary) -> int:
    """Take over the rows of known words, and tell how many; those of unknown ones stay."""
    shared = [word for word in vocabulary.words if word in known]
    buckets = range(1, 1 + known.num_buckets) if vocabulary.num_buckets == known.num_buckets else ()
    with torch.no_grad():
        own, their = [*map(vocabulary.id, shared), *buckets], [*map(known.id, shared), *buckets]
        embedding.weight[own] = learned[their]
    return len(shared)


def _take_answers(model: LaConvNet, answers: Sequence[str], learned: LaConvNet, known: Sequence[str]) -> int:
    """Take over the rows of known answers, and tell how many; those of new ones stay."""
    rows = {answer: row for row, answer in enumerate(known)}
    shared = [(row, rows[answer]) for row, answer in enumerate(answers) if answer in rows]
    own, their = [row for row, _ in shared], [row for _, row in shared]
    ours, theirs = model.state_dict(), learned.state_dict()
    with torch.no_grad():
        for name in _ANSWERS:
            ours[name][own] = theirs[name][their]
    return len(shared)
