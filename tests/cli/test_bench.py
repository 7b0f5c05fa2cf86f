"""`laconvnet bench`: the options reach the benchmarks; the numbers have tests of their own."""

import json

SMALL = ("--size", 64, "--repeats", 2, "--threads", 1, "--no-plot")


def test_the_operator(run, tmp_path):
    out = tmp_path / "results" / "machine"
    options = ("--preset", "n", "--stage", "4,5", "--batch", "1,2", "--backend", "shifted", "--dtype", "bfloat16")
    output = run("bench", "op", *SMALL, *options, "--out", out)
    assert "limits: matmul_gflops" in output and "static depthwise" in output and "threads: 1" in output
    assert sorted(path.name for path in out.iterdir()) == ["op.csv", "op.json"]
    rows = json.loads((out / "op.json").read_text())["rows"]
    assert len(rows) == 2 * 2 * 2 * 5 and {row["dtype"] for row in rows} == {"bfloat16"}


def test_a_network(run):
    result = json.loads(run("bench", "model", "n", *SMALL, "--vocabulary-size", 50, "--json"))
    (row,) = result["rows"]
    assert row["parameters"] - row["parameters_without_embedding"] == 50 * 100
    assert row["low_ms"] <= row["median_ms"] <= row["high_ms"] and row["times_faster"] == 1
    assert 0 < row["memory_before_mib"] <= row["peak_memory_mib"]
    assert result["machine"]["threads"] == "1"


def test_growth(run, monkeypatch):
    monkeypatch.setattr("laconvnet.bench.growth.AXES", {"words": (1, 2)})
    output = run("bench", "model", "n", *SMALL, "--growth")
    assert "exponent" in output


def test_a_training_step(run):
    output = run("bench", "train", "n", *SMALL, "--batch", 2, "--vocabulary-size", 50, "--no-memory")
    assert "pictures per second" in output and "peak" not in output


def test_data(run, world, tmp_path):
    options = ("--size", 64, "--repeats", 2, "--pictures", 2, "--out", tmp_path)
    assert "with random changes" in run("bench", "data", world, *options)
    assert (tmp_path / "data.csv").is_file()
