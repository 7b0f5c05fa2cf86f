"""Finding the library, and falling back where it cannot be used."""

import pytest
import torch

from laconvnet.ops import dynamic_conv2d, explain, native
from laconvnet.ops.native import build, library

BUILT = build.LIBRARY.is_file()


@pytest.fixture
def installed(monkeypatch, tmp_path):
    """Where the library would lie in another installation; nothing is there yet."""
    path = tmp_path / "liblaconvnet_native.so"
    monkeypatch.setattr(library, "LIBRARY", path)
    monkeypatch.setattr(library, "NOT_BUILT", tmp_path / "not_built.txt")
    forget()
    yield path
    forget()


def forget():
    library.handle.cache_clear()
    library.load.cache_clear()


def falls_back(reason):
    x = torch.randn(1, 4, 5, 5)
    assert dynamic_conv2d(x, torch.randn(1, 2, 9, 5, 5)).shape == x.shape
    text = explain(x)
    return "-> shifted" in text and reason in text and reason in library.describe()


def test_a_library_that_was_not_built(installed):
    assert falls_back("not built when laconvnet was installed")
    library.NOT_BUILT.write_text("no C++ compiler g++ on the PATH\n")
    forget()
    assert falls_back("not built when laconvnet was installed: no C++ compiler g++ on the PATH")


def test_a_damaged_library(installed):
    installed.write_bytes(b"no library")
    assert falls_back("cannot be loaded")


@pytest.mark.skipif(not BUILT, reason="native: not built")
def test_a_library_of_another_version(installed, monkeypatch):
    installed.write_bytes(build.LIBRARY.read_bytes())
    monkeypatch.setattr(library, "INTERFACE", 10_000)
    assert falls_back("this version of laconvnet needs 10000: install it again")


@pytest.mark.skipif(not BUILT, reason="native: not built")
def test_an_instruction_set_can_be_asked_for(monkeypatch):
    """As on a CPU without AVX."""
    monkeypatch.setenv(library.CAPABILITY_VARIABLE, "baseline")
    assert library.describe().startswith("baseline, on ")
    monkeypatch.setenv(library.CAPABILITY_VARIABLE, "avx1024")
    assert falls_back("LACONVNET_CPU_CAPABILITY: 'avx1024' cannot run here; allowed: ")


@pytest.mark.skipif(not BUILT, reason="native: not built")
def test_the_limit_counts_what_every_thread_does():
    one = library.multiply_add_loads(threads=1, rounds=100)
    assert one >= 2 * 16 * 4 * 100 and library.multiply_add_loads(threads=2, rounds=200) == 4 * one


@pytest.mark.parametrize(
    ("x", "kernel_size", "reason"),
    [
        (torch.zeros(1, dtype=torch.float64), 3, "has no float64, only float32 and bfloat16"),
        (torch.zeros(1, dtype=torch.float16), 3, "has no float16"),
        (torch.zeros(1), 13, "has kernel_size up to 11, not 13"),
        (torch.zeros(1, device="meta"), 3, "runs on CPUs, not on meta"),
    ],
)
def test_what_it_does_not_do_is_said(x, kernel_size, reason):
    assert reason in native.why_not(x, kernel_size)


def test_larger_kernels_go_to_another_backend():
    x, weight = torch.randn(1, 2, 8, 8), torch.randn(1, 1, 169, 8, 8)
    assert dynamic_conv2d(x, weight).isfinite().all()
