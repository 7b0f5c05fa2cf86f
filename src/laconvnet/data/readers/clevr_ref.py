"""CLEVR-Ref+ (Liu et al. 2019): expressions for objects of drawn scenes, each with its program."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from laconvnet.data.folder.schema import DatasetInfo, Record
from laconvnet.data.readers.coco_format import clip_bbox, inner_path
from laconvnet.data.readers.conversion import Entry, Pictures, Skipped, Source, field_of, listed, require, text_of
from laconvnet.data.readers.streams import stream_objects
from laconvnet.processing.masks import Box, encode_mask, mask_box
from laconvnet.scenes.clevr import program_from_json

INFO = DatasetInfo(
    name="CLEVR-Ref+",
    source="Liu et al., CLEVR-Ref+: Diagnosing Visual Reasoning with Referring Expressions, CVPR 2019",
    licence="CC BY 4.0, as its generator writes into its files",
    tasks=("rec", "res"),
)

_LAYOUT = """expected layout:
  refexps/clevr_ref+_{train,val}_refexps.json, scenes/clevr_ref+_{train,val}_scenes.json    (at least one of each)
  images/{train,val}/<name>.png    (or name the folder that has them)
or, for CLEVR-Ref+-CoGenT, clevr_ref+_cogent_{trainA,valA,valB}_... with the pictures in images/{trainA,valA,valB}/,
or, for scenes drawn in CLEVR's manner, clevr/CLEVR_<split>_{refexps,scenes}.json and images/<name>.png"""

_ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "nineth")
"""As CLEVR-Ref+ writes them."""


def open_clevr_ref(folder: Path, pictures: Path | None = None) -> Source:
    """Find CLEVR-Ref+ 1.0 or CLEVR-Ref+-CoGenT in its official layout.

    One record per expression: `boxes` and `masks` are those of its targets, which stand as `_output` of its program's
    last node; `group` is its family, the template it was made from, such as "one_hop"; `program` its program in the
    language of `laconvnet.scenes`, where that can say it; `id` is "<split>_<number of the expression>".

    A scene's object i has its box [x, y, width, height] as `obj_bbox["<i + 1>"]`, and as `obj_mask["<i + 1>"]` its
    mask: the lengths of its runs row by row, outside first, with commas between. Boxes are of the whole object, masks
    of what is seen of it. An object may also carry its own `bbox` and `mask`; one without a box has that of its mask.

    The expressions are read one by one; the masks of a file of scenes stay in memory as its text.

    These fields were taken from the published generator and from programs that read the release, not from the release
    itself; of CLEVR-Ref+-CoGenT only the names of the files of scenes and of the folders of pictures were seen in use.

    Args:
        folder: the unpacked archive.
        pictures: the folder that holds the pictures or a folder of them for each split, if not images/.

    Raises:
        FileNotFoundError: something is missing; names it and the expected layout.
    """
    found = sorted([*folder.glob("refexps/*_refexps.json"), *folder.glob("clevr/*_refexps.json")])
    if not found:
        require(folder, _LAYOUT, ("refexps/clevr_ref+_train_refexps.json", "clevr/CLEVR_train_refexps.json"))
    root = pictures or require(folder, _LAYOUT, ("images",))[0]
    splits = {}
    for path in found:
        name = path.name.removesuffix("_refexps.json")
        split = name.removeprefix("CLEVR_").removeprefix("clevr_ref+_").removeprefix("cogent_")
        scenes = f"{'scenes' if path.parent.name == 'refexps' else 'clevr'}/{name}_scenes.json"
        place = root / split if (root / split).is_dir() else root
        splits[split] = partial(_expressions, path, require(folder, _LAYOUT, (scenes,))[0], place, split)
    return Source(folder, INFO, splits, unit="expressions", folder_per_split=True, pictures=pictures)


def _expressions(path: Path, scenes: Path, place: Path, split: str, skipped: Skipped) -> Iterator[Entry]:
    drawn = _Scenes(scenes)
    pictures = Pictures([place])
    for number, row in enumerate(stream_objects(path, "refexps")):
        where = f"{path}: refexps[{number}]"
        name = inner_path(field_of(row, "image_filename", where), where)
        picture, size = pictures.find((name,), where)
        nodes = listed(row, "program", where)
        targets = [drawn.target(name, index, *size, where) for index in _targets(nodes, where)]
        boxes = tuple(box for box, _ in targets if box is not None)
        masks = tuple(mask for _, mask in targets if mask is not None)
        if len(boxes) < len(targets):
            skipped["with a target without area in the picture"] += 1
            continue
        template = row.get("template_filename")
        record = Record(
            f"{split}_{number}",
            picture.name,
            *size,
            text_of(row, "refexp", where),
            boxes=boxes,
            masks=masks if len(masks) == len(boxes) else None,
            group=row.get("group") or (template and Path(str(template)).stem),
            program=_program(nodes),
        )
        yield Entry(picture, record)


def _targets(nodes: list[dict[str, Any]], where: str) -> list[int]:
    """The objects that an expression means, in the order of the scene."""
    output = field_of(nodes[-1] if nodes else {}, "_output", f"{where}: the last node of its program")
    objects = output if isinstance(output, list) else [output]
    if not all(type(index) is int and index >= 0 for index in objects):
        raise ValueError(f"{where}: the last node's _output must be the numbers of its targets, got {output!r}")
    return sorted(set(objects))


class _Scenes:
    """Boxes and masks of all scenes of a file, as it has them."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._objects: dict[str, list[dict[str, Any]]] = {}
        for number, scene in enumerate(stream_objects(path, "scenes")):
            where = f"{path}: scenes[{number}]"
            name = field_of(scene, "image_filename", where)
            if name in self._objects:
                raise ValueError(f"{where} is drawn as {name!r}, as one before it is")
            self._objects[name] = [
                {key: item.get(key, _numbered(scene, f"obj_{key}", index)) for key in ("bbox", "mask")}
                for index, item in enumerate(listed(scene, "objects", where))
            ]

    def target(
        self, name: str, index: int, width: int, height: int, where: str
    ) -> tuple[Box | None, dict[str, Any] | None]:
        """Box, None if without area, and encoded mask, None if there is none, of an object of a scene."""
        if name not in self._objects:
            raise ValueError(f"{where}: the scene of {name!r} is not in {self.path}")
        objects = self._objects[name]
        if index >= len(objects):
            raise ValueError(f"{where}: object {index} is meant, and the scene of {name!r} has {len(objects)}")
        of_object = f"{self.path}: scene of {name!r}: object {index}"
        bbox, runs = objects[index]["bbox"], objects[index]["mask"]
        if bbox is None and runs is None:
            raise ValueError(f"{of_object} has neither a box (obj_bbox) nor a mask (obj_mask)")
        if not isinstance(runs, str | None):
            raise ValueError(
                f"{of_object}: a mask must be text, numbers with commas between, got {type(runs).__name__}"
            )
        extent, mask = (None, None) if runs is None else _read_mask(runs, width, height, of_object)
        return extent if bbox is None else clip_bbox(bbox, width, height, of_object), mask


def _numbered(scene: Mapping[str, Any], key: str, index: int) -> Any:
    by_number = scene.get(key)
    return by_number.get(str(index + 1)) if isinstance(by_number, dict) else None


@lru_cache(maxsize=64)
def _read_mask(runs: str, width: int, height: int, where: str) -> tuple[Box | None, dict[str, Any]]:
    """The box around a mask, None if it is empty, and its encoding."""
    try:
        lengths = [int(length) for length in runs.split(",")]
    except ValueError:
        raise ValueError(f"{where}: a mask must be numbers with commas between, got {runs[:60]!r}") from None
    if min(lengths) < 0 or sum(lengths) != width * height:
        raise ValueError(
            f"{where}: the runs of its mask must be 0 or more and sum to {width} x {height} = {width * height}, the "
            f"pixels of its picture; the shortest is {min(lengths)}, the sum {sum(lengths)}"
        )
    mask = np.repeat(np.arange(len(lengths)) % 2 == 1, lengths).reshape(height, width)
    return mask_box(mask), encode_mask(mask)


def _program(nodes: list[dict[str, Any]]) -> str | None:
    """A program in our language; None if it cannot be said there."""
    try:
        named = [
            {
                "function": node["function"] if "function" in node else node["type"],
                "inputs": node["inputs"],
                "value_inputs": _value(node.get("value_inputs", ())),
            }
            for node in nodes
        ]
        return str(program_from_json(named))
    except (KeyError, IndexError, TypeError, ValueError):
        return None


def _value(inputs: list[str]) -> list[str]:
    """ "fully visible" is "fully" in our language, and "the second one of the", "from left" is "left 2"."""
    words = " ".join(inputs).split()
    if "visible" in words:
        return words[:1]
    ordinal = next((word for word in words if word in _ORDINALS), None)
    return inputs if ordinal is None else [f"{words[-1]} {_ORDINALS.index(ordinal) + 1}"]
