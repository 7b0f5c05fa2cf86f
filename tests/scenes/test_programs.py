"""The language: hand-computed answers, types, and its text form."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st
from random_scenes import hand_made_scene

from laconvnet.scenes.programs import (
    ALL_VALUES,
    NotUniqueError,
    Program,
    ProgramError,
    answer,
    count_hops,
    execute,
    parse_program,
    walk,
)
from laconvnet.scenes.scene import ATTRIBUTES, DIRECTIONS

SCENE = hand_made_scene()
FIRST = "unique(filter_material[metal](filter_color[red](scene)))"  # object 0
GREEN = "unique(filter_color[green](scene))"  # object 3


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("scene", (0, 1, 2, 3, 4)),
        ("filter_size[large](scene)", (0, 3)),
        ("filter_color[red](scene)", (0, 1)),
        ("filter_material[rubber](scene)", (1, 3, 4)),
        ("filter_shape[cube](scene)", (0, 2)),
        ("filter_shape[capsule](scene)", ()),
        ("filter_size[small](filter_shape[cube](scene))", (2,)),
        (FIRST, 0),
        (f"relate[left]({GREEN})", (0, 1, 2)),
        (f"relate[right]({GREEN})", (4,)),
        (f"relate[behind]({FIRST})", (1, 3)),
        (f"relate[front]({FIRST})", (2, 4)),
        (f"same_size({FIRST})", (3,)),
        (f"same_color({FIRST})", (1,)),
        (f"same_material({FIRST})", (2,)),
        (f"same_shape({GREEN})", ()),
        ("intersect(filter_size[small](scene), filter_color[blue](scene))", (2, 4)),
        ("union(filter_shape[cube](scene), filter_color[red](scene))", (0, 1, 2)),
        ("count(filter_size[small](scene))", 3),
        ("exist(filter_color[cyan](scene))", False),
        (f"query_size({FIRST})", "large"),
        (f"query_color({GREEN})", "green"),
        (f"query_material({GREEN})", "rubber"),
        (f"query_shape({GREEN})", "cylinder"),
        (f"equal_size(query_size({FIRST}), query_size({GREEN}))", True),
        (f"equal_color(query_color({FIRST}), query_color({GREEN}))", False),
        (f"equal_material(query_material({FIRST}), query_material({GREEN}))", False),
        (f"equal_shape(query_shape({FIRST}), query_shape({FIRST}))", True),
        ("equal_integer(count(filter_color[red](scene)), count(filter_shape[cube](scene)))", True),
        ("less_than(count(filter_color[red](scene)), count(filter_shape[cube](scene)))", False),
        ("less_than(count(filter_color[green](scene)), count(filter_shape[cube](scene)))", True),
        ("greater_than(count(scene), count(filter_shape[cube](scene)))", True),
        ("filter_ordinal[left 1](scene)", (0,)),
        ("filter_ordinal[right 2](scene)", (3,)),
        ("filter_ordinal[front 1](scene)", (4,)),
        ("filter_ordinal[behind 2](filter_size[small](scene))", (2,)),
        ("filter_ordinal[left 3](filter_shape[cube](scene))", ()),
        ("filter_visible[partially](scene)", (1, 4)),
        ("filter_visible[fully](scene)", (0, 3)),
    ],
)
def test_hand_computed(text: str, expected: object) -> None:
    result = execute(parse_program(text), SCENE)
    assert result == expected
    assert type(result) is type(expected)


def test_a_chain_of_three_hops() -> None:
    # In front of 0 the cube is 2, right of it the large one is 3, and left of that the sphere is 1.
    second = f"unique(filter_shape[cube](relate[front]({FIRST})))"
    third = f"unique(filter_shape[sphere](relate[left](unique(filter_size[large](relate[right]({second}))))))"
    assert execute(parse_program(third), SCENE) == 1
    program = parse_program(f"query_color({third})")
    assert answer(program, SCENE) == "red"
    assert count_hops(program) == 3


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("count(filter_size[small](scene))", "3"),
        ("exist(scene)", "yes"),
        ("exist(filter_color[pink](scene))", "no"),
        (f"query_material({FIRST})", "metal"),
    ],
)
def test_answers_are_words(text: str, expected: str) -> None:
    assert answer(parse_program(text), SCENE) == expected


@pytest.mark.parametrize("text", ["scene", FIRST])
def test_objects_are_no_answer(text: str) -> None:
    with pytest.raises(ProgramError, match="gives object"):
        answer(parse_program(text), SCENE)


@pytest.mark.parametrize(("text", "found"), [("filter_color[pink](scene)", 0), ("filter_color[red](scene)", 2)])
def test_unique_takes_exactly_one(text: str, found: int) -> None:
    with pytest.raises(NotUniqueError, match=rf"needs exactly one object, and this scene has {found}") as caught:
        execute(parse_program(f"query_size(unique({text}))"), SCENE)
    assert caught.value.found == found


def test_visibility_must_be_known() -> None:
    with pytest.raises(ValueError, match=r"Scene\.visible with one share for each of 5 objects, got 0"):
        execute(parse_program("filter_visible[fully](scene)"), dataclasses.replace(SCENE, visible=()))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("query_size(scene)", r"query_size takes \(object\), got \(objects\)"),
        ("count", r"count takes \(objects\), got \(\)"),
        (f"union(scene, {FIRST})", r"union takes \(objects, objects\), got \(objects, object\)"),
        (
            f"equal_size(query_size({FIRST}), query_color({FIRST}))",
            r"equal_size takes \(size, size\), got \(size, color\)",
        ),
        ("less_than(count(scene), exist(scene))", r"takes \(integer, integer\), got \(integer, boolean\)"),
        ("filter_color[cube](scene)", r"filter_color takes one of gray, .*, got 'cube'"),
        ("filter_size[tiny](scene)", r"filter_size takes one of large, small in brackets, got 'tiny'"),
        ("filter_color(scene)", r"filter_color takes one of gray, .*, got None"),
        (f"relate[above]({FIRST})", r"relate takes one of left, right, behind, front in brackets, got 'above'"),
        ("filter_ordinal[left 0](scene)", r"filter_ordinal takes one of left 1 \.\.\. front 10"),
        ("count[3](scene)", r"count takes no value in brackets, got '3'"),
        ("paint(scene)", r"unknown function 'paint'; allowed are scene, unique"),
        ("count(scene", r"a comma or closing bracket is needed at character 11"),
        ("count(scene))", r"a program ends at character 12 of .* got '\)' after it"),
        ("(scene)", r"a function's name is needed at character 0"),
        ("", r"a function's name is needed at character 0"),
    ],
)
def test_what_is_no_program_is_named(text: str, message: str) -> None:
    with pytest.raises(ProgramError, match=message):
        parse_program(text)


def test_a_program_is_checked_when_it_is_built() -> None:
    with pytest.raises(ProgramError, match="count takes"):
        Program("count", (Program("count", (Program("scene"),)),))


def _extend(objects: st.SearchStrategy[Program]) -> st.SearchStrategy[Program]:
    one = objects.map(lambda part: Program("unique", (part,)))
    filters = [
        st.builds(
            lambda part, value, name=name: Program(f"filter_{name}", (part,), value),
            objects,
            st.sampled_from(ALL_VALUES[name]),
        )
        for name in ATTRIBUTES
    ]
    return st.one_of(
        *filters,
        st.builds(lambda part, value: Program("relate", (part,), value), one, st.sampled_from(DIRECTIONS)),
        st.builds(lambda part, name: Program(f"same_{name}", (part,)), one, st.sampled_from(ATTRIBUTES)),
        st.builds(lambda a, b, name: Program(name, (a, b)), objects, objects, st.sampled_from(("intersect", "union"))),
        st.builds(
            lambda part, side, number: Program("filter_ordinal", (part,), f"{side} {number}"),
            objects,
            st.sampled_from(DIRECTIONS),
            st.integers(1, 10),
        ),
    )


PROGRAMS = st.recursive(st.just(Program("scene")), _extend, max_leaves=6)


@given(PROGRAMS)
def test_text_and_back(program: Program) -> None:
    assert parse_program(str(program)) == program
    assert parse_program(str(program).replace("(", " ( ").replace(",", " , ")) == program
    assert eval_sets(program) is None or execute(program, SCENE) == eval_sets(program)


def eval_sets(program: Program) -> tuple[int, ...] | None:
    """The executor once more, with Python's sets and the scene's own methods; None where `unique` fails."""

    def one(part: Program) -> int:
        found = objects(part.inputs[0])
        if len(found) != 1:
            raise LookupError
        return found.pop()

    def objects(part: Program) -> set[int]:
        name = part.function.partition("_")[2]
        if part.function == "scene":
            return set(range(5))
        if part.function in ("intersect", "union"):
            a, b = map(objects, part.inputs)
            return a & b if part.function == "intersect" else a | b
        if part.function == "relate":
            return set(SCENE.related(one(part.inputs[0]), str(part.value)))
        if part.function.startswith("same_"):
            index = one(part.inputs[0])
            value = getattr(SCENE.objects[index], name)
            return {i for i in range(5) if i != index and getattr(SCENE.objects[i], name) == value}
        found = objects(part.inputs[0])
        if name == "ordinal":
            side, number = str(part.value).split()
            ahead = {i: sum(i in SCENE.related(j, side) for j in found) for i in found}
            return {i for i in found if ahead[i] == len(found) - int(number)}
        return {i for i in found if getattr(SCENE.objects[i], name) == part.value}

    try:
        return tuple(sorted(objects(program)))
    except LookupError:
        return None


def test_walk_goes_from_the_outside_in() -> None:
    program = parse_program("union(filter_color[red](scene), scene)")
    assert [part.function for part in walk(program)] == ["union", "filter_color", "scene", "scene"]
