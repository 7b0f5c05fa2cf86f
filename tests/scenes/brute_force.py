"""A second opinion on answers and targets: CLEVR's functions read off the exported JSON, object by object.

It knows nothing of the package: a scene is a mapping as in `CLEVR_scenes.json`, a program a list of nodes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

FIELDS = ("size", "color", "material", "shape")
SIDES = ("left", "right", "front", "behind")


def reach(scene: Mapping[str, Any], index: int, side: str) -> float:
    """How far an object lies towards a side, measured from the origin."""
    point, axis = scene["objects"][index]["3d_coords"], scene["directions"][side]
    return point[0] * axis[0] + point[1] * axis[1] + point[2] * axis[2]


def relationships(scene: Mapping[str, Any]) -> dict[str, list[list[int]]]:
    """CLEVR's relations from coordinates and directions alone: what lies more than 0.2 further towards a side."""
    everything = range(len(scene["objects"]))
    return {
        side: [[j for j in everything if reach(scene, j, side) - reach(scene, i, side) > 0.2] for i in everything]
        for side in SIDES
    }


def evaluate(scene: Mapping[str, Any], program: Sequence[Mapping[str, Any]]) -> Any:
    """What a list of nodes gives: a set of indices, an index, an integer, a boolean or a value."""
    used = [where for node in program for where in node["inputs"]]
    assert sorted(used) == list(range(len(program) - 1)), f"each node but the last is used once, not {used}"
    return results(scene, program)[-1]


def results(scene: Mapping[str, Any], program: Sequence[Mapping[str, Any]]) -> list[Any]:
    """What every node gives."""
    given: list[Any] = []
    for node in program:
        taken = [given[where] for where in node["inputs"]]
        given.append(_apply(scene, node["function"], taken, list(node["value_inputs"])))
    return given


def asked_about(scene: Mapping[str, Any], program: Sequence[Mapping[str, Any]]) -> set[int]:
    """The objects that a question counts or whose values it reads."""
    given, found = results(scene, program), set()
    for node in program:
        if node["function"] in ("count", "exist") or node["function"].startswith("query_"):
            objects = given[node["inputs"][0]]
            found |= {objects} if isinstance(objects, int) else objects
    return found


def answer(scene: Mapping[str, Any], program: Sequence[Mapping[str, Any]]) -> str:
    """The word that answers a question."""
    return spoken(evaluate(scene, program))


def spoken(result: Any) -> str:
    """CLEVR's word for a boolean, an integer or a value."""
    assert isinstance(result, bool | int | str), f"no word answers {result!r}"
    return {True: "yes", False: "no"}[result] if isinstance(result, bool) else str(result)


def _apply(scene: Mapping[str, Any], function: str, taken: list[Any], values: list[str]) -> Any:
    objects = scene["objects"]
    verb, _, field = function.partition("_")
    match verb, field, taken, values:
        case "scene", "", [], []:
            return {i for i in range(len(objects))}
        case "filter", "visible", [set() as some], [share]:
            return {i for i in some if _is_visible(scene["visible"][i], share)}
        case "filter", "ordinal", [set() as some], [place]:
            side, number = place.split(" ")
            return {i for i in some if _rank(scene, i, some, side) == int(number)}
        case "filter", _, [set() as some], [value] if field in FIELDS:
            return {i for i in some if objects[i][field] == value}
        case "unique", "", [set() as some], []:
            assert len(some) == 1, f"unique was given {sorted(some)}"
            return min(some)
        case "relate", "", [int() as one], [side]:
            return {j for j in range(len(objects)) if j in scene["relationships"][side][one]}
        case "same", _, [int() as one], [] if field in FIELDS:
            return {j for j in range(len(objects)) if j != one and objects[j][field] == objects[one][field]}
        case "intersect", "", [set() as a, set() as b], []:
            return {i for i in range(len(objects)) if i in a and i in b}
        case "union", "", [set() as a, set() as b], []:
            return {i for i in range(len(objects)) if i in a or i in b}
        case "count", "", [set() as some], []:
            return sum(1 for _ in some)
        case "exist", "", [set() as some], []:
            return any(True for _ in some)
        case "query", _, [int() as one], [] if field in FIELDS:
            return objects[one][field]
        case "equal", "integer", [int() as a, int() as b], []:
            return a == b
        case "equal", _, [str() as a, str() as b], [] if field in FIELDS:
            return a == b
        case "less", "than", [int() as a, int() as b], []:
            return a < b
        case "greater", "than", [int() as a, int() as b], []:
            return a > b
    raise AssertionError(f"{function} does not take {taken} and {values}")


def _rank(scene: Mapping[str, Any], one: int, some: set[int], side: str) -> int:
    """The place of an object among some, counted from a side: one more than there are objects beyond it."""
    return 1 + sum(1 for other in some if reach(scene, other, side) > reach(scene, one, side))


def _is_visible(share: float, word: str) -> bool:
    return {"partially": share < 0.9, "fully": share >= 0.98}[word]
