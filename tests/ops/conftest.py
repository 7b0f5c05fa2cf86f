"""The backends that can run here, one by one."""

import pytest
import torch

from laconvnet.ops import BACKENDS, use_backend


@pytest.fixture(params=BACKENDS)
def backend(request):
    """Everything inside the test runs on this backend; skipped with its own reason where it cannot run."""
    if reason := BACKENDS[request.param].why_not(torch.zeros(1), 3):
        pytest.skip(f"{request.param}: {reason}")
    with use_backend(request.param):
        yield request.param


@pytest.fixture
def widest(backend):
    """The most precise dtype the backend has, for comparisons with exact results."""
    exact = BACKENDS[backend].why_not(torch.zeros(1, dtype=torch.float64), 3) is None
    return torch.float64 if exact else torch.float32
