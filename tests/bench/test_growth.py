"""How time grows, and the exponent of it."""

import pytest

from laconvnet.bench.growth import AXES, bench_growth, fit_exponent
from laconvnet.bench.passes import Plan


@pytest.mark.parametrize("exponent", [-0.5, 0.0, 1.0, 1.7])
def test_the_exponent_of_a_power_is_found(exponent):
    amounts = [1, 3, 10, 64]
    assert fit_exponent(amounts, [0.2 * amount**exponent for amount in amounts]) == pytest.approx(exponent, abs=1e-12)


def test_it_is_a_fit():
    assert fit_exponent([1, 10, 100], [1, 20, 100]) == pytest.approx(1.0)


def test_axes_reach_as_far_as_asked():
    assert {axis: (values[0], values[-1]) for axis, values in AXES.items()} == {
        "size": (160, 832), "batch": (1, 64), "words": (1, 64),
    }  # fmt: skip


def test_rows_and_picture(tmp_path):
    pytest.importorskip("matplotlib")
    axes = {"size": (32, 64), "words": (1, 2, 3)}
    plan = Plan(preset="n", size=32, words=4, vocabulary_size=50, backends=("shifted", "reference"), repeats=2)
    report = bench_growth(plan, axes=axes)
    assert len(report.rows) == 2 * 5
    pixels = [row for row in report.rows if row["axis"] == "pixels" and row["contender"] == "n reference"]
    assert [(row["amount"], row["size"], row["words"]) for row in pixels] == [(1024, 32, 4), (4096, 64, 4)]
    assert len({row["exponent"] for row in pixels}) == 1
    assert {row["words"] for row in report.rows if row["axis"] == "words"} == {1, 2, 3}
    assert [path.name for path in report.save(tmp_path)] == ["growth.csv", "growth.json", "growth.png"]
