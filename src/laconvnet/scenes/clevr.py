"""Scenes and their sentences in the JSON layout of CLEVR v1.0, so that tools made for CLEVR read them.

Three things go beyond CLEVR: a scene whose visibility is known has the key `visible`, a question or expression has its
family's or kind's name as `group`, and programs may hold the functions `filter_visible` and `filter_ordinal`, written
like any other filter with one value, such as `"fully"` and `"left 2"`. Clutter and textures, which no sentence names,
are left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

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
    scenes: Sequence[Scene], split: str, *, image_names: Sequence[str], width: int, height: int
) -> dict[str, Any]:
    """Returns what CLEVR writes into `CLEVR_<split>_scenes.json`.

    Args:
        scenes: the scenes, in the order of their indices.
        split: name of the split.
        image_names: the file name of each scene's picture.
        width: of the pictures, pixels.
        height: of the pictures, pixels.

    Returns:
        A JSON-ready mapping with the keys `info` and `scenes`. `3d_coords` are those of an object's centre in world
        units; `pixel_coords` are its column and row, rounded to whole pixels from the upper left corner, and its
        depth along the camera's axis in world units; `relationships[direction][i]` are the objects that lie in that
        direction from object i.

    Raises:
        ValueError: if there is not one name for each scene.
    """
    _check_lengths(image_names, scenes, "scenes")
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
            for index, (scene, name) in enumerate(zip(scenes, image_names, strict=True))
        ],
    }


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
        if sentence.targets is not None:
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
    _check_lengths(image_names, sentences, "scenes with sentences")
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


def _check_lengths(image_names: Sequence[str], rows: Sequence[object], what: str) -> None:
    if len(image_names) != len(rows):
        raise ValueError(f"image_names must have one name for each of {len(rows)} {what}, got {len(image_names)}")
