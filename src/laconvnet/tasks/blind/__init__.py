"""What a task scores without looking: baselines that every result should stand beside."""

from collections.abc import Sequence

from laconvnet.data import Record
from laconvnet.tasks.blind.answers import BlindAnswers
from laconvnet.tasks.blind.boxes import BlindBoxes
from laconvnet.tasks.blind.masks import BlindMasks


def score_blind(task: str, train: Sequence[Record], records: Sequence[Record]) -> dict[str, dict[str, float]]:
    """Choose answers on a training split without seeing a picture, and score them on another split.

    Args:
        task: "rec", "res", "gres" or "vqa".
        train: records to choose on.
        records: records to score on.

    Returns:
        By baseline, the metric values of the task by name.

    Raises:
        ValueError: there is no such task, or no record of the training split has its label.
    """
    labels = {"rec": ("boxes",), "res": ("masks",), "gres": ("masks",), "vqa": ("answer", "answers")}.get(task)
    if labels is None:
        raise ValueError(f"there are no blind baselines for task {task!r}")
    train = [record for record in train if record.serves(task)]
    if not any(getattr(record, label) for record in train for label in labels):
        raise ValueError(f"blind baselines of {task} need records with {' or '.join(labels)} in the training split")
    if task == "rec":
        return BlindBoxes.fit(train).score(records)
    if task == "vqa":
        return BlindAnswers.fit(train).score(records)
    return BlindMasks.fit(train).score(records, generalized=task == "gres")


__all__ = ["BlindAnswers", "BlindBoxes", "BlindMasks", "score_blind"]
