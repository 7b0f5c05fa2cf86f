"""The machine, its threads, and number formats."""

import pytest
import torch

from laconvnet.bench.machine import use_threads
from laconvnet.models import named_dtype


def test_threads_are_put_back():
    before = torch.get_num_threads()
    with use_threads(3):
        assert torch.get_num_threads() == 3
        with use_threads(None):
            assert torch.get_num_threads() == 3
    assert torch.get_num_threads() == before


def test_number_formats_have_names():
    assert named_dtype("bfloat16") is torch.bfloat16
    with pytest.raises(ValueError, match="one of float32, bfloat16, float16, got 'int8'"):
        named_dtype("int8")
