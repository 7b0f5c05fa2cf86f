"""The benchmark of a training step."""

from dataclasses import replace

import pytest
import torch

from laconvnet.bench import Load, Memory, ParityError, bench_train, train
from laconvnet.bench.operator_case import PLAIN, on_backend
from laconvnet.bench.train import TrainingStep
from laconvnet.layers import laconv
from laconvnet.ops import BACKENDS


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(
        train, "measure_memory", lambda step: Memory(300.0, 900.0 if step.backend == "reference" else 450.0)
    )


def bench(**settings):
    return bench_train(
        "n",
        **{"keep_freed_memory": False, "size": 64, "batches": (2,), "vocabulary_size": 50, "repeats": 2, **settings},
    )


def test_rows():
    rows = bench(backends=("shifted", "reference"), dtypes=("float32", "bfloat16")).rows
    assert [row["contender"] for row in rows] == [
        "n shifted", "n reference", "n shifted bfloat16", "n reference bfloat16",
    ]  # fmt: skip
    assert rows[0]["share_of_memory"] == 0.5 and rows[1]["times_faster"] == 1
    assert rows[0]["sentences_per_second"] == pytest.approx(2e3 / rows[0]["median_ms"], rel=1e-3)


def test_every_backend_with_checkpointing_beside_it_without():
    rows = bench(backends=("shifted", PLAIN), grad_checkpointing=True).rows
    assert [row["contender"] for row in rows] == [
        "n shifted", "n shifted checkpointed", "n plain", "n plain checkpointed",
    ]  # fmt: skip
    assert rows[2]["times_faster"] == 1


@pytest.mark.parametrize(("device", "kept"), [("cpu", [True]), ("meta", [])])
def test_freed_memory_is_kept_on_a_cpu_if_wanted(monkeypatch, device, kept):
    calls = []
    monkeypatch.setattr(train, "keep_freed_memory", lambda: calls.append(True))
    monkeypatch.setattr(TrainingStep, "_ready", lambda self: (torch.nn.Linear(2, 2), {}))
    load = Load(size=64, batch=2, device=device)
    TrainingStep("n", load, keep_freed_memory=False).build()
    assert calls == []
    TrainingStep("n", load).build()
    assert calls == kept


def test_a_step_learns(monkeypatch):
    step = TrainingStep("n", Load(size=64, batch=2), vocabulary_size=50, keep_freed_memory=False)
    network = step._network.network()
    monkeypatch.setattr(torch.nn.Module, "to", lambda self, *_: self)
    monkeypatch.setattr(type(step._network), "network", lambda self: network)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    step.build()()
    changed = {name for name, value in network.state_dict().items() if not torch.equal(value, before[name])}
    assert {"heads.rec", "backbone.stem", "text.rnn"} <= {".".join(name.split(".")[:2]) for name in changed}
    assert "text.embedding.weight" not in changed


def test_a_backend_with_a_wrong_gradient_is_not_timed(monkeypatch):
    right = BACKENDS["shifted"]
    wrong = replace(right, grad_weight=lambda *arguments: 1.1 * right.grad_weight(*arguments))
    monkeypatch.setitem(BACKENDS, "shifted", wrong)
    with pytest.raises(
        ParityError, match=r"shifted is not timed at batch 2, .* float32: its gradient of weight differs"
    ):
        bench(backends=("shifted",))


def test_number_formats_that_need_more_are_refused():
    with pytest.raises(ValueError, match="float16 needs its loss scaled"):
        bench(dtypes=("float16",))


def test_a_step_without_the_operator_is_the_same_step():
    """Plain PyTorch in its place: the same network, loss and update, no custom operator in sight."""
    load = Load(size=64, batch=2, words=3)
    steps = [TrainingStep("n", load, vocabulary_size=50, backend=backend) for backend in ("reference", PLAIN)]
    assert [step.name for step in steps] == ["n reference", "n plain"]
    losses = []
    for step in steps:
        network, _raw = step._ready()
        with on_backend(step.backend), torch.no_grad():
            losses.append(network.eval()(*load.inputs(50))["rec"])
    torch.testing.assert_close(*losses)
    with on_backend(PLAIN), pytest.raises(ValueError, match="interleaved groups, not 'contiguous'"):
        laconv.dynamic_conv2d(torch.zeros(1, 1, 1, 1), torch.zeros(1, 1, 1, 1, 1), group_layout="contiguous")
