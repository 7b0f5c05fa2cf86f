"""The benchmark of whole networks, and those they are set beside."""

import sys
from dataclasses import replace

import pytest
import torch

from laconvnet.bench import Load, Memory, ParityError, bench_model, model
from laconvnet.bench.networks import LaConvNetwork
from laconvnet.bench.resnet import ResNet50, resnet50
from laconvnet.bench.roofline import Limit
from laconvnet.bench.vilt import Vilt
from laconvnet.ops import BACKENDS, use_backend
from laconvnet.ops.backends import select_backend


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(model, "matmul_limit", lambda device, dtype: Limit("matmul_gflops", lambda: None, 1e6))
    monkeypatch.setattr(model, "measure_memory", lambda network: Memory(300.0, 400.0))


def bench(**settings):
    return bench_model("n", **{"size": 64, "vocabulary_size": 50, "repeats": 2, **settings})


def test_rows():
    report = bench(backends=("shifted", "reference"), batches=(1, 2), dtypes=("float32", "bfloat16"))
    names = ["n shifted", "n reference", "n shifted bfloat16", "n reference bfloat16"]
    assert [row["contender"] for row in report.rows] == 2 * names
    for row in report.rows:
        assert row["parameters"] - row["parameters_without_embedding"] == 50 * 100
        assert row["gflops"] == pytest.approx(2e3 * row["gmacs"] * row["batch"] / row["median_ms"], rel=0.05, abs=0.01)
        assert row["share_of_matmul"] == pytest.approx(row["gflops"] / row["matmul_gflops"], rel=0.1, abs=1e-3)
        assert row["pictures_per_second"] == pytest.approx(1e3 * row["batch"] / row["median_ms"], rel=1e-3)
        assert (row["memory_before_mib"], row["peak_memory_mib"]) == (300.0, 400.0)
        assert row["times_faster"] == 1 or row["contender"] != "n reference"


def test_memory_can_be_left_out():
    assert "peak_memory_mib" not in bench(memory=False).rows[0]


def test_others_stand_beside_it():
    rows = bench(backends=("shifted",), against=("resnet50",), memory=False).rows
    assert [row["contender"] for row in rows] == ["n shifted", "resnet50"]
    assert rows[0]["times_faster"] == 1 and rows[1]["size"] == 64
    with pytest.raises(ValueError, match=r"against names \['yolo'\]; allowed: vilt, resnet50"):
        bench(against=("yolo",))


def test_a_wrong_backend_is_not_timed(monkeypatch):
    right = BACKENDS["shifted"]
    wrong = replace(right, forward=lambda *arguments: 1.01 * right.forward(*arguments))
    monkeypatch.setitem(BACKENDS, "shifted", wrong)
    with pytest.raises(ParityError, match=r"shifted is not timed at batch 1, .* float32: its output differs"):
        bench(backends=("shifted",))


def test_a_picture(tmp_path):
    pytest.importorskip("matplotlib")
    assert [path.name for path in bench().save(tmp_path)] == ["model.csv", "model.json", "model.png"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [({"size": 100}, "multiple of 32, got 100"), ({"dtype": "int8"}, "got 'int8'"), ({"batch": 0}, "got 0 and 15")],
)
def test_impossible_loads_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        Load(**settings)


def test_every_process_builds_the_same_network():
    network = LaConvNetwork("n", Load(size=64, batch=2), vocabulary_size=50)
    torch.testing.assert_close(network.build()()["rec"], network.build()()["rec"], rtol=0, atol=0)


def test_resnet50_is_the_published_one():
    """25.557 million parameters; 4.089 billion multiply-accumulates at 224."""
    cost = ResNet50(Load(size=224)).cost()
    assert cost.parameters == 25_557_032 and cost.macs == pytest.approx(4.089e9, rel=1e-3)
    assert resnet50(7).eval()(torch.zeros(2, 3, 64, 64)).shape == (2, 7)


def test_vilt_without_transformers_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(ImportError, match=r"pip install 'laconvnet\[hf\]'"):
        bench(against=("vilt",))


def test_vilt_is_the_published_one():
    """ViLT-B/32: 111.6 million parameters, 23.4 of them word vectors; 145 patches beside the words."""
    pytest.importorskip("transformers")
    vilt = Vilt(Load(size=64, words=5))
    cost = vilt.cost()
    assert vilt.load.size == 384
    assert (cost.parameters, cost.embedding_parameters) == (111_595_008, 30_522 * 768)
    length = 5 + 145
    layer = 12 * 768**2 * length + 2 * 768 * length**2
    assert cost.macs == 12 * layer + 144 * 768 * 3 * 32**2 + 768**2


def test_the_default_is_named_as_what_it_is():
    assert LaConvNetwork("n", Load()).name == f"n {select_backend(torch.empty(0), 7).name}"
    with use_backend("reference"):
        assert LaConvNetwork("n", Load()).name == "n reference"
