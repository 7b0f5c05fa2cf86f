"""The control experiment that shows whether a network reads: the sentences of other pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from laconvnet.data.folder.schema import Record


def shuffled_sentences(records: Sequence[Record], seed: int) -> list[Record]:
    """Permute the sentences among the images, the control that shows whether a network reads them.

    Args:
        records: the records of a split.
        seed: seed of the permutation.

    Returns:
        The records in their order, each with the text and group of another one. No sentence stays with its
        own image, unless one image holds more than half of them.
    """
    rng = np.random.default_rng(seed)
    by_image: dict[str, list[int]] = {}
    for index in rng.permutation(len(records)):
        by_image.setdefault(records[index].image, []).append(int(index))
    # The images stand one after the other; a shift by the longest of them leaves no sentence in its place.
    order = [index for indices in by_image.values() for index in indices]
    shift = max(map(len, by_image.values()), default=0)
    shuffled = list(records)
    for place, index in enumerate(order):
        donor = records[order[(place + shift) % len(order)]]
        shuffled[index] = replace(records[index], text=donor.text, group=donor.group)
    return shuffled
