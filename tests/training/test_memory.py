"""Memory that a step has freed."""

import ctypes
import subprocess
import sys

import pytest

from laconvnet.training.memory import keep_freed_memory

STEPS = """
import resource, sys
import torch
from laconvnet.training.memory import keep_freed_memory

if sys.argv[1] == "keep":
    assert keep_freed_memory()
for step in range(24):
    if step == 20:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    torch.ones(16 * 2**20)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def test_freed_memory_serves_the_next_request():
    if not hasattr(ctypes.CDLL(None), "gnu_get_libc_version"):
        pytest.skip("needs glibc")
    keep, give_back = (
        int(subprocess.run([sys.executable, "-c", STEPS, how], check=True, capture_output=True, text=True).stdout)
        for how in ("keep", "give back")
    )
    # 64 MiB are 16,384 pages of 4 KiB, or 32 of 2 MiB, in each of four steps.
    assert 4 * keep < give_back


def test_another_c_library(monkeypatch):
    monkeypatch.setattr(ctypes, "CDLL", lambda name: object())
    assert not keep_freed_memory()
