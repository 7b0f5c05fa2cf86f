"""The product that writes planes against a convolution."""

import pytest
import torch
import torch.nn.functional as F

from laconvnet.ops.planes import pointwise_planes


def inputs(dtype=torch.float32):
    generator = torch.Generator().manual_seed(0)
    x, weight, bias = (torch.randn(shape, generator=generator).to(dtype) for shape in ((3, 8, 4, 5), (6, 8), (6,)))
    return (
        x.contiguous(memory_format=torch.channels_last).requires_grad_(),
        weight.requires_grad_(),
        bias.requires_grad_(),
    )


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_it_is_a_convolution(layout):
    x, weight, bias = inputs()
    x = x.detach().contiguous(memory_format=layout).requires_grad_()
    found, expected = pointwise_planes(x, weight, bias), F.conv2d(x, weight[:, :, None, None], bias)
    torch.testing.assert_close(found, expected)
    assert found.is_contiguous()
    grad = torch.randn(found.shape)
    gradients = [torch.autograd.grad(out, (x, weight, bias), grad) for out in (found, expected)]
    torch.testing.assert_close(*gradients)
    assert gradients[0][0].is_contiguous(memory_format=torch.channels_last)


def test_gradcheck_twice():
    given = inputs(torch.float64)
    assert torch.autograd.gradcheck(pointwise_planes, given)
    assert torch.autograd.gradgradcheck(pointwise_planes, given)


def test_only_some_gradients():
    x, weight, bias = inputs()
    pointwise_planes(x, weight.detach(), bias).sum().backward()
    assert x.grad is not None and bias.grad is not None and weight.grad is None


def test_autocast_chooses_the_format():
    x, weight, bias = inputs()
    with torch.autocast("cpu", torch.bfloat16):
        found = pointwise_planes(x, weight, bias)
    assert found.dtype == torch.bfloat16
    found.float().sum().backward()
    assert {each.grad.dtype for each in (x, weight, bias)} == {torch.float32}
    torch.testing.assert_close(found.float(), pointwise_planes(x, weight, bias), rtol=0.02, atol=0.05)


def test_graphs_and_transforms():
    x, weight, bias = (each.detach() for each in inputs())
    compiled = torch.compile(pointwise_planes, backend="eager", fullgraph=True)
    torch.testing.assert_close(compiled(x, weight, bias), pointwise_planes(x, weight, bias))
    found = torch.func.grad(lambda w: pointwise_planes(x, w, bias).sum())(weight)
    torch.testing.assert_close(found, x.sum((0, 2, 3)).expand(6, -1))
