"""Peak memory, in a process of its own."""

import os
from functools import partial

import pytest
import torch

from laconvnet.bench.memory import measure_memory

MIB = 2**18  # numbers of float32


def test_the_peak_is_that_of_the_run_alone():
    here = torch.ones(600 * MIB)
    memory = measure_memory("ones", partial(partial, torch.ones, 64 * MIB))
    assert 60 < memory.peak - memory.before < 160
    assert memory.before < 600 == here.numel() / MIB
    assert set(memory.row()) == {"memory_before_mib", "peak_memory_mib"}


def test_a_killed_process_is_an_error_with_its_name():
    with pytest.raises(RuntimeError, match="memory of the large one was killed"):
        measure_memory("the large one", partial(os._exit, 9))
