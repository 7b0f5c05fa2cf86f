"""When a call may go straight to a kernel."""

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.autograd import forward_ad
from torch.utils.flop_counter import FlopCounterMode

from laconvnet.ops import dynamic_conv2d
from laconvnet.ops.eager import is_eager, is_unrecorded


def test_plain_memory_is_recorded_by_nobody():
    x, weight = torch.zeros(2), torch.nn.Parameter(torch.zeros(2), requires_grad=False)
    assert is_eager(x, weight) and is_unrecorded(x, weight)
    with torch.inference_mode():
        assert is_unrecorded(torch.zeros(2))


def test_a_gradient_records_unless_it_is_off():
    x = torch.zeros(2, requires_grad=True)
    assert is_eager(x) and not is_unrecorded(x)
    with torch.no_grad():
        assert is_unrecorded(x)


def test_what_is_no_memory_is_left_to_pytorch():
    assert not is_unrecorded(torch.zeros(2, device="meta"))
    with FakeTensorMode():
        assert not is_unrecorded(torch.zeros(2))


@pytest.mark.parametrize("mode", [FlopCounterMode(display=False), torch.device("cpu")], ids=["dispatch", "function"])
def test_modes_see_what_is_done(mode):
    x = torch.zeros(2)
    with mode:
        assert not is_unrecorded(x)
    assert is_unrecorded(x)


def test_transforms_and_forward_derivatives_see_what_is_done():
    seen = []
    torch.func.vmap(lambda x: seen.append((is_eager(x), is_unrecorded(x))) or x)(torch.zeros(2, 2))
    with forward_ad.dual_level():
        seen.append((is_eager(torch.zeros(2)), is_unrecorded(torch.zeros(2))))
    assert seen == [(False, False)] * 2


def test_the_direct_call_gives_what_the_registered_operator_gives():
    x, weight = torch.randn(2, 8, 6, 5), torch.randn(2, 4, 9, 6, 5)
    assert is_unrecorded(x, weight)
    registered = torch.ops.laconvnet.dynamic_conv2d(x, weight, "interleaved", 0.0, None)
    assert torch.equal(dynamic_conv2d(x, weight), registered)
