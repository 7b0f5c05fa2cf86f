"""Which kernel entries are dropped."""

import pytest
import torch

from laconvnet.ops import dynamic_conv2d, use_backend
from laconvnet.ops.dropout import Dropout


def factors(p, seed, shape, first_sample=0):
    return Dropout(p, torch.tensor(seed)).apply(torch.ones(shape), first_sample)


def mix(bits):
    bits ^= bits >> 16
    bits = bits * 0x7FEB352D % 2**32
    bits ^= bits >> 15
    bits = bits * 0x846CA68B % 2**32
    return bits ^ bits >> 16


def test_the_factors_are_those_of_the_definition():
    seed = 0x0123_4567_89AB_CDEF
    found = factors(0.3, seed, (2, 2, 9, 3, 5)).view(36, 15)
    for plane in range(36):
        key = mix((mix((plane ^ seed) % 2**32) + (seed >> 32)) % 2**32)
        for pixel in range(15):
            dropped = mix((pixel + key) % 2**32) < 0.3 * 2**32
            assert found[plane, pixel].item() == pytest.approx(0 if dropped else 1 / 0.7)


@pytest.mark.parametrize("p", [0.0, 0.1, 0.5, 0.9])
def test_the_rate_is_p_everywhere_and_the_mean_is_kept(p):
    shape = torch.Size((4, 4, 49, 40, 40))
    found = factors(p, 7, shape)
    stays = (found > 0).double()
    assert found.double().mean().item() == pytest.approx(1, abs=0.01)
    assert (stays.mean((3, 4)) - (1 - p)).abs().max() < 6 * (p * (1 - p) / 1600) ** 0.5 + 1e-9
    assert (stays.mean((0, 1, 2)) - (1 - p)).abs().max() < 6 * (p * (1 - p) / 784) ** 0.5 + 1e-9


def test_neighbours_planes_and_seeds_are_unrelated():
    shape = torch.Size((2, 2, 49, 32, 32))
    one, other = (factors(0.5, seed, shape) - 1 for seed in (3, 4))
    pairs = [(one, other), (one[0], one[1]), (one[:, 0], one[:, 1]), (one[:, :, :-1], one[:, :, 1:])]
    pairs += [(one[..., :-1, :], one[..., 1:, :]), (one[..., :-1], one[..., 1:]), (one[..., :-8], one[..., 8:])]
    for left, right in pairs:
        assert abs((left * right).mean().item()) < 5 / left.numel() ** 0.5


def test_a_later_chunk_continues_the_first():
    whole = factors(0.4, 2**62 + 5, (5, 2, 9, 4, 3))
    assert torch.equal(factors(0.4, 2**62 + 5, (2, 2, 9, 4, 3), first_sample=3), whole[3:])


def test_factors_are_exact_whatever_the_default_dtype():
    torch.set_default_dtype(torch.bfloat16)
    try:
        found = Dropout(0.1, torch.tensor(1)).apply(torch.ones(1, 1, 9, 4, 4, dtype=torch.float32))
    finally:
        torch.set_default_dtype(torch.float32)
    assert found.dtype == torch.float32 and found.max().item() == pytest.approx(1 / 0.9, rel=1e-6)


def test_a_dropped_entry_is_zero_even_if_it_was_not_finite(backend):
    x, weight, seed = torch.ones(1, 1, 5, 5), torch.full((1, 1, 9, 5, 5), torch.inf), torch.tensor(3)
    x[..., 0, 0] = torch.nan
    out = torch.ops.laconvnet.dynamic_conv2d(x, weight, "interleaved", 0.99, seed)
    with use_backend("reference"):
        expected = torch.ops.laconvnet.dynamic_conv2d(x, weight, "interleaved", 0.99, seed)
    assert out.isnan().any() or (out == 0).any()
    torch.testing.assert_close(out, expected, equal_nan=True)


@pytest.mark.parametrize("layout", ["interleaved", "contiguous"])
def test_dropping_is_convolving_with_the_kernels_that_stay(backend, layout):
    x, weight = torch.randn(3, 6, 5, 19, requires_grad=True), torch.randn(3, 2, 25, 5, 19, requires_grad=True)
    seed = torch.tensor(99)
    out = torch.ops.laconvnet.dynamic_conv2d(x, weight, layout, 0.3, seed)
    found = [out, *torch.autograd.grad(out, (x, weight), torch.ones_like(out))]
    with use_backend("reference"):
        out = dynamic_conv2d(x, Dropout(0.3, seed).apply(weight), group_layout=layout)
        wanted = [out, *torch.autograd.grad(out, (x, weight), torch.ones_like(out))]
    for one, other in zip(found, wanted, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


def test_derivatives_with_dropout(backend, widest):
    if widest != torch.float64:
        pytest.skip(f"{backend} has no float64")
    x = torch.randn(1, 4, 3, 3, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(1, 2, 9, 3, 3, dtype=torch.float64, requires_grad=True)

    def function(x, weight):
        return torch.ops.laconvnet.dynamic_conv2d(x, weight, "interleaved", 0.4, torch.tensor(5))

    assert torch.autograd.gradcheck(function, (x, weight))
    assert torch.autograd.gradgradcheck(function, (x, weight))


def test_draws_follow_the_generator_of_pytorch():
    x, weight = torch.randn(1, 4, 6, 6), torch.randn(1, 2, 9, 6, 6)
    torch.manual_seed(1)
    first, second = dynamic_conv2d(x, weight, dropout=0.5), dynamic_conv2d(x, weight, dropout=0.5)
    torch.manual_seed(1)
    assert torch.equal(dynamic_conv2d(x, weight, dropout=0.5), first) and not torch.equal(first, second)


@pytest.mark.parametrize("dropout", [-0.1, 1.0, float("nan")])
def test_impossible_probabilities_are_refused(dropout):
    with pytest.raises(ValueError, match=r"dropout is .*; allowed: 0 <= dropout < 1"):
        dynamic_conv2d(torch.zeros(1, 1, 1, 1), torch.zeros(1, 1, 1, 1, 1), dropout=dropout)
