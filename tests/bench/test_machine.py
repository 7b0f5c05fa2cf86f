"""The machine, its threads, and number formats."""

import os
from pathlib import Path

import pytest
import torch

from laconvnet.bench.machine import empty_compile_cache, use_threads
from laconvnet.models import named_dtype


def test_threads_are_put_back():
    before = torch.get_num_threads()
    with use_threads(3):
        assert torch.get_num_threads() == 3
        with use_threads(None):
            assert torch.get_num_threads() == 3
    assert torch.get_num_threads() == before


def test_an_empty_cache_for_a_while(monkeypatch):
    variable = "TORCHINDUCTOR_CACHE_DIR"
    for before in ("elsewhere", None):
        monkeypatch.setenv(variable, before) if before else monkeypatch.delenv(variable)
        with pytest.raises(ZeroDivisionError), empty_compile_cache():
            folder = Path(os.environ[variable])
            assert list(folder.iterdir()) == []
            raise ZeroDivisionError
        assert os.environ.get(variable) == before and not folder.exists()


def test_number_formats_have_names():
    assert named_dtype("bfloat16") is torch.bfloat16
    with pytest.raises(ValueError, match="one of float32, bfloat16, float16, got 'int8'"):
        named_dtype("int8")
