"""Convolutions done with less work against PyTorch's."""

import pytest
import torch
from torch import nn

from laconvnet.ops.convolution import convolve

CONVS = {
    "1x1": nn.Conv2d(8, 6, 1),
    "1x1 without bias": nn.Conv2d(8, 6, 1, bias=False),
    "1x1 with stride": nn.Conv2d(8, 6, 1, stride=2),
    "1x1 of groups": nn.Conv2d(8, 6, 1, groups=2),
    "3x3": nn.Conv2d(8, 6, 3, padding=1, bias=False),
    "dilated, and padded less": nn.Conv2d(8, 6, 3, padding=3, dilation=4, bias=False),
    **{f"dilated by {d}": nn.Conv2d(8, 6, 3, padding=d, dilation=d, bias=False) for d in (2, 4, 5, 6, 7, 9)},
}


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("size", [(7, 7), (8, 5)])
@pytest.mark.parametrize("name", CONVS)
def test_values_and_gradients(name, size, layout):
    torch.manual_seed(0)
    conv, x = CONVS[name], torch.randn(3, 8, *size).contiguous(memory_format=layout).requires_grad_()
    found, expected = convolve(conv, x), conv(x)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
    grad = torch.randn(found.shape)
    gradients = [torch.autograd.grad(out, (x, *conv.parameters()), grad) for out in (found, expected)]
    torch.testing.assert_close(*gradients, rtol=1e-4, atol=1e-5)


def test_taps_are_followed_one_by_one_only_where_they_see_little():
    for dilation, followed in ((3, False), (4, True), (6, True), (7, False)):
        x = torch.randn(2, 8, 7, 7).contiguous(memory_format=torch.channels_last).requires_grad_()
        out = convolve(nn.Conv2d(8, 6, 3, padding=dilation, dilation=dilation, bias=False), x)
        assert ("_Dilated" in out.grad_fn.name()) == followed


def test_gradcheck_twice():
    conv = nn.Conv2d(2, 3, 3, padding=2, dilation=2, bias=False).double()
    x = torch.randn(2, 2, 3, 4, dtype=torch.float64).contiguous(memory_format=torch.channels_last).requires_grad_()

    def function(x, weight):
        return torch.func.functional_call(_Convolve(conv), {"conv.weight": weight}, x)

    assert torch.autograd.gradcheck(function, (x, conv.weight))
    assert torch.autograd.gradgradcheck(function, (x, conv.weight))


class _Convolve(nn.Module):
    def __init__(self, conv):
        super().__init__()
        self.conv = conv

    def forward(self, x):
        return convolve(self.conv, x)


@pytest.mark.parametrize("name", ["1x1", "dilated by 4"])
def test_autocast_chooses_the_format(name):
    conv, x = CONVS[name], torch.randn(3, 8, 7, 7).contiguous(memory_format=torch.channels_last).requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        found = convolve(conv, x)
    assert found.dtype == torch.bfloat16
    gradients = [torch.autograd.grad(out.float().sum(), (x, conv.weight)) for out in (found, conv(x))]
    torch.testing.assert_close(*gradients, rtol=0.02, atol=0.1)


@pytest.mark.parametrize("name", CONVS)
def test_graphs(name):
    x = torch.randn(3, 8, 7, 7).contiguous(memory_format=torch.channels_last)
    torch.compiler.reset()
    compiled = torch.compile(_Convolve(CONVS[name]), backend="eager", fullgraph=True)
    torch.testing.assert_close(compiled(x), CONVS[name](x), rtol=1e-5, atol=1e-5)


def test_what_is_no_convolution():
    x = torch.randn(2, 3, 4, 4)
    assert convolve(nn.Identity(), x) is x
