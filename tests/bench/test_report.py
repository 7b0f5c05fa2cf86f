"""Reports: their table, and their files."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import pytest

from laconvnet.bench.report import Report

RESULTS = Path(__file__).parents[2] / "benchmarks" / "results"
ROWS = [
    {"contender": "fast, new", "median_ms": 1.25, "low_ms": 1.0, "high_ms": 1.5, "share_of_copy": 0.725},
    {
        "contender": "slow",
        "median_ms": 12345.6,
        "low_ms": 12000.0,
        "high_ms": 13000.0,
        "cold_start_s": 3,
        "extra": None,
    },
]


@pytest.fixture
def report():
    return Report("op", {"repeats": 3, "limits": {"matmul_gflops": 10.5, "none": None}}, ROWS, ["gone: no compiler"])


def test_files_hold_the_numbers(report, tmp_path):
    paths = report.save(tmp_path / "results" / "machine")
    assert [path.name for path in paths] == ["op.csv", "op.json"] == sorted(p.name for p in paths[0].parent.iterdir())
    assert Report.load(paths[1]) == report
    with paths[0].open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["contender", "median_ms", "low_ms", "high_ms", "share_of_copy", "cold_start_s", "extra"]
    for row, expected in zip(rows, ROWS, strict=True):
        assert row == {key: "" if expected.get(key) is None else str(expected[key]) for key in row}


@pytest.mark.parametrize("path", sorted(RESULTS.rglob("*.json")), ids=lambda path: str(path.relative_to(RESULTS)))
def test_recorded_results_can_be_read_again(path):
    assert Report.load(path).rows and "median ms" in str(Report.load(path))


def test_the_machine_is_in_the_file(report, tmp_path):
    report.save(tmp_path)
    assert {"cpu", "threads", "torch", "python"} <= set(json.loads((tmp_path / "op.json").read_text())["machine"])


def test_files_are_replaced_whole_or_not_at_all(report, tmp_path):
    report.save(tmp_path)
    before = (tmp_path / "op.json").read_text()
    broken = Report("op", {"repeats": object()}, ROWS)
    with pytest.raises(TypeError):
        broken.save(tmp_path)
    assert (tmp_path / "op.json").read_text() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["op.csv", "op.json"]


def test_a_picture_is_made_unless_unwanted(tmp_path):
    report = Report("op", {}, ROWS, draw=lambda path: path.write_bytes(b"picture"))
    assert [path.suffix for path in report.save(tmp_path, plot=False)] == [".csv", ".json"]
    assert report.save(tmp_path)[2].read_bytes() == b"picture"


def test_the_table_shows_quartiles_shares_and_gaps(report):
    head, first, second = str(report).splitlines()[-4:-1]
    assert head.startswith("contender ") and "low ms" in head and "extra" not in head
    assert "1.25 [1, 1.5]" in first and "72.5 %" in first and first.endswith("–")
    assert "12,346 [12,000, 13,000]" in second and len(head) == len(first) == len(second)
    assert "low ms" not in str(replace(report, columns=("contender", "median_ms")))


def test_the_text_tells_machine_settings_and_what_is_missing(report):
    text = str(report)
    assert "torch: " in text and "limits: matmul_gflops 10.5\n" in text and text.endswith("gone: no compiler")
