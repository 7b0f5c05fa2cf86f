"""A step of learning, as it is measured."""

import pytest
import torch

from laconvnet.bench import training_step as module
from laconvnet.bench.load import Load
from laconvnet.bench.networks import Network
from laconvnet.bench.training_step import training_step

LOAD = Load(size=64, batch=2, words=3)


@pytest.mark.parametrize(("device", "kept"), [("cpu", [True]), ("meta", [])])
def test_freed_memory_is_kept_on_a_cpu_if_wanted(monkeypatch, device, kept):
    def stop(self):
        raise StopIteration

    calls = []
    monkeypatch.setattr(module, "keep_freed_memory", lambda: calls.append(True))
    monkeypatch.setattr(Network, "name_on", lambda *_: "n")
    load = Load(size=64, batch=2, device=device)
    steps = [training_step(Network("n", vocabulary_size=50), load, keeps_memory=keeps) for keeps in (False, True)]
    monkeypatch.setattr(Network, "fresh", stop)
    for step, expected in zip(steps, ([], kept), strict=True):
        with pytest.raises(StopIteration):
            step.build()
        assert calls == expected


def learned(monkeypatch, backend):
    """A network and its state before, after one step on a backend."""
    network = Network("n", vocabulary_size=50, backend=backend).fresh()
    step = training_step(Network("n", vocabulary_size=50, backend=backend), LOAD, keeps_memory=False)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    monkeypatch.setattr(Network, "fresh", lambda self: network)
    run = step.build()
    torch.manual_seed(1)
    run()
    monkeypatch.undo()
    return network.state_dict(), before


def test_a_step_learns(monkeypatch):
    after, before = learned(monkeypatch, "default")
    changed = {name for name, value in after.items() if not torch.equal(value, before[name])}
    assert {"heads.rec", "backbone.stem", "text.rnn"} <= {".".join(name.split(".")[:2]) for name in changed}
    assert "text.embedding.weight" not in changed


def test_a_step_of_plain_pytorch_is_the_same_step(monkeypatch):
    """Adam's first step is the sign of a gradient: almost all agree, as the same kernel entries are dropped."""
    plain, reference = (
        torch.cat([value.double().flatten() for value in learned(monkeypatch, name)[0].values()])
        for name in ("plain", "reference")
    )
    assert torch.isclose(plain, reference, rtol=1e-4, atol=1e-6).double().mean() > 0.98


def test_number_formats_that_need_more_are_refused():
    with pytest.raises(ValueError, match="float16 needs its loss scaled"):
        training_step(Network("n"), Load(size=64, dtype="float16"))
