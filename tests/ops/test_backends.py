"""Choosing a backend, and saying why."""

from dataclasses import replace

import pytest
import torch

from laconvnet.ops import BACKENDS, dynamic_conv2d, explain, shifted, use_backend
from laconvnet.ops.backends import ENVIRONMENT_VARIABLE, Backend, select_backend
from laconvnet.ops.native import library

X = torch.zeros(1)


@pytest.fixture(autouse=True)
def no_library(monkeypatch):
    """As on a machine without a compiler, so that the choice is the same everywhere."""
    monkeypatch.setattr(library, "load", lambda: "not built: no compiler")


def test_the_first_backend_that_can_run_is_chosen(monkeypatch):
    assert select_backend(X, 7).name == "shifted"
    monkeypatch.setitem(BACKENDS, "native", replace(BACKENDS["native"], why_not=lambda x, kernel_size: None))
    assert select_backend(X, 7).name == "native"


def test_plain_is_never_chosen_by_itself(monkeypatch):
    for name in ("triton", "native", "shifted"):
        monkeypatch.setitem(BACKENDS, name, replace(BACKENDS[name], why_not=lambda x, kernel_size: "not today"))
    assert select_backend(X, 7).name == "reference"
    with use_backend("plain"):
        assert select_backend(X, 7).name == "plain"


def test_backward_passes_stay_on_the_thread_that_forces():
    with use_backend("reference"):
        assert not torch._C._is_multithreading_enabled()
    assert torch._C._is_multithreading_enabled()


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device on this machine")
def test_a_backward_pass_on_a_gpu_runs_on_the_forced_backend(monkeypatch):
    calls = []
    counted = replace(BACKENDS["shifted"], grad_input=lambda *a: calls.append(1) or shifted.grad_input(*a))
    monkeypatch.setitem(BACKENDS, "shifted", counted)
    x, weight = torch.zeros(1, 1, 2, 2, device="cuda", requires_grad=True), torch.zeros(1, 1, 9, 2, 2, device="cuda")
    with use_backend("shifted"):
        dynamic_conv2d(x, weight).sum().backward()
    assert calls == [1]


def test_use_backend_forces_and_restores():
    with use_backend("reference"):
        assert select_backend(X, 7).name == "reference"
        with use_backend("shifted"):
            assert select_backend(X, 7).name == "shifted"
        assert select_backend(X, 7).name == "reference"
    assert select_backend(X, 7).name == "shifted"


def test_the_environment_forces_a_backend(monkeypatch):
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, "reference")
    assert select_backend(X, 7).name == "reference"
    assert "-> reference" in explain(X) and ENVIRONMENT_VARIABLE in explain(X)


@pytest.mark.parametrize("where", ["use_backend", ENVIRONMENT_VARIABLE])
def test_unknown_names_are_refused(monkeypatch, where):
    with pytest.raises(ValueError, match=f"{where}: unknown backend 'cuda'; allowed: {', '.join(BACKENDS)}"):
        if where == "use_backend":
            with use_backend("cuda"):
                pass
        else:
            monkeypatch.setenv(where, "cuda")
            select_backend(X, 7)


def test_explain_names_every_backend_and_a_reason(monkeypatch):
    text = explain(X)
    assert text.splitlines()[0] == "dynamic_conv2d on cpu, float32:"
    assert "-> shifted" in text and "   reference" in text
    assert "native: compiled" in text and "(not built: no compiler)" in text
    never = Backend("never", "nothing", *([None] * 3), lambda x, kernel_size: f"no {x.device.type} here")
    monkeypatch.setitem(BACKENDS, "never", never)
    assert "never: nothing (no cpu here)" in explain(X)
    with (
        use_backend("never"),
        pytest.raises(RuntimeError, match="'never', asked for by use_backend, cannot run: no cpu"),
    ):
        dynamic_conv2d(torch.zeros(1, 1, 1, 1), torch.zeros(1, 1, 1, 1, 1))
