"""The benchmark of loading."""

import pytest

from laconvnet.bench.data import bench_data
from laconvnet.data import generate
from laconvnet.scenes import WORLDS, SceneSource


def check(report, pictures, sentences):
    assert [row["contender"] for row in report.rows] == ["as they are", "with random changes"]
    for row in report.rows:
        assert (row["pictures"], row["sentences"]) == (pictures, sentences)
        assert row["low"] <= row["per_core_second"] <= row["high"]


def test_a_dataset_folder(tmp_path):
    generate(tmp_path / "d", SceneSource(world=WORLDS["near"], sentences={"rec": 2}), {"val": 5}, size=64)
    report = bench_data(tmp_path / "d", split="val", size=64, pictures=3, repeats=2)
    check(report, 3, 6)
    assert report.settings["data"] == str(tmp_path / "d")
    assert [path.name for path in report.save(tmp_path / "out")] == ["data.csv", "data.json"]


def test_scenes():
    check(bench_data(size=64, pictures=2, repeats=2), 2, 8)


def test_two_cores_share_the_rate():
    report = bench_data(size=64, pictures=2, repeats=2, cores=2)
    row = report.rows[0]
    assert row["per_core_second"] == pytest.approx(1e3 * 2 / row["median_ms"] / 2, abs=0.06)


def test_numbers_out_of_range_are_refused():
    with pytest.raises(ValueError, match="1 or more, got 0 and 1"):
        bench_data(pictures=0)
