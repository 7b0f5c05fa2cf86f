"""One pass over a product's result, in C++ and in PyTorch, against the formulas."""

import pytest
import torch
from torch.nn.functional import silu

from laconvnet.ops.epilogue import affine_silu_, unpack_tokens
from laconvnet.ops.native import library

LOADED = library.load()
FORMS = ["pytorch"] if isinstance(LOADED, str) else ["pytorch", *LOADED.capabilities]
DTYPES = [torch.float32, torch.bfloat16]


@pytest.fixture(params=FORMS)
def form(request, monkeypatch):
    """Everything inside the test runs in this form."""
    if request.param == "pytorch":
        monkeypatch.setattr(library, "load", lambda: "not asked for")
    else:
        monkeypatch.setenv(library.CAPABILITY_VARIABLE, request.param)


def close(found, expected):
    """Equal to a few units in the last place of the dtype found."""
    assert found.dtype in DTYPES
    tolerance = 4 * torch.finfo(found.dtype).eps
    torch.testing.assert_close(found.float(), expected.float(), rtol=tolerance, atol=tolerance, equal_nan=True)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("pixels", [(1, 1), (1, 15), (4, 4), (13, 13), (1, 17), (67, 101)])
@pytest.mark.parametrize("parts", [(), ("shift",), ("scale",), ("scale", "shift"), ("scale", "shift", "residual")])
def test_affine_silu(form, dtype, pixels, parts):
    x, residual = (torch.randn(2, 3, *pixels).mul(3).to(dtype) for _ in range(2))
    scale, shift = torch.randn(3), torch.randn(3)
    expected = x.double()
    if "scale" in parts:
        expected = expected * scale[:, None, None]
    if "shift" in parts:
        expected = expected + shift[:, None, None]
    if "residual" in parts:
        expected = expected + residual
    given = {"scale": scale, "shift": shift, "residual": residual}
    kept = residual.clone()
    # In PyTorch every step is rounded to bfloat16: an error of a step of what was added.
    found = affine_silu_(x.clone(), **{part: given[part] for part in parts})
    tolerance = 4 * torch.finfo(dtype).eps
    torch.testing.assert_close(found.double(), silu(expected), rtol=tolerance, atol=8 * tolerance)
    assert found.dtype == dtype and torch.equal(residual, kept)


@pytest.mark.parametrize("dtype", DTYPES)
def test_silu_from_end_to_end(form, dtype):
    ends = [0.0, -0.0, 1e-30, -1e-30, 80.0, 86.9, 87.1, 88.0, 89.0, 1e4, 1e30, torch.inf, torch.nan]
    x = torch.cat([torch.linspace(-90, 90, 4001), torch.tensor(ends), -torch.tensor(ends[4:-2])]).to(dtype)
    close(affine_silu_(x.clone()[None, None, None])[0, 0, 0], silu(x.double()))


def test_what_is_not_finite_stays_where_it_is(form):
    x = torch.randn(1, 2, 5, 9)
    x[0, 1, 2, 3] = torch.nan
    assert affine_silu_(x.clone()).isnan().nonzero().tolist() == [[0, 1, 2, 3]]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("packing", "channels"), [(1, 5), (2, 16), (4, 24), (8, 3), (8, 200)])
def test_unpack_tokens(form, dtype, packing, channels):
    packed = torch.randn(2, 3, 5, packing, packing, channels).to(dtype)
    bias, low = torch.randn(packing, packing, channels), -torch.rand(channels)
    high = torch.where(torch.rand(channels) < 0.5, 0.5, torch.inf)
    found = unpack_tokens(packed, bias, low, high)
    assert found.shape == (2, 3 * packing, 5 * packing, channels)
    for n, y, x in [(0, 0, 0), (1, 3 * packing - 1, 5 * packing - 1), (1, packing, 2 * packing - 1)]:
        token = packed[n, y // packing, x // packing, y % packing, x % packing].float()
        value = (token + bias[y % packing, x % packing]).clamp(low, high)
        torch.testing.assert_close(found[n, y, x].float(), value, rtol=0, atol=4 * torch.finfo(dtype).eps)


def test_empty_batches(form):
    assert affine_silu_(torch.empty(0, 3, 4, 4)).shape == (0, 3, 4, 4)
    assert affine_silu_(torch.empty(2, 3, 0, 4)).shape == (2, 3, 0, 4)
    packed, ends = torch.empty(0, 2, 2, 4, 4, 3), torch.zeros(3)
    assert unpack_tokens(packed, torch.zeros(4, 4, 3), ends, ends).shape == (0, 8, 8, 3)
    nothing = torch.empty(1, 2, 2, 4, 4, 0), torch.zeros(4, 4, 0), torch.zeros(0), torch.zeros(0)
    assert unpack_tokens(*nothing).shape == (1, 8, 8, 0)


def test_maps_that_are_not_in_one_piece(form):
    x, residual = torch.randn(2, 8, 6, 4).transpose(1, 3), torch.randn(2, 4, 6, 8)
    close(affine_silu_(x.clone(), residual=residual), silu(x + residual))
    close(
        affine_silu_(x.contiguous(), residual=residual.transpose(2, 3).contiguous().transpose(2, 3)), silu(x + residual)
    )


def test_what_is_to_be_differentiated_is(form):
    x = torch.randn(1, 2, 3, 3, requires_grad=True)
    scale = torch.tensor([2.0, 3.0])
    affine_silu_(x * 1, scale=scale).sum().backward()
    expected = torch.autograd.grad(silu(x * scale[:, None, None]).sum(), x)[0]
    torch.testing.assert_close(x.grad, expected)


def test_numbers_of_another_kind(form):
    """What the compiled kernels do not read goes another way to the same answer."""
    x, scale = torch.randn(2, 3, 4, 4), torch.randn(6)
    expected = silu(x * scale[::2, None, None])
    close(affine_silu_(x.clone(), scale=scale[::2]), expected)
    close(affine_silu_(x.clone(), scale=scale[::2].double()), expected)
    residual = torch.randn(1, 3, 1, 1)
    close(affine_silu_(x.clone(), residual=residual), silu(x + residual))
    close(affine_silu_(x.clone(), residual=residual.bfloat16()), silu(x + residual.bfloat16()))
    packed, bias = torch.randn(1, 2, 2, 2, 2, 3), torch.randn(3, 2, 2).permute(1, 2, 0)
    low, high = torch.zeros(3), torch.full((3,), torch.inf)
    close(unpack_tokens(packed, bias, low, high), unpack_tokens(packed, bias.contiguous(), low, high))


@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")
def test_what_is_traced_or_transformed(form):
    x, shift = torch.randn(2, 3, 4, 4), torch.randn(3)
    expected = silu(x + shift[:, None, None])
    traced = torch.jit.trace(lambda x: affine_silu_(x * 1, shift=shift), x, check_trace=False)
    close(traced(x), expected)
    close(torch.func.vmap(lambda x: affine_silu_(x[None] * 1, shift=shift)[0])(x), expected)
    _, tangent = torch.func.jvp(lambda x: affine_silu_(x * 1, shift=shift), (x,), (torch.ones_like(x),))
    assert tangent.abs().min() > 0
