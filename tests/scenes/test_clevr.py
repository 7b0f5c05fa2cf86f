"""CLEVR's JSON layout: keys, hand-computed numbers, and 1,250 genuine questions that are answered alike."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import brute_force
import numpy as np
import pytest

from laconvnet.scenes.clevr import (
    program_from_json,
    program_json,
    questions_json,
    refexps_json,
    scenes_json,
    seen_json,
)
from laconvnet.scenes.expressions import KINDS, refer
from laconvnet.scenes.programs import ProgramError, answer, parse_program
from laconvnet.scenes.questions import FAMILIES, ask
from laconvnet.scenes.scene import DIRECTIONS, Scene, SceneObject
from laconvnet.scenes.sentence import Sentence
from laconvnet.scenes.world import EYE, World

LAMPS = ((4.0, -4.0, 6.0), (-5.0, -3.0, 5.0), (2.0, 5.0, 6.0))

# The camera stands 10 from the origin, straight in front: right is +x, behind is +y, and the axes are 3-4-5.
SCENE = Scene(
    objects=(
        SceneObject("sphere", "large", "red", "metal", 0.0, 0.0, 30.0),
        SceneObject("cube", "small", "blue", "rubber", 2.0, 0.1, 0.0),
        SceneObject("slab", "large", "gray", "rubber", -0.1, 2.0, 90.0),
    ),
    eye=(0.0, -6.0, 8.0),
    lamps=LAMPS,
    visible=(1.0, 0.95, 0.5),
    clutter=(SceneObject("cube", "tiny", "green", "rubber", 1.0, 1.0, 0.0),),
)
SPLITS = ("train", "val", "test")
Sample = dict[str, tuple[list[dict[str, Any]], list[dict[str, Any]]]]  # the scenes and the questions of each split


def exported(scene: Scene, **sizes: int) -> dict[str, Any]:
    sizes = {"width": 480, "height": 320} | sizes
    return scenes_json([scene], "val", image_names=["a.png"], **sizes)["scenes"][0]


def said(text: str, program: str, group: str, answer: str | None, targets: tuple[int, ...]) -> Sentence:
    return Sentence(text, parse_program(program), group, answer, targets, 0)


QUESTION = said("How many?", "count(scene)", "count", "3", (0, 1, 2))
ASKED_COLOR = said("What color?", "query_color(unique(filter_shape[cube](scene)))", "query_attribute", "blue", (1,))
EXPRESSION = said("the blue one", "filter_color[blue](scene)", "attribute", None, (1,))
FULLY = said("fully visible ones", "filter_visible[fully](scene)", "visibility", None, (0,))


def test_objects_are_where_the_camera_sees_them() -> None:
    sphere, cube, slab = exported(SCENE)["objects"]
    assert sphere["3d_coords"] == [0.0, 0.0, 0.7]
    assert cube["3d_coords"] == [2.0, 0.1, 0.35]
    assert slab["3d_coords"] == pytest.approx([-0.1, 2.0, 0.28])  # 0.4 times as high as a cube
    # The focal length is 35 / 32 · 480 = 525 pixels; forward is (0, 0.6, -0.8), up is (0, 0.8, 0.6).
    column, row, depth = sphere["pixel_coords"]
    assert (column, row) == (240, 137)  # 160 - 525 · (0.8 · 6 - 0.6 · 7.3) / 9.44 = 136.6
    assert depth == pytest.approx(0.6 * 6 + 0.8 * 7.3)
    column, row, depth = cube["pixel_coords"]
    assert (column, row) == (347, 144)  # 240 + 525 · 2 / 9.78 and 160 - 525 · (0.8 · 6.1 - 0.6 · 7.65) / 9.78
    assert depth == pytest.approx(0.6 * 6.1 + 0.8 * 7.65)


def test_an_object_around_the_origin_is_seen_in_the_middle() -> None:
    high = Scene(SCENE.objects[:1], eye=(0.0, -6e6, 8e6), lamps=LAMPS)  # so far away that its height is nothing
    column, row, depth = exported(high, width=300, height=200)["objects"][0]["pixel_coords"]
    assert (column, row) == (150, 100)
    assert depth == pytest.approx(1e7)


def test_relationships_are_those_computed_by_hand() -> None:
    # The cube's y and the slab's x are within 0.2 of the sphere's: neither behind nor left of it.
    assert exported(SCENE)["relationships"] == {
        "right": [[1], [], [1]],
        "left": [[], [0, 2], []],
        "behind": [[2], [2], []],
        "front": [[], [], [0, 1]],
    }


def test_directions_are_unit_vectors_of_the_camera() -> None:
    assert exported(SCENE)["directions"] == {
        "right": [1, 0, 0],
        "left": [-1, 0, 0],
        "behind": [0, 1, 0],
        "front": [0, -1, 0],
        "above": [0, 0, 1],
        "below": [0, 0, -1],
    }


def test_clutter_is_left_out_and_visibility_is_given_where_it_is_known() -> None:
    scene = exported(SCENE)
    assert len(scene["objects"]) == 3
    assert scene["visible"] == [1.0, 0.95, 0.5]
    unknown = Scene((), SCENE.eye, LAMPS)
    assert exported(unknown)["objects"] == []
    assert "visible" not in exported(unknown)


def test_a_program_is_written_in_post_order() -> None:
    text = "greater_than(count(relate[left](unique(filter_ordinal[front 2](scene)))), count(scene))"
    nodes = program_json(parse_program(text))
    assert nodes == [
        {"function": "scene", "inputs": [], "value_inputs": []},
        {"function": "filter_ordinal", "inputs": [0], "value_inputs": ["front 2"]},
        {"function": "unique", "inputs": [1], "value_inputs": []},
        {"function": "relate", "inputs": [2], "value_inputs": ["left"]},
        {"function": "count", "inputs": [3], "value_inputs": []},
        {"function": "scene", "inputs": [], "value_inputs": []},
        {"function": "count", "inputs": [5], "value_inputs": []},
        {"function": "greater_than", "inputs": [4, 6], "value_inputs": []},
    ]
    assert str(program_from_json(nodes)) == text


def test_a_node_outside_the_language_is_refused() -> None:
    with pytest.raises(ProgramError, match="'filter_weight'"):
        program_from_json([{"function": "filter_weight", "inputs": [], "value_inputs": ["heavy"]}])


def test_questions_and_expressions_are_told_apart_and_numbered() -> None:
    sentences = [[QUESTION, EXPRESSION], [], [FULLY, ASKED_COLOR]]
    names = ["a.png", "b.png", "c.png"]
    questions = questions_json(sentences, "val", image_names=names)["questions"]
    assert [item["question"] for item in questions] == ["How many?", "What color?"]
    assert [item["answer"] for item in questions] == ["3", "blue"]
    assert [item["question_index"] for item in questions] == [0, 1]
    assert [FAMILIES[item["question_family_index"]] for item in questions] == ["count", "query_attribute"]
    assert [item["group"] for item in questions] == ["count", "query_attribute"]
    refexps = refexps_json(sentences, "val", image_names=names)["refexps"]
    assert [item["refexp"] for item in refexps] == ["the blue one", "fully visible ones"]
    assert [item["program"][-1]["_output"] for item in refexps] == [[1], [0]]
    assert [item["refexp_index"] for item in refexps] == [0, 1]
    assert [KINDS[item["refexp_family_index"]] for item in refexps] == ["attribute", "visibility"]
    for items in (questions, refexps):
        assert [(item["image_index"], item["image_filename"]) for item in items] == [(0, "a.png"), (2, "c.png")]
        assert {item["split"] for item in items} == {"val"}


def test_what_is_written_is_plain_json() -> None:
    rng = np.random.default_rng(0)
    scene = World(objects=(4, 6), clutter=3).scene(rng)
    sentences = [[ask(scene, rng), refer(scene, rng)]]
    for data in (
        scenes_json([scene], "val", image_names=["a.png"], width=224, height=224),
        questions_json(sentences, "val", image_names=["a.png"]),
        refexps_json(sentences, "val", image_names=["a.png"]),
    ):
        assert json.loads(json.dumps(data, allow_nan=False)) == data
        assert data["info"] == {"split": "val", "version": "1.0", "license": "CC0-1.0"}


def test_masks_and_boxes_are_those_of_clevr_ref() -> None:
    instances = np.array([[0, 0, -1, 3], [-1, 0, 2, 2], [-1, -1, -1, 2]], np.int16)  # 3 is clutter, 1 is not seen
    seen = seen_json(instances, 3)
    assert seen["obj_mask"] == {"1": "0,2,3,1,6", "2": "12", "3": "6,2,3,1"}
    assert seen["obj_bbox"] == {"1": [0, 0, 2, 2], "2": [0, 0, 0, 0], "3": [2, 1, 2, 2]}
    assert json.loads(json.dumps(seen)) == seen
    sizes = {"width": 4, "height": 3}
    scene = scenes_json([SCENE], "val", image_names=["a.png"], seen=[seen], **sizes)["scenes"][0]
    assert scene == exported(SCENE, **sizes) | seen and "obj_mask" not in exported(SCENE)


def test_each_scene_needs_a_picture() -> None:
    with pytest.raises(ValueError, match="image_names must have one entry for each of 1 scenes, got 2"):
        scenes_json([SCENE], "val", image_names=["a.png", "b.png"], width=480, height=320)
    with pytest.raises(ValueError, match="seen must have one entry for each of 1 scenes, got 0"):
        scenes_json([SCENE], "val", image_names=["a.png"], width=480, height=320, seen=[])
    for write in (questions_json, refexps_json):
        with pytest.raises(ValueError, match="each of 2 scenes with sentences, got 0"):
            write([[], []], "val", image_names=[])


@pytest.mark.parametrize(
    ("program", "expected"),
    [
        ("scene", {0, 1, 2}),
        ("filter_ordinal[left 1](scene)", {2}),
        ("filter_ordinal[front 2](scene)", {1}),
        ("filter_ordinal[behind 3](filter_size[large](scene))", set()),
        ("filter_visible[partially](scene)", {2}),
        ("filter_visible[fully](scene)", {0}),
        ("unique(filter_shape[cube](scene))", 1),
        ("same_material(unique(filter_shape[cube](scene)))", {2}),
        ("intersect(filter_size[large](scene), filter_material[rubber](scene))", {2}),
        ("union(filter_size[large](scene), filter_material[rubber](scene))", {0, 1, 2}),
        ("count(relate[right](unique(filter_color[gray](scene))))", 1),
        ("less_than(count(filter_size[small](scene)), count(scene))", True),
    ],
)
def test_the_second_opinion_is_that_of_a_reader(program: str, expected: object) -> None:
    assert brute_force.evaluate(exported(SCENE), program_json(parse_program(program))) == expected


def test_the_second_opinion_refuses_what_is_not_unique() -> None:
    with pytest.raises(AssertionError, match=r"unique was given \[0, 2\]"):
        brute_force.evaluate(exported(SCENE), program_json(parse_program("unique(filter_size[large](scene))")))


@pytest.fixture(scope="module")
def sample(real_data: Callable[[str], Path]) -> Sample:
    """The scenes and the questions of every split of a set that CLEVR's own generator made."""
    folder = real_data("clevr_sample")

    def read(split: str, what: str) -> list[dict[str, Any]]:
        return json.loads((folder / split / f"CLEVR_{what}.json").read_text())[what]

    return {split: (read(split, "scenes"), read(split, "questions")) for split in SPLITS}


def test_the_layout_is_that_of_genuine_files(sample: Sample) -> None:
    scenes, questions = sample["val"]
    scene = exported(SCENE)
    assert scene.keys() - {"visible"} == scenes[0].keys()
    for key in ("relationships", "directions"):
        assert scene[key].keys() == scenes[0][key].keys()
    assert scene["objects"][0].keys() == scenes[0]["objects"][0].keys()
    for key, value in scenes[0]["objects"][0].items():
        assert type(scene["objects"][0][key]) is type(value), key
    assert [type(x) for x in scene["objects"][0]["pixel_coords"]] == [int, int, float]
    question = questions_json([[QUESTION]], "val", image_names=["a.png"])["questions"][0]
    # "image" and "template_filename" are what the generator leaves and CLEVR v1.0 has not.
    assert question.keys() - {"group"} == questions[0].keys() - {"image", "template_filename"}
    for node in question["program"]:
        assert node.keys() == questions[0]["program"][0].keys() - {"_output"}


def test_genuine_questions_are_answered_alike(sample: Sample) -> None:
    count = 0
    for scenes, questions in sample.values():
        for question in questions:
            scene = scenes[question["image_index"]]
            assert scene["image_filename"] == question["image_filename"]
            assert brute_force.answer(scene, question["program"]) == brute_force.spoken(question["answer"]), question
            count += 1
    assert count == 1250


def test_genuine_relationships_are_those_of_our_geometry(sample: Sample) -> None:
    for scenes, _ in sample.values():
        for genuine in scenes:
            assert brute_force.relationships(genuine) == genuine["relationships"]
            ours = read(genuine)
            for side in DIRECTIONS:
                assert [*ours.direction(side), 0.0] == pytest.approx(genuine["directions"][side], abs=1e-6)
                related = [list(ours.related(start, side)) for start in range(len(ours.objects))]
                assert related == genuine["relationships"][side]


def test_genuine_objects_appear_where_our_camera_sees_them(sample: Sample) -> None:
    away = []
    for scenes, _ in sample.values():
        for genuine in scenes:
            ours = exported(dataclasses.replace(read(genuine), eye=EYE), width=224, height=224)
            for mine, theirs in zip(ours["objects"], genuine["objects"], strict=True):
                assert mine["3d_coords"] == pytest.approx(theirs["3d_coords"], abs=1e-6)
                away.append(np.subtract(mine["pixel_coords"], theirs["pixel_coords"]))
    # Each of these scenes was taken by a camera jittered about EYE, which the files do not tell.
    assert (np.abs(np.mean(away, axis=0)) < [0.5, 0.5, 0.1]).all()
    assert (np.max(np.abs(away), axis=0) < [8, 8, 1]).all()


def test_genuine_questions_run_as_our_programs(sample: Sample) -> None:
    for scenes, questions in sample.values():
        ours = [read(scene) for scene in scenes]
        for question in questions:
            program = program_from_json(question["program"])
            assert answer(program, ours[question["image_index"]]) == brute_force.spoken(question["answer"]), question


def read(genuine: dict[str, Any]) -> Scene:
    """A scene of CLEVR as one of ours; its camera is known by its direction alone."""
    objects = [
        SceneObject(
            *(item[key] for key in ("shape", "size", "color", "material")), *item["3d_coords"][:2], item["rotation"]
        )
        for item in genuine["objects"]
    ]
    x, y, _ = genuine["directions"]["front"]
    return Scene(tuple(objects), (10 * x, 10 * y, 5.0), LAMPS)
