"""Networks made ready to be measured."""

import pickle
from dataclasses import replace

import pytest
import torch

from laconvnet.bench.load import Load
from laconvnet.bench.networks import Network
from laconvnet.ops import BACKENDS, use_backend
from laconvnet.ops.backends import select_backend

LOAD = Load(size=64, batch=2, words=3)


def test_every_process_builds_the_same_network():
    build = Network("n", vocabulary_size=50).forward_pass(LOAD).build
    torch.testing.assert_close(build()()["rec"], pickle.loads(pickle.dumps(build))()()["rec"], rtol=0, atol=0)


def test_a_network_for_questions_has_answers_to_choose_from():
    outputs = Network("n", heads=("rec", "answer"), vocabulary_size=50).forward_pass(LOAD).build()()
    assert outputs["answer"].shape[0] == 2 and outputs["answer"].shape[1] > 2


def test_the_default_is_named_as_what_it_is():
    assert Network("n").name_on(LOAD) == f"n {select_backend(torch.empty(0), 7).name}"
    with use_backend("reference"):
        assert Network("n").name_on(LOAD) == "n reference"


@pytest.mark.parametrize("name", ["plain", "shifted", "native"])
def test_a_prepared_network_runs_on_the_backend_of_its_name_alone(monkeypatch, name):
    calls = []

    def counted(name, right):
        return lambda *arguments: calls.append(name) or right(*arguments)

    for other, backend in BACKENDS.items():
        monkeypatch.setitem(BACKENDS, other, replace(backend, forward=counted(other, backend.forward)))
    if reason := BACKENDS[name].why_not(torch.zeros(1), 7):
        pytest.skip(f"{name}: {reason}")
    network = Network("n", vocabulary_size=50, backend=name)
    convolutions = sum(map(len, network.fresh().config.backbone.kernels))
    run = network.forward_pass(LOAD).build()
    calls.clear()
    run()
    assert calls == [name] * convolutions > []
