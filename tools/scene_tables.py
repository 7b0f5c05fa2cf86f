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
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor
from torch.nn import functional as F

from laconvnet.scenes import FAMILIES, KINDS, WORLDS, SceneSample, SceneSource, Sentence
from laconvnet.tables import Row, markdown, percent


def share(count: int, whole: int) -> str:
    """A share in per cent; a dash of nothing."""
    return percent(count / whole if whole else None)


def hop_shares(sentences: Sequence[Sentence]) -> str:
    """The shares of sentences that follow no relation, one, two, and more."""
    hops = Counter(min(sentence.hops, 3) for sentence in sentences)
    return " / ".join(share(hops[number], len(sentences)) for number in range(4))


def lengths(sentences: Sequence[Sentence]) -> str:
    """Mean and largest number of words."""
    words = [len(sentence.text.split()) for sentence in sentences]
    return f"{statistics.mean(words):.1f}, {max(words)}"


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


def of_objects(samples: Sequence[SceneSample]) -> list[Row]:
    """How many objects scenes have."""
    objects = Counter(len(sample.scene.objects) for sample in samples)
    return [{"objects of a scene": n, "share": share(amount, len(samples))} for n, amount in sorted(objects.items())]


def of_families(questions: Sequence[Sentence]) -> list[Row]:
    """What questions of each family are like, and how far they are answered without looking."""
    rows: list[Row] = []
    middle = len(questions) // 2
    for family in FAMILIES:
        of = [sentence for sentence in questions if sentence.group == family]
        known = [sentence for sentence in questions[:middle] if sentence.group == family]
        asked = [sentence for sentence in questions[middle:] if sentence.group == family]
        usual, guessed = guess(known, asked)
        rows.append(
            {
                "family": family,
                "share": share(len(of), len(questions)),
                "0 / 1 / 2 / 3+ hops": hop_shares(of),
                "words: mean, most": lengths(of),
                "most frequent answer": percent(usual),
                "guess from the words": percent(guessed),
            }
        )
    return rows


def of_answers(questions: Sequence[Sentence]) -> list[Row]:
    """How often each answer is right, by family."""
    answers: dict[str, Counter[str]] = defaultdict(Counter)
    for sentence in questions:
        answers[sentence.group][str(sentence.answer)] += 1
    return [
        {
            "family": family,
            "answers": ", ".join(
                f"{answer} {share(n, answers[family].total())}" for answer, n in answers[family].most_common()
            ),
        }
        for family in FAMILIES
    ]


def of_kinds(expressions: Sequence[Sentence]) -> list[Row]:
    """What expressions of each kind are like."""
    rows: list[Row] = []
    for kind in (*KINDS, "all"):
        of = [sentence for sentence in expressions if kind in (sentence.group, "all")]
        targets = Counter(min(len(sentence.targets or ()), 2) for sentence in of)
        rows.append(
            {
                "kind": kind,
                "share": share(len(of), len(expressions)),
                **{name: share(targets[n], len(of)) for n, name in enumerate(("no target", "one", "several"))},
                "0 / 1 / 2 / 3+ hops": hop_shares(of),
                "words: mean, most": lengths(of),
            }
        )
    return rows


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

    for rows in (of_objects(samples), of_families(questions), of_answers(questions), of_kinds(expressions)):
        print(f"\n{markdown(rows)}")


if __name__ == "__main__":
    main()
