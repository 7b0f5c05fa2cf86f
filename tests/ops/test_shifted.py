"""What is particular to the shifted path: chunks of a batch, and values past a row's end."""

import pytest
import torch

from laconvnet.ops import reference, shifted


@pytest.mark.parametrize("layout", ["interleaved", "contiguous"])
def test_chunks_do_not_change_a_bit(monkeypatch, layout):
    x, weight, grad = torch.randn(5, 6, 7, 4), torch.randn(5, 3, 25, 7, 4), torch.randn(5, 6, 7, 4)

    def everything():
        return (
            shifted.forward(x, weight, layout),
            shifted.grad_input(grad, weight, layout),
            shifted.grad_weight(grad, x, 3, 5, layout),
        )

    whole = everything()
    monkeypatch.setattr(shifted, "_CHUNK", 1)
    for one, other in zip(whole, everything(), strict=True):
        assert torch.equal(one, other)


def test_an_infinite_kernel_does_not_leak_past_its_position():
    x, weight = torch.ones(1, 1, 3, 4), torch.zeros(1, 1, 9, 3, 4)
    weight[..., 4, :, :] = 1
    weight[0, 0, 4, 1, 3] = torch.inf  # the last column, beside the cells that are cut off
    out = shifted.forward(x, weight, "interleaved")
    assert out.isinf().sum() == 1 and out[0, 0, 1, 3].isinf()
    assert torch.equal(out, reference.forward(x, weight, "interleaved"))
