"""Pictures to train on that some dataset holds out for validation or testing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from laconvnet.data.leakage.picture_hash import Fingerprint, nearest

RULES = ("id", "linked_id", "sha256", "near")
"""How a picture is found to be held out, the first that applies: by its own key, by that of the same photograph in
another collection, as the same file, or as a re-encoded or resized copy."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture of a split.

    Attributes:
        split: the split, as FOLDER:SPLIT.
        image: path below the folder.
        path: the file itself, behind all links.
        records: how many records of the split speak of it.
        key: its name in all datasets, see `picture_key`.
        linked: the keys of the same photograph in other collections.
    """

    split: str
    image: str
    path: str
    records: int
    key: str | None
    linked: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.split} {self.image}"


class HeldOutKey(NamedTuple):
    """A key that is held out, with the place that says so, and those of the same photograph in other collections."""

    place: str
    key: str
    linked: tuple[str, ...] = ()


class Leak(NamedTuple):
    """Why a picture is held out: the rule, the held-out picture or key it met, and in what they agree."""

    rule: str
    met: str
    evidence: dict[str, str | int]


def find_leaks(
    pictures: Iterable[Picture],
    held_out: Sequence[Picture],
    excluded: Sequence[HeldOutKey],
    prints: Mapping[str, Fingerprint],
    *,
    near: int,
    progress: bool = False,
) -> dict[Picture, Leak]:
    """Finds the pictures that are held out, by the first of `RULES` that applies.

    Args:
        pictures: pictures to train on.
        held_out: pictures that are not to be trained on.
        excluded: keys of more of them.
        prints: the fingerprint of every picture, by `Picture.path`.
        near: bits of 256 by which the hash of a copy may differ; 0 leaves the rule "near" out.
        progress: whether to show a progress bar.
    """
    names = [HeldOutKey(str(picture), picture.key, picture.linked) for picture in held_out if picture.key] + [*excluded]
    by_key = {name.key: name.place for name in reversed(names)}
    by_linked_key = {key: name.place for name in reversed(names) for key in name.linked} | by_key
    by_file = {prints[picture.path].sha256: picture for picture in reversed(held_out)}

    leaks: dict[Picture, Leak] = {}
    unknown = []
    for picture in pictures:
        sha256 = prints[picture.path].sha256
        keys = [picture.key, *picture.linked] if picture.key else []
        linked = next((key for key in keys if key in by_linked_key), None)
        if picture.key in by_key:
            leaks[picture] = Leak("id", by_key[picture.key], {"key": picture.key})
        elif linked is not None:
            leaks[picture] = Leak("linked_id", by_linked_key[linked], {"key": linked})
        elif sha256 in by_file:
            leaks[picture] = Leak("sha256", str(by_file[sha256]), {"sha256": sha256})
        else:
            unknown.append(picture)

    by_hash = {prints[picture.path].difference: picture for picture in reversed(held_out)}
    if near and by_hash:
        hashes = list(by_hash)
        found = nearest([prints[picture.path].difference for picture in unknown], hashes, progress=progress)
        for picture, (index, bits) in zip(unknown, found, strict=True):
            if bits <= near:
                own, other = prints[picture.path].difference, hashes[index]
                leaks[picture] = Leak("near", str(by_hash[other]), {"hash": own, "met_hash": other, "bits": bits})
    return leaks
