"""The benchmark of the operator: what it times, what it refuses, and what it says."""

from dataclasses import replace

import pytest
import torch

from laconvnet.bench import op
from laconvnet.bench.load import Load
from laconvnet.bench.op import COLUMNS, bench_op
from laconvnet.bench.operator_case import PASSES, Shape, check_backends, stage_shapes
from laconvnet.bench.operator_forms import shifted_sums, static_depthwise, unfold_mul_sum
from laconvnet.bench.parity import ParityError
from laconvnet.bench.roofline import Limit
from laconvnet.ops import BACKENDS, dynamic_conv2d, use_backend

SMALL = Shape(5, 8, 2, 3, 5)


@pytest.fixture(autouse=True)
def small_limits(monkeypatch):
    def limits(device):
        amounts = {"matmul_gflops": 100e3, "copy_gbytes": 10e3, "fma_load_gflops": 50e3}
        return [Limit(name, lambda: None, amount) for name, amount in amounts.items()]

    monkeypatch.setattr(op, "operator_limits", limits)


def bench(*shapes, **settings):
    return bench_op(shapes or (SMALL,), **{"batches": (1,), "repeats": 2, **settings})


@pytest.mark.parametrize("form", [unfold_mul_sum, shifted_sums])
@pytest.mark.parametrize("kernel_size", [1, 3, 7])
def test_plain_forms_compute_the_operator(form, kernel_size):
    x = torch.randn(2, 6, 4, 5, dtype=torch.float64)
    weight = torch.randn(2, 3, kernel_size**2, 4, 5, dtype=torch.float64)
    with use_backend("reference"):
        torch.testing.assert_close(form(x, weight), dynamic_conv2d(x, weight))


def test_the_yardstick_is_the_operator_with_one_kernel_for_all_positions():
    x, weight = torch.randn(1, 4, 6, 5), torch.randn(4, 1, 3, 3)
    everywhere = weight.view(1, 4, 9, 1, 1).expand(1, 4, 9, 6, 5)
    torch.testing.assert_close(static_depthwise(x, weight), dynamic_conv2d(x, everywhere))


def test_shapes_are_those_of_the_preset():
    assert stage_shapes("s", 416) == [
        (1, 16, 4, 3, 208), (1, 16, 4, 5, 208), (2, 64, 4, 7, 104), (3, 128, 8, 7, 52), (4, 256, 8, 7, 26),
        (5, 512, 16, 7, 13),
    ]  # fmt: skip
    assert stage_shapes("n", 64, [1, 5]) == [(5, 128, 8, 7, 2)]
    with pytest.raises(ValueError, match=r"preset 'n' has no convolution in stages \[1\]"):
        stage_shapes("n", 64, [1])
    with pytest.raises(ValueError, match="multiple of 32, got 100"):
        stage_shapes("s", 100)
    with pytest.raises(ValueError, match=r"1 to 5, got \[6\]"):
        stage_shapes("s", 64, [6])


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_rows(dtype):
    report = bench(batches=(1, 2), dtypes=(dtype,))
    names = [*BACKENDS, "unfold, mul, sum", "shifted sums", "static depthwise"]
    assert {row["contender"] for row in report.rows} <= set(names)
    assert {(row["batch"], row["pass"]) for row in report.rows} == {(n, p) for n in (1, 2) for p in PASSES}
    for row in report.rows:
        assert set(COLUMNS) <= set(row) and row["dtype"] == dtype
        assert row["low_ms"] <= row["median_ms"] <= row["high_ms"]
        assert row["times_faster"] == 1 or row["contender"] != "reference"
    assert set(report.settings["limits"]) == {"matmul_gflops", "copy_gbytes", "fma_load_gflops"}


def test_work_is_counted_once(monkeypatch):
    monkeypatch.setattr(op, "compare", lambda runs, **_: {name: op.Timing(1e-3, 1e-3, 1e-3, 2) for name in runs})
    rows = {(row["contender"], row["pass"]): row for row in bench().rows}
    x, weight, static = 4 * 8 * 25, 4 * 2 * 9 * 25, 4 * 8 * 9
    forward, both = rows["reference", "forward"], rows["reference", "forward+backward"]
    assert forward["gflops"] == pytest.approx(2 * 8 * 25 * 9 / 1e3, rel=1e-3)
    assert forward["gbytes_per_s"] == pytest.approx((2 * x + weight) / 1e3, abs=0.01)
    assert both["gflops"] == pytest.approx(3 * forward["gflops"], abs=0.02)
    assert both["gbytes_per_s"] == pytest.approx((5 * x + 3 * weight) / 1e3, abs=0.01)
    assert rows["static depthwise", "forward"]["gbytes_per_s"] == pytest.approx((2 * x + static) / 1e3, abs=0.01)
    assert forward["share_of_matmul"] == pytest.approx(forward["gflops"] / 100, abs=1e-3)
    assert (forward["matmul_gflops"], forward["copy_gbytes"], forward["fma_load_gflops"]) == (100, 10, 50)
    assert forward["share_of_fma_load"] == pytest.approx(forward["gflops"] / 50, abs=1e-3)


@pytest.mark.parametrize(
    ("part", "result"), [("forward", "output"), ("grad_input", "gradient of x"), ("grad_weight", "gradient of weight")]
)
def test_a_wrong_backend_is_not_timed(monkeypatch, part, result):
    """Off by one in a thousand, at one position."""
    right = getattr(BACKENDS["shifted"], part)

    def wrong(*arguments):
        out = right(*arguments)
        out[..., -1, -1] *= 1.001
        return out

    monkeypatch.setitem(BACKENDS, "shifted", replace(BACKENDS["shifted"], **{part: wrong}))
    monkeypatch.setattr(op, "compare", lambda runs, **_: {name: op.Timing(1.0, 1.0, 1.0, 2) for name in runs})
    where = "batch 1, 8 channels, 2 groups, K 3, 5x5, float32"
    with pytest.raises(ParityError, match=f"shifted is not timed at {where}: its {result} differs .* by [0-9.e-]+ of"):
        bench(backends=("shifted",))


def test_a_backend_that_cannot_run_is_noted(monkeypatch):
    absent = replace(BACKENDS["shifted"], why_not=lambda *_: "no compiler")
    monkeypatch.setitem(BACKENDS, "shifted", absent)
    report = bench(backends=("shifted",), batches=(1, 2))
    assert report.notes == ["shifted cannot run: no compiler"]
    assert "shifted" not in {row["contender"] for row in report.rows}


def test_a_contender_without_memory_is_noted(monkeypatch):
    def hungry(x, weight):
        raise torch.OutOfMemoryError("too much")

    monkeypatch.setattr(op.operator_forms, "unfold_mul_sum", hungry)
    report = bench()
    assert "unfold, mul, sum has too little memory at batch 1" in " ".join(report.notes)
    assert "unfold, mul, sum" not in {row["contender"] for row in report.rows}


def test_compiled_forms_state_their_cold_start(monkeypatch):
    monkeypatch.setattr(torch, "compile", lambda form, dynamic: form)
    rows = bench(compiled=True).rows
    cold = {row["contender"] for row in rows if row["cold_start_s"] is not None}
    assert cold == {"compiled unfold", "compiled sums"}


def test_unknown_backends_are_refused():
    with pytest.raises(ValueError, match=r"unknown backends \['cuda'\]; allowed: .*reference"):
        bench(backends=("reference", "cuda"))


def test_the_picture_shows_every_pass(tmp_path):
    pytest.importorskip("matplotlib")
    paths = bench().save(tmp_path)
    assert [path.name for path in paths] == ["op.csv", "op.json", "op.png"]


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_backends_are_checked_at_the_shapes_of_a_network(monkeypatch, dtype):
    def check(pass_):
        check_backends(["shifted"], "n", Load(size=32, batch=8, dtype=dtype), pass_)

    right = BACKENDS["shifted"]
    wrong = replace(right, grad_weight=lambda *arguments: 1.1 * right.grad_weight(*arguments))
    monkeypatch.setitem(BACKENDS, "shifted", wrong)
    check("forward")
    with pytest.raises(ParityError, match=rf"shifted is not timed at batch 2, 16 channels, .* 8x8, {dtype}: .* weight"):
        check("forward+backward")
