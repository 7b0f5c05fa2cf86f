"""Checkpoints of small networks with fresh weights, for tests of what is done with a checkpoint, and how two differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from laconvnet.language import Vocabulary
from laconvnet.models import Checkpoint, LaConvNet, build_model
from laconvnet.processing import Preprocess, Processor, ResizeMode, read_image
from laconvnet.tasks import build_tasks, together

WORDS = ("the", "red", "circle", "left")
ANSWERS = ("yes", "no", "two")


def fresh_checkpoint(
    tasks: Sequence[str] | Mapping[str, Mapping[str, Any]] = ("rec",),
    *,
    words: Sequence[str] = WORDS,
    answers: Sequence[str] = ANSWERS,
    resize: ResizeMode = "letterbox",
    max_length: int | None = 6,
) -> Checkpoint:
    """Build one of preset n for pictures of 64 pixels, as training writes it.

    Args:
        tasks: what it learned, by name, with the settings that are not the defaults.
        words: of its vocabulary.
        answers: of the task vqa.
        resize: how pictures are brought to their size.
        max_length: words read of a sentence.
    """
    given = dict(tasks) if isinstance(tasks, Mapping) else {name: {} for name in tasks}
    if "vqa" in given:
        given["vqa"] = {"answers": list(answers), **given["vqa"]}
    built = build_tasks(given)
    number = len(answers) if "vqa" in given else 0
    vocabulary = Vocabulary(list(words), num_buckets=2)
    network = build_model("n", together(built).heads, vocabulary=vocabulary, num_answers=number).eval()
    options = {task.name: task.options.model_dump(mode="json") for task in built}
    processor = Processor(Preprocess(size=64, resize=resize, max_length=max_length), vocabulary)
    return Checkpoint(network, processor, options)


def show_pictures(checkpoint: Checkpoint, folder: Path) -> Checkpoint:
    """Let a network that was not trained see a folder of pictures of 64 pixels, so that it tells pictures apart.

    Its norms count what they see, and half of its mask is set.
    """
    model = checkpoint.network.train()
    pictures = np.stack([read_image(file) for file in sorted(folder.iterdir())])
    images = torch.from_numpy(pictures).permute(0, 3, 1, 2) / 255
    tokens = torch.randint(1, model.config.vocabulary_size, (len(images), 5))
    with torch.no_grad():
        for _ in range(30):
            model(images, tokens)
        model.heads["res"].out.bias -= model.eval()(images, tokens)["res"].mean()
    return checkpoint


def differing(left: LaConvNet, right: LaConvNet) -> set[str]:
    """The parts in which two networks differ, word vectors left out."""
    ours, theirs = left.state_dict(), right.state_dict()
    return {
        ".".join(key.split(".")[: 2 if key.startswith("heads") else 1])
        for key in ours
        if key != "text.embedding.weight" and (key not in theirs or not torch.equal(ours[key], theirs[key]))
    }
