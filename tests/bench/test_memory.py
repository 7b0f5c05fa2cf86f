"""Peak memory, in a process of its own."""

import os
from functools import partial
from types import SimpleNamespace

import pytest
import torch

from laconvnet.bench import measure_memory

MIB = 2**18  # numbers of float32


def test_the_peak_is_that_of_the_run_alone():
    here = torch.ones(600 * MIB)
    memory = measure_memory(SimpleNamespace(name="ones", device="cpu", build=partial(partial, torch.ones, 64 * MIB)))
    assert 60 < memory.peak - memory.before < 160
    assert memory.before < 600 == here.numel() / MIB
    assert set(memory.row()) == {"memory_before_mib", "peak_memory_mib"}


def test_a_killed_process_is_an_error_with_its_name():
    dying = SimpleNamespace(name="the large one", device="cpu", build=partial(os._exit, 9))
    with pytest.raises(RuntimeError, match="memory of the large one was killed"):
        measure_memory(dying)
