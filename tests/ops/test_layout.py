"""Maps turned from one layout to the other and back."""

import pytest
import torch

from laconvnet.ops.layout import channels_last, has_channels_last, in_planes, laid_out_like
from laconvnet.ops.native import library

LOADED = library.load()
SHAPES = [(2, 3, 5, 7), (3, 8, 4, 4), (2, 33, 9, 17), (1, 100, 32, 32), (2, 64, 64, 1), (2, 16, 31, 33), (0, 3, 4, 4)]


@pytest.fixture(params=["pytorch"] if isinstance(LOADED, str) else ["pytorch", "native"])
def form(request, monkeypatch):
    """Everything inside the test runs in this form."""
    if request.param == "pytorch":
        monkeypatch.setattr(library, "load", lambda: "not asked for")
    return request.param


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("shape", SHAPES)
def test_there_and_back(form, dtype, shape):
    x = torch.randn(shape).to(dtype)
    last = channels_last(x)
    assert torch.equal(last, x) and last.is_contiguous(memory_format=torch.channels_last)
    planes = in_planes(last)
    assert torch.equal(planes, x) and planes.is_contiguous()
    assert laid_out_like(x, planes) is x
    assert has_channels_last(laid_out_like(x, last)) == has_channels_last(last)


def test_what_lies_so_already_is_not_copied(form):
    x = torch.randn(2, 3, 4, 5)
    last = channels_last(x)
    assert in_planes(x) is x and channels_last(last) is last
    assert has_channels_last(last) and not has_channels_last(x)
    both = torch.randn(2, 3, 1, 1)
    assert in_planes(both) is both and channels_last(both) is both and not has_channels_last(both)


def test_maps_of_neither_layout(form):
    x = torch.randn(2, 3, 8, 10)[:, :, ::2]
    assert torch.equal(in_planes(x), x) and torch.equal(channels_last(x), x)
    assert channels_last(x).is_contiguous(memory_format=torch.channels_last) and in_planes(x).is_contiguous()


@pytest.mark.parametrize("spread", [False, True])
def test_gradients_lie_as_the_map_did(form, spread):
    x = torch.randn(2, 8, 4, 6, requires_grad=True)
    last = channels_last(x.detach()).requires_grad_()
    grad = torch.randn(2, 8, 1, 1).expand(2, 8, 4, 6) if spread else torch.randn(2, 8, 4, 6)
    for out, source in ((channels_last(x), x), (in_planes(last), last)):
        (found,) = torch.autograd.grad(out, source, grad)
        assert torch.equal(found, grad)
        assert form == "pytorch" or found.stride() == source.stride()


def test_gradients_of_any_order(form):
    x = torch.randn(1, 2, 3, 4, dtype=torch.float32, requires_grad=True)
    first = torch.autograd.grad(channels_last(x).pow(3).sum(), x, create_graph=True)[0]
    torch.testing.assert_close(torch.autograd.grad(first.sum(), x)[0], 6 * x.detach())


def test_graphs_and_transforms(form):
    x = torch.randn(2, 3, 4, 5)
    turn = torch.compile(lambda x: in_planes(channels_last(x) + 1), backend="eager", fullgraph=True)
    assert torch.equal(turn(x), x + 1)
    assert torch.equal(torch.func.grad(lambda x: channels_last(x).square().sum())(x), 2 * x)
