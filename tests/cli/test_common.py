"""What several commands share."""

import json

import pytest
import typer

from laconvnet.cli.common import print_json, settings


def test_settings_are_yaml():
    assert settings("--option", ["a=dilate", "b=50", "c=[1, 2]", "d=true", "e=x=y", "f="]) == {
        "a": "dilate",
        "b": 50,
        "c": [1, 2],
        "d": True,
        "e": "x=y",
        "f": None,
    }
    assert settings("--option", []) == {}


@pytest.mark.parametrize("pairs", [["a"], ["=1"], ["a=1", "a=2"], [""]])
def test_another_form_or_a_name_twice_is_refused(pairs):
    with pytest.raises(typer.BadParameter, match="--option needs NAME=VALUE, each name once; got"):
        settings("--option", pairs)


def test_what_is_printed_is_json_as_the_standard_has_it(capsys):
    print_json({"a": float("nan"), "b": ["ü", 1.5]})
    assert json.loads(capsys.readouterr().out) == {"a": None, "b": ["ü", 1.5]}
