"""Groups of settings: checked, merged, and refused with file, dotted key and nearest name."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import Field, ValidationError, model_validator

from laconvnet.settings import (
    Section,
    Share,
    check,
    dotted,
    explain,
    merge,
    read_json,
    relocated,
    setting_names,
    subsection,
)


class Round(Section):
    kind: Literal["round"] = "round"
    radius: float = Field(1.0, gt=0)


class Flat(Section):
    kind: Literal["flat", "level"] = "flat"
    height: int = 1


class Wheel(Section):
    share: Share = 0.5
    path: Path | None = None


class Car(Section):
    name: str
    sizes: tuple[int, int, int] = (1, 2, 3)
    colors: tuple[str, ...] = Field(("red",), min_length=1)
    speed: float | Literal["auto"] = 3.0
    top: Annotated[Round | Flat, Field(discriminator="kind")] = Round()
    front: Wheel = Wheel()
    spare: Wheel | None = None
    wheels: tuple[Wheel, ...] = ()
    more: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _fits(self) -> Car:
        if self.name == "bicycle":
            raise ValueError("a bicycle is no car")
        return self

    @classmethod
    def open_sections(cls) -> dict[str, type[Section]]:
        return {"more": Wheel}


def test_plain_values_become_settings() -> None:
    car = check(
        Car,
        {
            "name": "a",
            "sizes": [4, 5, 6],
            "speed": "auto",
            "top": {"kind": "level", "height": 2},
            "front": {"share": 1, "path": "a/b"},
            "spare": None,
            "wheels": [{}, {"share": 0}],
        },
        "car.yaml",
    )
    assert car.sizes == (4, 5, 6) and car.speed == "auto" and car.top == Flat(kind="level", height=2)
    assert car.front == Wheel(share=1, path=Path("a/b")) and car.spare is None
    assert car.wheels == (Wheel(), Wheel(share=0))
    with pytest.raises(ValidationError, match="frozen"):
        car.name = "b"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"nam": "b"}, "unknown setting 'nam'; did you mean 'name'?"),
        ({"front": {"shares": 1}}, "unknown setting 'front.shares'; did you mean 'front.share'?"),
        ({"spare": {"shares": 1}}, "unknown setting 'spare.shares'; did you mean 'spare.share'?"),
        ({"wheels": [{}, {"shares": 1}]}, "unknown setting 'wheels[1].shares'; did you mean 'wheels[1].share'?"),
        ({"path": 1}, "unknown setting 'path'; did you mean 'front.path'?"),
        ({"radius": 1}, "unknown setting 'radius'; did you mean 'top.radius'?"),
        ({"front": {"zzz": 1}}, "unknown setting 'front.zzz'; known here: front.share, front.path"),
        ({"front": {"share": 1.5}}, "front.share is 1.5, allowed: less than or equal to 1"),
        ({"front": {"share": "x"}}, "front.share is 'x', allowed: a valid number"),
        ({"front": 3}, "front is 3, allowed: an object"),
        ({"sizes": [1, 2.5, 3]}, "sizes is 2.5, allowed: a valid integer"),
        ({"sizes": [1, 2]}, "sizes is [1, 2], allowed: more values"),
        ({"sizes": [1, 2, 3, 4]}, "sizes is [1, 2, 3, 4], allowed: at most 3 values"),
        ({"sizes": 5}, "sizes is 5, allowed: a valid array"),
        ({"sizes": [True, 1, 2]}, "sizes is True, allowed: a valid integer"),
        ({"colors": []}, "colors is [], allowed: at least 1 value"),
        ({"colors": [3]}, "colors is 3, allowed: a valid string"),
        ({"speed": "fast"}, "speed is 'fast', allowed: a valid number or 'auto'"),
        ({"speed": float("nan")}, "speed is nan, allowed: a finite number or 'auto'"),
        ({"front": {"share": float("nan")}}, "front.share is nan, allowed: a finite number"),
        ({"front": {"share": float("inf")}}, "front.share is inf, allowed: a finite number"),
        ({"top": {"kind": "film"}}, "top is {'kind': 'film'}, allowed: 'round', 'flat', 'level'"),
        ({"top": {"kind": "round", "height": 3}}, "unknown setting 'top.height'; it belongs to another kind"),
        ({"top": {"kind": "flat", "radius": 3}}, "unknown setting 'top.radius'; it belongs to another kind"),
        ({"top": {"kind": "flat", "heigth": 3}}, "unknown setting 'top.heigth'; did you mean 'top.height'?"),
        ({"top": {"kind": "round", "radius": 0}}, "top.radius is 0, allowed: greater than 0"),
        ({"top": 2}, "top is 2, allowed: an object"),
        ({"top": {"radius": 2}}, "top is {'radius': 2}, allowed: an object with 'kind'"),
        ({"name": 3}, "name is 3, allowed: a valid string"),
        ({"name": "bicycle"}, "a bicycle is no car"),
        ({"name": ...}, "the setting 'name' is missing and has no default"),
    ],
)
def test_a_wrong_setting_is_explained(values: dict[str, Any], message: str) -> None:
    given = {key: value for key, value in {"name": "a", **values}.items() if value is not ...}
    with pytest.raises(ValueError) as caught:
        check(Car, given, "runs/car.yaml")
    assert str(caught.value) == f"runs/car.yaml: {message}"


def test_every_mistake_has_its_line() -> None:
    with pytest.raises(ValueError) as caught:
        check(Car, {"name": "a", "front": {"share": 2, "shares": 1}, "sizes": []}, "car.yaml")
    lines = str(caught.value).splitlines()
    assert len(lines) == 3 and all(line.startswith("car.yaml: ") for line in lines)
    assert any("front.share is 2" in line for line in lines) and any("'front.shares'" in line for line in lines)
    assert any("sizes is [], allowed: more values" in line for line in lines)


def test_a_prefix_stands_before_every_name() -> None:
    for values, message in [
        (
            {"name": "a", "front": {"share": 2}},
            "model.car.front.share is 2, allowed: less than or equal to 1",
        ),
        ({"name": "a", "frnt": {}}, "unknown setting 'model.car.frnt'; did you mean 'model.car.front'?"),
        (
            {"name": "a", "radius": 1},
            "unknown setting 'model.car.radius'; did you mean 'model.car.top.radius'?",
        ),
        (
            {"name": "a", "top": {"kind": "round", "height": 3}},
            "unknown setting 'model.car.top.height'; it belongs to another kind",
        ),
        (
            {"name": "a", "front": {"zzz": 1}},
            "unknown setting 'model.car.front.zzz'; known here: model.car.front.share, model.car.front.path",
        ),
        ({}, "the setting 'model.car.name' is missing and has no default"),
        ([], "model.car is [], allowed: an object"),
        ({"name": "bicycle"}, "model.car: a bicycle is no car"),
    ]:
        with pytest.raises(ValueError) as caught:
            check(Car, values, "car.yaml", "model.car")
        assert str(caught.value) == f"car.yaml: {message}"


def test_what_is_no_group_at_all_is_said_so() -> None:
    with pytest.raises(ValueError, match=r"^car\.yaml: Input should be an object$"):
        check(Car, [1], "car.yaml")


def test_a_long_value_is_cut() -> None:
    with pytest.raises(ValueError) as caught:
        check(Car, {"name": "a", "front": "x" * 500}, "car.yaml")
    assert "x" * 100 + "..., allowed: an object" in str(caught.value) and len(str(caught.value)) < 200


def test_an_error_tells_its_place_by_the_name() -> None:
    with pytest.raises(ValidationError) as caught:
        Car.model_validate({"name": "a", "sizes": "x", "front": {"share": 2}}, strict=True)
    places = {"sizes": "override 'sizes=x'", "front.share": "car.yaml"}
    lines = sorted(explain(caught.value, Car, places.__getitem__))
    assert lines[0] == "car.yaml: front.share is 2, allowed: less than or equal to 1"
    assert lines[1].startswith("override 'sizes=x': sizes is 'x', allowed: ")


def test_an_error_about_an_inner_group_can_be_told_of_the_outer_one() -> None:
    with pytest.raises(ValidationError) as caught:
        Wheel.model_validate({"share": 2, "shares": 1})
    outer = relocated(caught.value, "front")
    assert list(explain(outer, Car, lambda _: "car.yaml")) == [
        "car.yaml: front.share is 2, allowed: less than or equal to 1",
        "car.yaml: unknown setting 'front.shares'; did you mean 'front.share'?",
    ]


def test_names_follow_the_sections() -> None:
    assert dotted(Car, ["front", "share"]) == "front.share"
    assert dotted(Car, ["wheels", 1, "share"]) == "wheels[1].share"
    assert dotted(Car, ["top", "round", "radius"]) == "top.radius"
    assert dotted(Car, ["sizes", 1]) == "sizes"
    assert dotted(Car, ["speed", "float"]) == "speed"


def test_every_setting_is_listed() -> None:
    assert setting_names(Car) == [
        "name",
        "sizes",
        "colors",
        "speed",
        "top.kind",
        "top.radius",
        "top.height",
        "front.share",
        "front.path",
        "spare.share",
        "spare.path",
        "wheels[].share",
        "wheels[].path",
        "more.share",
        "more.path",
    ]


def test_the_members_of_a_union_stand_together() -> None:
    union = subsection(Car, "top")
    assert union is not None and list(union.model_fields) == ["kind", "radius", "height"]
    assert subsection(Car, "more") is Wheel and subsection(Car, "spare") is Wheel and subsection(Car, "wheels") is Wheel
    assert subsection(Car, "name") is None and subsection(Car, "nothing") is None


def test_merging_goes_section_by_section() -> None:
    base = {"a": 1, "b": {"c": 1, "d": {"e": 1, "f": 2}}, "g": [1, 2]}
    changes = {"b": {"d": {"f": 3}}, "g": [3], "h": {"i": 1}}
    assert merge(base, changes, Car) == {"a": 1, "b": {"c": 1, "d": {"e": 1, "f": 3}}, "g": [3], "h": {"i": 1}}
    assert base == {"a": 1, "b": {"c": 1, "d": {"e": 1, "f": 2}}, "g": [1, 2]}
    assert merge({"a": {"b": 1}}, {"a": None}, Car) == {"a": None}
    assert merge({"a": None}, {"a": {"b": 1}}, Car) == {"a": {"b": 1}}


def test_a_section_of_another_kind_replaces_the_whole() -> None:
    base = {"top": {"kind": "round", "radius": 2, "deep": {"x": 1}}}
    assert merge(base, {"top": {"kind": "flat"}}, Car) == {"top": {"kind": "flat"}}
    assert merge(base, {"top": {"kind": "round", "deep": {"y": 2}}}, Car) == {
        "top": {"kind": "round", "radius": 2, "deep": {"x": 1, "y": 2}}
    }
    assert merge(base, {"top": {"radius": 3}}, Car) == {"top": {"kind": "round", "radius": 3, "deep": {"x": 1}}}
    unsaid = {"top": {"radius": 2}}
    assert merge(unsaid, {"top": {"kind": "round"}}, Car) == {"top": {"kind": "round", "radius": 2}}
    assert merge(unsaid, {"top": {"kind": "flat"}}, Car) == {"top": {"kind": "flat"}}, "the first kind is the default"


def test_a_setting_that_is_only_called_kind_replaces_nothing_else() -> None:
    assert merge({"other": {"kind": "a", "b": 1}}, {"other": {"kind": "c"}}, Car) == {"other": {"kind": "c", "b": 1}}


def test_reading_json_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    with pytest.raises(FileNotFoundError):
        read_json(path)
    for content in (b"{", b"", b"\xff"):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"a\.json is no JSON: "):
            read_json(path)
    path.write_text('{"a": [1, null]}')
    assert read_json(path) == {"a": [1, None]}
