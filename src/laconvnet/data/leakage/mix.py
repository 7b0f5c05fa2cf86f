"""Several datasets as one to train on, without any picture that a dataset holds out."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from tqdm import tqdm

from laconvnet.data.folder.schema import DatasetInfo, Record, SchemaError, iterate_records, splits
from laconvnet.data.folder.writer import DatasetWriter, Link
from laconvnet.data.leakage.held_out import RULES, HeldOutKey, Leak, Picture, find_leaks
from laconvnet.data.leakage.picture_hash import BITS, NEAR, Fingerprint, fingerprints
from laconvnet.data.leakage.picture_keys import Links, collection_of, picture_key, read_keys, read_links

_TRAIN = "train"


class Part(NamedTuple):
    """A split of a dataset folder."""

    folder: Path
    split: str = _TRAIN

    @classmethod
    def parse(cls, text: str) -> Part:
        """Reads FOLDER or FOLDER:SPLIT."""
        folder, _, split = text.rpartition(":")
        return cls(Path(text)) if not folder or Path(text).is_dir() else cls(Path(folder), split)

    def __str__(self) -> str:
        return f"{self.folder}:{self.split}"

    @property
    def name(self) -> str:
        """What ids and folders of pictures begin with in the mix."""
        name = Path(os.path.abspath(self.folder)).name
        return name if self.split == _TRAIN else f"{name}-{self.split}"

    def records(self) -> Iterator[Record]:
        """The records, one after the other; see `iterate_records`."""
        return (record for _, record in iterate_records(self.folder / f"{self.split}.jsonl"))


def mix(
    parts: Sequence[Part],
    out: str | os.PathLike[str],
    *,
    against: Sequence[Path] = (),
    exclude: Sequence[Path] = (),
    vg_images: Path | None = None,
    near: int = NEAR,
    link: Link = "copy",
    workers: int = 1,
    progress: bool = False,
) -> dict[str, Any]:
    """Writes a dataset folder with the split `train` from several ones, with an audit of what was held out of it.

    Held out are the splits other than "train" of `against`, and of the folders of the parts unless they go in
    themselves. A picture that `find_leaks` finds there is left out with all its records. This is stricter than the
    paper (Sec. 4.1), which leaves out the val and test pictures of RefCOCO, RefCOCO+ and RefCOCOg.

    Args:
        parts: what goes in, in this order; "<part>/" is put before ids, and pictures lie in `images/<part>/`.
        out: the folder to make; must not exist. It appears when it is complete.
        against: dataset folders that hold pictures out.
        exclude: files of held-out keys, see `read_keys`.
        vg_images: Visual Genome's image_data.json, needed where pictures of Visual Genome occur.
        near: bits of 256 by which the hash of a re-encoded copy may differ; 0 looks for exact copies only.
        link: "copy", "hardlink" or "symlink" the pictures.
        workers: processes that read pictures. What is written does not depend on it.
        progress: whether to show progress bars.

    Returns:
        what `audit.json` holds; docs/datasets/pretraining.md describes it.

    Raises:
        SchemaError: a folder is no dataset, or lacks the split, or holds nothing out.
        ValueError: a number is out of range, two parts have one name, image_data.json is missing or lacks a picture,
            a line is no key, nothing is held out, or nothing is left.
        OSError: `out` exists, or a picture cannot be read. Nothing is left behind.
    """
    if not 0 <= near < BITS // 2:
        raise ValueError(f"near must be from 0 to {BITS // 2 - 1} bits, got {near}")
    names = Counter(part.name for part in parts)
    if not parts or len(names) < len(parts):
        twice = [name for name, count in names.items() if count > 1]
        raise ValueError(f"there must be parts, each with a folder name of its own; named twice: {twice}")
    infos = [DatasetInfo.load(part.folder) for part in parts]
    writer = DatasetWriter(out, _mixed_info(parts, infos), link=link)

    links = None if vg_images is None else read_links(vg_images)
    given = {part: _pictures(part, links) for part in parts}
    held = {part: _pictures(part, links) for part in _held_out(parts, against)}
    keys = [HeldOutKey(place, key, (links or {}).get(key, ())) for file in exclude for place, key in read_keys(file)]
    if not any(held.values()) and not keys:
        raise ValueError("nothing is held out: no dataset has a split beside train, and no keys are excluded")

    given_pictures, held_pictures = list(chain(*given.values())), list(chain(*held.values()))
    paths = list(dict.fromkeys(picture.path for picture in given_pictures + held_pictures))
    prints = fingerprints(paths, workers=workers, progress=progress)
    leaks = find_leaks(given_pictures, held_pictures, keys, prints, near=near, progress=progress)
    audit = {
        "near": {"bits": BITS, "at_most": near},
        "parts": [{"name": part.name, **_account(part, pictures, leaks)} for part, pictures in given.items()],
        "held_out": [_describe(part, pictures) for part, pictures in held.items()],
        "excluded_keys": dict(Counter(str(key.place).rpartition(":")[0] for key in keys)),
        "removed": [
            {"picture": str(picture), "records": picture.records, "rule": leak.rule, "met": leak.met, **leak.evidence}
            for picture in given_pictures
            if (leak := leaks.get(picture)) is not None
        ],
    }
    if len(leaks) == len(given_pictures):
        raise ValueError(f"nothing is left, all {len(leaks)} pictures are held out:\n{summary(audit)}")

    with writer:
        kept = {part: {picture.image for picture in given[part] if picture not in leaks} for part in parts}
        bar = tqdm(_mixed(kept, writer), desc="writing", unit="record", disable=not progress)
        writer.write_split(_TRAIN, bar)
        text = json.dumps(audit, indent=2, ensure_ascii=False) + "\n"
        (writer.aside / "audit.json").write_text(text, encoding="utf-8")
        rows = _table(given_pictures, held_pictures, leaks, prints)
        (writer.aside / "audit.tsv").write_text("".join(rows), encoding="utf-8")
    return audit


def _mixed_info(parts: Sequence[Part], infos: Sequence[DatasetInfo]) -> DatasetInfo:
    named = [(f"{info.name} ({part.split})", info) for part, info in zip(parts, infos, strict=True)]
    return DatasetInfo(
        name=f"Mix of {', '.join(name for name, _ in named)}",
        source="; ".join(f"{name}: {info.source}" for name, info in named),
        licence="; ".join(f"{name}: {info.licence}" for name, info in named),
        tasks=tuple(task for task in infos[0].tasks if all(task in info.tasks for info in infos)),
    )


def _held_out(parts: Iterable[Part], against: Iterable[Path]) -> list[Part]:
    """The splits that are held out, each once, those of the parts' folders first."""
    used = {(part.folder.resolve(), part.split) for part in parts}
    found: dict[tuple[Path, str], Part] = {}
    for part in parts:
        for split in splits(part.folder):
            if (part.folder.resolve(), split) not in used:
                found.setdefault((part.folder.resolve(), split), Part(part.folder, split))
    for folder in against:
        DatasetInfo.load(folder)
        if not set(splits(folder)) - {_TRAIN}:
            raise SchemaError(f"{folder} holds nothing out; its splits: {', '.join(splits(folder)) or 'none'}")
        for split in splits(folder):
            found.setdefault((folder.resolve(), split), Part(folder, split))
    return [part for (_, split), part in found.items() if split != _TRAIN]


def _pictures(part: Part, links: Links | None) -> list[Picture]:
    """The pictures of a split in their order.

    Raises:
        ValueError: one is Visual Genome's, and it is not known whether it is COCO's, too.
    """
    collection = collection_of(DatasetInfo.load(part.folder).name)
    pictures = []
    for image, count in Counter(record.image for record in part.records()).items():
        key = picture_key(image, collection)
        linked: tuple[str, ...] = ()
        if key is not None and key.startswith("vg:"):
            if links is None:
                raise ValueError(f"{part} has pictures of Visual Genome; its image_data.json (--vg-images) is needed")
            if key not in links:
                raise ValueError(f"{part} {image}: {key} is not in the image_data.json of --vg-images")
            linked = links[key]
        pictures.append(Picture(str(part), image, os.path.realpath(part.folder / image), count, key, linked))
    return pictures


def _describe(part: Part, pictures: Sequence[Picture]) -> dict[str, Any]:
    return {
        "split": str(part),
        "collections": sorted({picture.key.partition(":")[0] for picture in pictures if picture.key}),
        "without_key": sum(picture.key is None for picture in pictures),
        **_count(pictures),
    }


def _account(part: Part, pictures: Sequence[Picture], leaks: Mapping[Picture, Leak]) -> dict[str, Any]:
    removed = {rule: [p for p in pictures if p in leaks and leaks[p].rule == rule] for rule in RULES}
    return {
        **_describe(part, pictures),
        "removed": {rule: _count(those) for rule, those in removed.items()},
        "kept": _count([picture for picture in pictures if picture not in leaks]),
    }


def _count(pictures: Sequence[Picture]) -> dict[str, int]:
    return {"pictures": len(pictures), "records": sum(picture.records for picture in pictures)}


def _mixed(kept: Mapping[Part, set[str]], writer: DatasetWriter) -> Iterator[Record]:
    for part, images in kept.items():
        for record in part.records():
            if record.image in images:
                parents = PurePosixPath(record.image).parent.parts
                folder = "/".join((part.name, *parents[parents[:1] == ("images",) :]))
                name = writer.add_image(part.folder / record.image, folder)
                yield replace(record, id=f"{part.name}/{record.id}", image=name)


def _table(
    given: Iterable[Picture],
    held: Iterable[Picture],
    leaks: Mapping[Picture, Leak],
    prints: Mapping[str, Fingerprint],
) -> Iterator[str]:
    """Every picture with all it was compared by, as lines of tab-separated values."""
    yield "outcome\tsplit\tpicture\tkeys\tsha256\thash\n"
    outcomes = chain(
        ((picture, "removed" if picture in leaks else "kept") for picture in given),
        ((picture, "held out") for picture in held),
    )
    for picture, outcome in outcomes:
        keys = ",".join([picture.key, *picture.linked]) if picture.key else ""
        yield "\t".join((outcome, picture.split, picture.image, keys, *prints[picture.path])) + "\n"


def summary(audit: Mapping[str, Any]) -> str:
    """The counts of an audit, in words."""
    lines = [f"held out: {row['split']}: {row['pictures']} pictures" for row in audit["held_out"]]
    lines += [f"held out: {file}: {count} keys" for file, count in audit["excluded_keys"].items()]
    for row in audit["parts"]:
        removed = ", ".join(f"{row['removed'][rule]['pictures']} by {rule}" for rule in RULES)
        kept = row["kept"]
        lines.append(
            f"{row['name']}: kept {kept['pictures']} of {row['pictures']} pictures and {kept['records']} of "
            f"{row['records']} records; pictures removed: {removed}"
        )
    for row in audit["parts"] + audit["held_out"]:
        if row["without_key"]:
            lines.append(
                f"{row['split']}: {row['without_key']} pictures have no key, they are compared by content only"
            )
    return "\n".join(lines)
