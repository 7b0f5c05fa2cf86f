"""Which differences between two commits are told; the commits themselves take minutes and are not run here."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

_PATH = Path(__file__).parents[2] / "tools" / "compare_commits.py"


@pytest.fixture(scope="module")
def tool():
    spec = importlib.util.spec_from_file_location("compare_commits", _PATH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def worst(tool, before, after):
    (row,) = tool.compare({"what": before}, {"what": after})
    return row["numbers"], row["largest difference"]


def test_equal_numbers_differ_by_zero(tool):
    assert worst(tool, {"a": 1.5, "b": np.zeros((2, 3))}, {"b": np.zeros((2, 3)), "a": 1.5}) == (7, "0")
    assert worst(tool, {"a": float("nan")}, {"a": float("nan")}) == (1, "0"), "a value that neither has"


def test_the_largest_difference_is_told(tool):
    assert worst(tool, {"a": 1.0, "b": np.array([1.0, 2.0])}, {"a": 1.25, "b": np.array([1.0, 2.5])}) == (3, "0.5")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"a": 1.0}, {}),
        ({}, {"a": 1.0}),
        ({"a": np.zeros(2)}, {"a": np.zeros(3)}),
        ({"a": 1.0}, {"a": float("nan")}),
    ],
)
def test_what_only_one_of_them_has_is_a_difference(tool, before, after):
    assert worst(tool, before, after)[1] == "inf"


def test_every_task_is_compared(tool):
    from laconvnet.tasks import TASKS

    assert tool.TASKS.keys() == tool.SENTENCES.keys() == TASKS.keys()
    assert {*tool.SENTENCES.values()} == {*tool.SORTS}
