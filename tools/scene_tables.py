"""Count what the embedded world shows and says, and how far its questions are answered without looking.

    python tools/scene_tables.py [--scenes 2000] [--sentences 10] [--seed 0] [--world clevr]

Prints Markdown tables: objects of a scene; of questions, answers, hops, words and what can be guessed from the words
alone; of expressions, targets, hops and words. The guesser is a linear classifier on the words and word pairs of a
question, one for each family, fitted on one half of the scenes and scored on the other.
"""

from __future__ import annotations

import argparse
import statistics
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from itertools import pairwise

import torch
from torch import Tensor
from torch.nn import functional as F

from laconvnet.scenes import FAMILIES, KINDS, WORLDS, SceneSource, Sentence


def share(count: int, whole: int) -> str:
    """A share in per cent."""
    return f"{100 * count / whole:.1f} %"


def row(*cells: object) -> None:
    """Print one row of a table."""
    print("|", " | ".join(map(str, cells)), "|")


def head(*cells: str) -> None:
    """Print the head of a table."""
    print()
    row(*cells)
    row(*["---"] * len(cells))


def features(text: str) -> list[str]:
    """The words and word pairs of a question."""
    words = ["^", *text.lower().replace("?", " ?").split()]
    return [*words, *map(" ".join, pairwise(words)), *(f"{words[1]} .. {word}" for word in words)]


def encode(texts: Sequence[str], index: dict[str, int]) -> Tensor:
    """Texts as rows of zeros and ones, (N, F)."""
    rows = torch.zeros(len(texts), len(index))
    for place, text in enumerate(texts):
        known = [index[feature] for feature in features(text) if feature in index]
        rows[place, known] = 1
    return rows


def guess(known: Sequence[Sentence], asked: Sequence[Sentence]) -> tuple[float, float]:
    """Share of `asked` answered by the most frequent answer of `known`, and by a classifier of the words."""
    answers = sorted({str(sentence.answer) for sentence in known})
    usual = Counter(sentence.answer for sentence in known).most_common(1)[0][0]
    counts = Counter(feature for sentence in known for feature in set(features(sentence.text)))
    index = {feature: place for place, (feature, count) in enumerate(counts.most_common(4000)) if count > 4}
    x = encode([sentence.text for sentence in known], index)
    y = torch.tensor([answers.index(str(sentence.answer)) for sentence in known])
    layer = torch.nn.Linear(x.shape[1], len(answers))
    optimizer = torch.optim.AdamW(layer.parameters(), lr=0.01, weight_decay=0.3)
    for _ in range(30):
        for part in torch.randperm(len(x)).split(256):
            loss = F.cross_entropy(layer(x[part]), y[part])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    with torch.no_grad():
        chosen = layer(encode([sentence.text for sentence in asked], index)).argmax(1).tolist()
    right = sum(answers[place] == sentence.answer for place, sentence in zip(chosen, asked, strict=True))
    return sum(sentence.answer == usual for sentence in asked) / len(asked), right / len(asked)


def spread(values: Iterable[int]) -> str:
    """Mean and largest."""
    values = list(values)
    return f"{statistics.mean(values):.1f}, {max(values)}"


def main() -> None:
    """Make the scenes and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenes", type=int, default=2000)
    parser.add_argument("--sentences", type=int, default=10, help="questions, and as many expressions, of a scene")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--world", choices=sorted(WORLDS), default="clevr")
    arguments = parser.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(1)
    count = arguments.sentences
    source = SceneSource(arguments.seed, WORLDS[arguments.world], {"vqa": count, "gres": count})
    samples = [source.sample("train", number) for number in range(arguments.scenes)]
    sentences = [sentence for sample in samples for sentence in sample.sentences]
    questions = [sentence for sentence in sentences if sentence.answer is not None]
    expressions = [sentence for sentence in sentences if sentence.answer is None]

    head("objects of a scene", "share")
    objects = Counter(len(sample.scene.objects) for sample in samples)
    for number, amount in sorted(objects.items()):
        row(number, share(amount, len(samples)))

    middle = len(questions) // 2
    head("family", "share", "0 / 1 / 2 / 3+ hops", "words: mean, most", "most frequent answer", "guess from the words")
    for family in FAMILIES:
        of = [sentence for sentence in questions if sentence.group == family]
        hops = Counter(min(sentence.hops, 3) for sentence in of)
        known = [sentence for sentence in questions[:middle] if sentence.group == family]
        asked = [sentence for sentence in questions[middle:] if sentence.group == family]
        usual, guessed = guess(known, asked)
        row(
            family,
            share(len(of), len(questions)),
            " / ".join(share(hops[number], len(of)) for number in range(4)),
            spread(len(sentence.text.split()) for sentence in of),
            f"{100 * usual:.1f} %",
            f"{100 * guessed:.1f} %",
        )

    head("family", "answers")
    answers: dict[str, Counter[str]] = defaultdict(Counter)
    for sentence in questions:
        answers[sentence.group][str(sentence.answer)] += 1
    for family in FAMILIES:
        whole = sum(answers[family].values())
        row(family, ", ".join(f"{answer} {share(n, whole)}" for answer, n in answers[family].most_common()))

    head("kind", "share", "no target", "one", "several", "0 / 1 / 2 / 3+ hops", "words: mean, most")
    for kind in (*KINDS, "all"):
        of = [sentence for sentence in expressions if kind in (sentence.group, "all")]
        targets = Counter(min(len(sentence.targets or ()), 2) for sentence in of)
        hops = Counter(min(sentence.hops, 3) for sentence in of)
        row(
            kind,
            share(len(of), len(expressions)),
            *(share(targets[number], len(of)) for number in range(3)),
            " / ".join(share(hops[number], len(of)) for number in range(4)),
            spread(len(sentence.text.split()) for sentence in of),
        )


if __name__ == "__main__":
    main()
