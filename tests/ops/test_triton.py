"""When the Triton backend runs, what it says when it does not, and that its kernels compile.

What the kernels compute is judged by `triton_parity.py`, run here in processes of their own: Triton decides at import
whether it compiles for a GPU or interprets.
"""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from laconvnet.ops import BACKENDS, dynamic_conv2d, explain
from laconvnet.ops import triton as backend
from laconvnet.ops.backends import Backend, select_backend
from laconvnet.ops.dropout import Dropout

needs_triton = pytest.mark.skipif(
    importlib.util.find_spec("triton") is None, reason="triton is not installed: pip install 'laconvnet[gpu]'"
)
needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device on this machine")


def run(*command: str, **environment: str) -> str:
    """Run Python in a process of its own and return what it printed."""
    done = subprocess.run([sys.executable, *command], env={**os.environ, **environment}, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def run_parity(**environment: str) -> None:
    file = Path(__file__).with_name("triton_parity.py")
    run("-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", str(file), **environment)


@needs_triton
@pytest.mark.slow
def test_parity_in_the_interpreter():
    run_parity(TRITON_INTERPRET="1", CUDA_VISIBLE_DEVICES="")


@needs_triton
@needs_gpu
@pytest.mark.gpu
@pytest.mark.slow
def test_parity_on_a_gpu():
    run_parity(TRITON_INTERPRET="0")


class FakeDriver:
    """What Triton asks a driver before it has anything to launch."""

    def __init__(self, capability: int):
        self.capability = capability

    def get_current_target(self):
        from triton.backends.compiler import GPUTarget

        return GPUTarget("cuda", self.capability, 32)

    def get_current_device(self):
        return self.capability  # for Triton keeps what it knows of a device by this number

    def get_current_stream(self, device):
        return 0


class Compiler:
    """In place of a kernel: compiles where it would be launched."""

    def __init__(self, kernel, compiled: list):
        self.kernel = kernel
        self.compiled = compiled

    def __getitem__(self, grid):
        return lambda *args, **kwargs: self.compiled.append(self.kernel.warmup(*args, grid=grid, **kwargs))


@needs_triton
@pytest.mark.slow
@pytest.mark.parametrize(
    ("capability", "dtype", "kernel_size", "width", "p"),
    [(80, torch.bfloat16, 3, 4, 0.7), (90, torch.float32, 3, 5, 0), (90, torch.float16, 5, 4, 0)],
)
def test_compiles_without_a_gpu(monkeypatch, tmp_path, capability, dtype, kernel_size, width, p):
    """What would be launched compiles to machine code; and no lane needs shared memory, what another lane holds."""
    import triton.runtime

    from laconvnet.ops import triton_kernels

    compiled = []
    kernels = {name: Compiler(getattr(triton_kernels, name), compiled) for name in ("convolve", "correlate")}
    monkeypatch.setattr(backend, "_kernels", lambda: SimpleNamespace(DTYPES=triton_kernels.DTYPES, **kernels))
    monkeypatch.setattr(triton.runtime.driver, "_active", FakeDriver(capability))
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    x, weight = torch.zeros(1, 4, 1, width, dtype=dtype), torch.zeros(1, 2, kernel_size**2, 1, width, dtype=dtype)
    dropout = Dropout(p, torch.tensor(1)) if p else None
    backend.forward(x, weight, "interleaved", dropout)
    backend.grad_input(x, weight, "contiguous", dropout)
    backend.grad_weight(x, x, 2, kernel_size, "interleaved", dropout)
    for kernel in compiled:
        assert f".target sm_{capability}" in kernel.asm["ptx"] and kernel.asm["cubin"]
        assert kernel.metadata.shared == 0
    assert len(compiled) == 3


@pytest.fixture
def interpreted(monkeypatch):
    """As if Triton interpreted, so that the reasons that follow come to light on any machine; nothing has run yet."""
    monkeypatch.setenv("TRITON_INTERPRET", "1")
    monkeypatch.setattr(backend, "_problems", {})


def test_tensors_it_is_not_for(monkeypatch, interpreted):
    x = torch.zeros(1, 1, 2, 2)
    assert "not on meta" in backend.why_not(x.to("meta"), 3)
    assert "not in float64" in backend.why_not(x.double(), 3)
    assert "kernel_size is 13, and at most 11" in backend.why_not(x, 13)
    assert "2147483648 pixels" in backend.why_not(x[:, :, :1, :1].expand(1, 1, 2**16, 2**15), 3)
    monkeypatch.delenv("TRITON_INTERPRET")
    assert "runs on CUDA tensors" in backend.why_not(x, 3)
    assert not backend._problems


def test_triton_is_missing(monkeypatch, interpreted):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert backend.why_not(torch.zeros(1), 3) == "triton is not installed: pip install 'laconvnet[gpu]'"


@needs_triton
@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("Failed to find C compiler. Please specify via CC environment variable"),
        subprocess.CalledProcessError(1, ["/usr/bin/gcc", "main.c", "-O3"]),
        PermissionError(13, "Permission denied", "/root/.triton/cache"),
    ],
)
def test_a_failing_first_launch_is_remembered_and_another_backend_runs(monkeypatch, interpreted, error):
    calls = []

    def broken():
        calls.append(error)
        raise error

    monkeypatch.setattr(backend, "_kernels", broken)
    functions = backend.forward, backend.grad_input, backend.grad_weight, backend.why_not
    others = {name: other for name, other in BACKENDS.items() if name != "triton"}
    monkeypatch.setattr("laconvnet.ops.backends.BACKENDS", {"triton": Backend("triton", "", *functions), **others})
    x, weight = torch.randn(1, 2, 3, 4), torch.randn(1, 1, 9, 3, 4)
    assert dynamic_conv2d(x, weight).isfinite().all()
    assert select_backend(x, 3).name != "triton"
    text = explain(x, 3)
    assert "C compiler and a writable cache folder" in text
    assert type(error).__name__ in text and str(error)[:40] in text
    assert len(calls) == 1


@needs_triton
def test_an_old_triton_is_named(monkeypatch, interpreted):
    monkeypatch.setattr("triton.__version__", "3.3.1")
    assert backend.why_not(torch.zeros(1), 3) == "triton 3.3.1 is installed, and 3.4 is needed"


@needs_triton
def test_a_device_without_driver_is_no_crash():
    """Not even where Triton compiles and there is nothing to compile for."""
    if torch.cuda.is_available():
        pytest.skip("there is a CUDA device")
    assert "a first launch" in backend._find_problem(torch.device("cpu"), torch.float32)


def test_the_kernels_are_imported_when_they_run():
    run("-c", "import sys, laconvnet.ops.triton; assert 'laconvnet.ops.triton_kernels' not in sys.modules")


@needs_gpu
@pytest.mark.gpu
@needs_triton
def test_a_graph_that_captures_the_first_run_falls_back(monkeypatch):
    monkeypatch.setattr(backend, "_problems", {})
    x = torch.zeros(1, 1, 2, 2, device="cuda")
    with torch.cuda.graph(torch.cuda.CUDAGraph()):
        assert "run once before capturing" in backend.why_not(x, 3)
        x.add_(1)
    assert backend.why_not(x, 3) is None
