"""Choosing a backend, and saying why."""

import pytest
import torch

from laconvnet.ops import BACKENDS, dynamic_conv2d, explain, use_backend
from laconvnet.ops.backends import ENVIRONMENT_VARIABLE, Backend, select_backend

X = torch.zeros(1)


def test_the_first_backend_that_can_run_is_chosen():
    assert select_backend(X, 7).name == "shifted"


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
    with pytest.raises(ValueError, match=f"{where}: unknown backend 'cuda'; allowed: shifted, reference"):
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
    never = Backend("never", "nothing", *([None] * 3), lambda x, kernel_size: f"no {x.device.type} here")
    monkeypatch.setitem(BACKENDS, "never", never)
    assert "never: nothing (no cpu here)" in explain(X)
    with (
        use_backend("never"),
        pytest.raises(RuntimeError, match="'never', asked for by use_backend, cannot run: no cpu"),
    ):
        dynamic_conv2d(torch.zeros(1, 1, 1, 1), torch.zeros(1, 1, 1, 1, 1))
