"""The benchmarks of forward passes and training steps: what they time, what they refuse, and what they say."""

from dataclasses import replace

import pytest

from laconvnet.bench import passes
from laconvnet.bench.memory import Memory
from laconvnet.bench.parity import ParityError
from laconvnet.bench.passes import Plan, bench_model, bench_train
from laconvnet.bench.roofline import Limit
from laconvnet.ops import BACKENDS


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(passes, "matmul_limit", lambda device, dtype: Limit("matmul_gflops", lambda: None, 1e6))
    monkeypatch.setattr(
        passes, "measure_memory", lambda name, *_: Memory(300.0, 900.0 if "reference" in name else 450.0)
    )


def plan(**settings):
    return Plan(preset="n", **{"size": 64, "vocabulary_size": 50, "repeats": 2, **settings})


TWO = {"backends": ("shifted", "reference"), "dtypes": ("float32", "bfloat16")}
NAMES = ["n shifted", "n reference", "n shifted bfloat16", "n reference bfloat16"]


def check_rows(report, batches, work):
    assert [row["contender"] for row in report.rows] == batches * NAMES
    for row in report.rows:
        assert row["parameters"] - row["parameters_without_embedding"] == 50 * 100
        gflops = work * 2e3 * row["gmacs"] * row["batch"] / row["median_ms"]
        assert row["gflops"] == pytest.approx(gflops, rel=0.05, abs=0.01)
        assert row["share_of_matmul"] == pytest.approx(row["gflops"] / row["matmul_gflops"], rel=0.1, abs=1e-3)
        assert row["pictures_per_second"] == pytest.approx(1e3 * row["batch"] / row["median_ms"], rel=1e-3)
        assert row["memory_before_mib"] == 300.0
        if row["contender"] == "n reference":
            assert row["times_faster"] == 1 and row["peak_memory_mib"] == 900.0 and row["share_of_memory"] == 1
        if row["contender"] == "n shifted":
            assert row["share_of_memory"] == 0.5


def test_rows_of_forward_passes():
    check_rows(bench_model(plan(batches=(1, 2), **TWO)), 2, 1)


def test_rows_of_training_steps():
    """Backward is as much arithmetic as two forward passes."""
    report = bench_train(plan(batches=(2,), **TWO), keep_freed_memory=False)
    check_rows(report, 1, 3)
    assert report.settings["keep_freed_memory"] is False


def test_memory_can_be_left_out():
    assert "peak_memory_mib" not in bench_model(plan(memory=False)).rows[0]


def test_others_stand_beside_it():
    rows = bench_model(plan(backends=("shifted",), memory=False), against=("resnet50",)).rows
    assert [row["contender"] for row in rows] == ["n shifted", "resnet50"]
    assert rows[0]["times_faster"] == 1 and rows[1]["size"] == 64
    with pytest.raises(ValueError, match=r"against names \['yolo'\]; allowed: vilt, resnet50"):
        bench_model(plan(), against=("yolo",))


def test_plain_is_what_others_are_compared_with():
    rows = bench_train(
        plan(backends=("shifted", "plain"), batches=(2,)), grad_checkpointing=True, keep_freed_memory=False
    ).rows
    names = ["n shifted", "n shifted checkpointed", "n plain", "n plain checkpointed"]
    assert [row["contender"] for row in rows] == names
    assert rows[2]["times_faster"] == 1


def test_a_benchmark_of_plain_runs_plain(monkeypatch):
    """What is timed is the backend that is named, not one of another name."""
    calls = []

    def counted(name, right):
        return lambda *arguments: calls.append(name) or right(*arguments)

    for name, backend in BACKENDS.items():
        monkeypatch.setitem(BACKENDS, name, replace(backend, forward=counted(name, backend.forward)))
    monkeypatch.setattr(passes, "check_backends", lambda *_: None)  # which runs the reference
    (row,) = bench_model(plan(backends=("plain",), memory=False)).rows
    assert row["contender"] == "n plain" and set(calls) == {"plain"}


@pytest.mark.parametrize(
    ("bench", "part", "result"),
    [(bench_model, "forward", "output"), (bench_train, "grad_weight", "gradient of weight")],
)
def test_a_wrong_backend_is_not_timed(monkeypatch, bench, part, result):
    right = getattr(BACKENDS["shifted"], part)
    wrong = replace(BACKENDS["shifted"], **{part: lambda *arguments: 1.1 * right(*arguments)})
    monkeypatch.setitem(BACKENDS, "shifted", wrong)
    with pytest.raises(ParityError, match=rf"shifted is not timed at batch 1, .* float32: its {result} differs"):
        bench(plan(backends=("shifted",)))


def test_a_picture(tmp_path):
    pytest.importorskip("matplotlib")
    assert [path.name for path in bench_model(plan()).save(tmp_path)] == ["model.csv", "model.json", "model.png"]
