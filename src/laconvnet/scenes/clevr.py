"""Scenes and their sentences in the JSON layout of CLEVR v1.0, so that tools made for CLEVR read them.

Four things go beyond CLEVR: a scene whose visibility is known has the key `visible`, one whose pixels are known has
`obj_mask` and `obj_bbox`, as in CLEVR-Ref+; a question or expression has its family's or kind's name as `group`, and
programs may hold the functions `filter_visible` and `filter_ordinal`, written like any other filter with one value,
such as `"fully"` and `"left 2"`. Clutter and textures, which no sentence names, are left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch

from laconvnet.scenes.expressions import KINDS
from laconvnet.scenes.geometry import Bodies, Cameras
from laconvnet.scenes.programs import Program
from laconvnet.scenes.questions import FAMILIES
from laconvnet.scenes.scene import DIRECTIONS, Scene
from laconvnet.scenes.sentence import Sentence

VERSION: Final = "1.0"
"""The version of CLEVR whose layout is written."""

LICENSE: Final = "CC0-1.0"


def scenes_json(
    scenes: Sequence[Scene],
    split: str,
    *,
    image_names: Sequence[str],
    width: int,
    height: int,
    seen: Sequence[Mapping[str, Any]] | None = None,
) -> dict[str, Any]:
    """Returns what CLEVR writes into `CLEVR_<split>_scenes.json`.

    Args:
        scenes: the scenes, in the order of their indices.
        split: name of the split.
        image_names: the file name of each scene's picture.
        width: of the pictures, pixels.
        height: of the pictures, pixels.
        seen: what `seen_json` says of each scene, None to leave it out.

    Returns:
        A JSON-ready mapping with the keys `info` and `scenes`. `3d_coords` are those of an object's centre in world
        units; `pixel_coords` are its column and row, rounded to whole pixels from the upper left corner, and its
        depth along the camera's axis in world units; `relationships[direction][i]` are the objects that lie in that
        direction from object i.

    Raises:
        ValueError: if there is not one name, or not one entry of `seen`, for each scene.
    """
    _check_lengths("image_names", image_names, scenes, "scenes")
    if seen is None:
        seen = [{}] * len(scenes)
    _check_lengths("seen", seen, scenes, "scenes")
    return {
        "info": _info(split),
        "scenes": [
            {
                "image_index": index,
                "image_filename": name,
                "split": split,
                "objects": _objects(scene, width, height),
                "relationships": {
                    direction: [list(scene.related(start, direction)) for start in range(len(scene.objects))]
                    for direction in DIRECTIONS
                },
                "directions": {direction: [*scene.direction(direction), 0.0] for direction in DIRECTIONS}
                | {"above": [0.0, 0.0, 1.0], "below": [0.0, 0.0, -1.0]},
            }
            | ({"visible": list(scene.visible)} if scene.visible else {})
            | dict(pixels)
            for index, (scene, name, pixels) in enumerate(zip(scenes, image_names, seen, strict=True))
        ],
    }


def seen_json(instances: npt.NDArray[np.integer[Any]], objects: int) -> dict[str, dict[str, Any]]:
    """Returns where a scene's objects are seen, as CLEVR-Ref+ writes it into its scenes.

    Args:
        instances: (H, W), the number of the object that each pixel shows, from 0; others are passed over.
        objects: how many there are.

    Returns:
        `obj_mask`, by an object's number from 1 the lengths of its mask's runs row by row, outside first, with commas
        between; and `obj_bbox`, the box [x, y, width, height] around that mask in pixels, of no area for an object that
        is not seen. In CLEVR-Ref+ itself boxes are of whole objects, here of what is seen of them.
    """
    masks = {str(number + 1): instances == number for number in range(objects)}
    return {
        "obj_mask": {number: _row_runs(mask) for number, mask in masks.items()},
        "obj_bbox": {number: _extent(mask) for number, mask in masks.items()},
    }


def _row_runs(mask: npt.NDArray[np.bool_]) -> str:
    edges = np.flatnonzero(np.diff(mask.ravel().astype(np.int8), prepend=0, append=2))
    return ",".join(map(str, np.diff(edges, prepend=0)))


def _extent(mask: npt.NDArray[np.bool_]) -> list[int]:
    rows, columns = np.nonzero(mask)
    if not len(rows):
        return [0, 0, 0, 0]
    left, top = int(columns.min()), int(rows.min())
    return [left, top, int(columns.max()) + 1 - left, int(rows.max()) + 1 - top]


def questions_json(
    sentences: Sequence[Sequence[Sentence]], split: str, *, image_names: Sequence[str]
) -> dict[str, Any]:
    """Returns what CLEVR writes into `CLEVR_<split>_questions.json`.

    Args:
        sentences: the sentences about each scene, in the order of the scenes' indices; those that are no questions
            are passed over.
        split: name of the split.
        image_names: the file name of each scene's picture.

    Returns:
        A JSON-ready mapping with the keys `info` and `questions`. An answer is a string, as in CLEVR v1.0: `"yes"`,
        `"3"`, `"cube"`; `question_family_index` counts `questions.FAMILIES`.

    Raises:
        ValueError: if there is not one name for each scene.
    """
    questions: list[dict[str, Any]] = []
    for sentence, common in _with_places(sentences, split, image_names):
        if sentence.answer is not None:
            questions.append(
                {
                    "question_index": len(questions),
                    "question_family_index": FAMILIES.index(sentence.group),
                    **common,
                    "question": sentence.text,
                    "program": program_json(sentence.program),
                    "answer": sentence.answer,
                }
            )
    return {"info": _info(split), "questions": questions}


def refexps_json(sentences: Sequence[Sequence[Sentence]], split: str, *, image_names: Sequence[str]) -> dict[str, Any]:
    """Returns referring expressions in the layout of CLEVR-Ref+, which is that of CLEVR's questions.

    Args:
        sentences: the sentences about each scene, in the order of the scenes' indices; questions are passed over.
        split: name of the split.
        image_names: the file name of each scene's picture.

    Returns:
        A JSON-ready mapping with the keys `info` and `refexps`. The indices of an expression's targets stand where
        readers of CLEVR-Ref+ look for them, as `_output` of the program's last node; `refexp_family_index` counts
        `expressions.KINDS`.

    Raises:
        ValueError: if there is not one name for each scene.
    """
    refexps: list[dict[str, Any]] = []
    for sentence, common in _with_places(sentences, split, image_names):
        if sentence.answer is None:
            program = program_json(sentence.program)
            program[-1]["_output"] = list(sentence.targets)
            refexps.append(
                {
                    "refexp_index": len(refexps),
                    "refexp_family_index": KINDS.index(sentence.group),
                    **common,
                    "refexp": sentence.text,
                    "program": program,
                }
            )
    return {"info": _info(split), "refexps": refexps}


def program_json(program: Program) -> list[dict[str, Any]]:
    """Returns a program as CLEVR's list of nodes, each after its inputs, which it names by their place in the list."""
    nodes: list[dict[str, Any]] = []

    def add(part: Program) -> int:
        inputs = [add(each) for each in part.inputs]
        values = [] if part.value is None else [part.value]
        nodes.append({"function": part.function, "inputs": inputs, "value_inputs": values})
        return len(nodes) - 1

    add(program)
    return nodes


def program_from_json(nodes: Sequence[Mapping[str, Any]]) -> Program:
    """Returns the program of a list of nodes, such as a question of CLEVR v1.0 has.

    Raises:
        ProgramError: if a node is not of the language; see `Program`.
    """
    parts: list[Program] = []
    for node in nodes:
        inputs = tuple([parts[place] for place in node["inputs"]])
        parts.append(Program(node["function"], inputs, next(iter(node["value_inputs"]), None)))
    return parts[-1]


def _with_places(
    sentences: Sequence[Sequence[Sentence]], split: str, image_names: Sequence[str]
) -> Iterator[tuple[Sentence, dict[str, Any]]]:
    """Every sentence, with the fields that questions and expressions have in common."""
    _check_lengths("image_names", image_names, sentences, "scenes with sentences")
    for index, (said, name) in enumerate(zip(sentences, image_names, strict=True)):
        for sentence in said:
            yield (
                sentence,
                {"group": sentence.group, "image_index": index, "image_filename": name, "split": split},
            )


def _info(split: str) -> dict[str, str]:
    return {"split": split, "version": VERSION, "license": LICENSE}


def _objects(scene: Scene, width: int, height: int) -> list[dict[str, Any]]:
    if not scene.objects:
        return []
    bodies = Bodies.of([scene], device=torch.device("cpu"), dtype=torch.float64)
    cameras = Cameras.of([scene], width, height, device=torch.device("cpu"), dtype=torch.float64)
    centers = bodies.center.T.tolist()
    pixels = torch.cat(cameras.project(bodies.scene, bodies.center[:, :, None]), 1).tolist()
    # The clutter follows the objects among the bodies, and ends with the shorter list here.
    return [
        {
            "shape": item.shape,
            "size": item.size,
            "material": item.material,
            "color": item.color,
            "rotation": item.rotation,
            "3d_coords": center,
            "pixel_coords": [round(column), round(row), depth],
        }
        for item, center, (column, row, depth) in zip(scene.objects, centers, pixels, strict=False)
    ]


def _check_lengths(name: str, given: Sequence[object], rows: Sequence[object], what: str) -> None:
    if len(given) != len(rows):
        raise ValueError(f"{name} must have one entry for each of {len(rows)} {what}, got {len(given)}")
