"""What is particular to the compiled kernels: instruction sets, blocks, threads, addresses."""

import pytest
import torch

from laconvnet.ops import native, reference
from laconvnet.ops.dropout import Dropout
from laconvnet.ops.native import library

LOADED = library.load()
pytestmark = pytest.mark.skipif(isinstance(LOADED, str), reason=f"native: {LOADED}")
CAPABILITIES = [] if isinstance(LOADED, str) else list(LOADED.capabilities)

# batch, groups, channels of a group, height, width, kernel_size: single pixels, kernels larger than the map, every
# remainder of rows and channels, several blocks of rows and of columns.
SHAPES = [
    (2, 4, 4, 20, 33, 7),
    (1, 2, 1, 5, 3, 3),
    (2, 3, 5, 13, 13, 7),
    (1, 1, 7, 1, 1, 11),
    (2, 2, 3, 30, 150, 5),
    (1, 2, 16, 26, 26, 9),
    (1, 3, 2, 9, 17, 1),
    (1, 1, 4, 31, 300, 11),
    (1, 2, 32, 13, 13, 7),
]


def passes(backend, x, weight, grad, layout, dropout):
    groups, kernel_size = weight.shape[1], round(weight.shape[2] ** 0.5)
    return (
        backend.forward(x, weight, layout, dropout),
        backend.grad_input(grad, weight, layout, dropout),
        backend.grad_weight(grad, x, groups, kernel_size, layout, dropout),
    )


def problem(shape, dtype=torch.float32):
    batch, groups, per_group, height, width, kernel_size = shape
    x, grad = torch.randn(2, batch, groups * per_group, height, width).to(dtype)
    return x, torch.randn(batch, groups, kernel_size**2, height, width).to(dtype), grad


@pytest.mark.parametrize("dtype", native.DTYPES)
@pytest.mark.parametrize("layout", ["interleaved", "contiguous"])
@pytest.mark.parametrize("shape", SHAPES, ids="N{0[0]}-G{0[1]}-J{0[2]}-H{0[3]}-W{0[4]}-K{0[5]}".format)
@pytest.mark.parametrize("capability", CAPABILITIES)
def test_every_instruction_set_computes_the_definition(monkeypatch, capability, shape, layout, dtype):
    monkeypatch.setenv(library.CAPABILITY_VARIABLE, capability)
    operands = problem(shape, dtype)
    for dropout in None, Dropout(0.3, torch.tensor(2**61 + 17)):
        found = passes(native, *operands, layout, dropout)
        wanted = passes(reference, *(t.double() for t in operands), layout, dropout)
        for one, exact in zip(found, wanted, strict=True):
            rounding = torch.finfo(dtype).eps / 2 if dtype == torch.bfloat16 else 0
            assert ((one.double() - exact).abs() <= exact.abs() * rounding * 1.01 + 1e-4).all()


def test_the_number_of_threads_does_not_change_a_bit():
    operands = problem((3, 2, 8, 40, 200, 7))
    one = passes(native, *operands, "interleaved", None)
    torch.set_num_threads(3)
    try:
        three = passes(native, *operands, "interleaved", None)
    finally:
        torch.set_num_threads(1)
    for left, right in zip(one, three, strict=True):
        assert torch.equal(left, right)


def test_threads_of_its_own_where_pytorch_has_none_to_share():
    operands = problem((3, 2, 8, 40, 200, 7))
    one = passes(native, *operands, "interleaved", None)
    handle = library.handle()
    handle.laconvnet_use_openmp(None)
    torch.set_num_threads(3)
    try:
        three = passes(native, *operands, "interleaved", None)
    finally:
        torch.set_num_threads(1)
        library.share_threads(handle)
    for left, right in zip(one, three, strict=True):
        assert torch.equal(left, right)


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_what_lies_outside_a_row_or_the_map_does_not_leak(value):
    """Kernels beside and below the one that is not finite, and the pixels behind the end of a row, stay finite."""
    x, weight, grad = problem((1, 1, 4, 6, 21, 5))
    weight[..., 0, 20] = value  # what the taps of the row below would read, were rows not separate
    for found, exact in zip(
        passes(native, x, weight, grad, "interleaved", None),
        passes(reference, x, weight, grad, "interleaved", None),
        strict=True,
    ):
        assert torch.equal(found.isfinite(), exact.isfinite())


def test_nan_survives_the_rounding_to_bfloat16():
    x, weight, _ = problem((1, 1, 1, 1, 2, 1), torch.bfloat16)
    x[..., 0] = torch.nan
    out = native.forward(x, weight, "interleaved")
    assert out[..., 0].isnan() and out[..., 1].isfinite()


def test_any_strides():
    x, weight, grad = problem((2, 2, 3, 9, 20, 5))
    wanted = passes(native, x, weight, grad, "interleaved", None)
    views = [t.to(memory_format=torch.channels_last) for t in (x, grad)]
    moved = weight.permute(4, 2, 0, 3, 1).contiguous().permute(2, 4, 1, 3, 0)
    wide = torch.randn(2, 6, 9, 40)
    wide[..., ::2] = x
    for image, kernels, incoming in [(views[0], moved, views[1]), (wide[..., ::2], weight, grad)]:
        for one, other in zip(wanted, passes(native, image, kernels, incoming, "interleaved", None), strict=True):
            assert torch.equal(one, other)


def test_addresses_past_two_to_the_31():
    """Two samples 2**31 elements apart; only the ends of the memory between them are touched."""
    far = 2**31
    memory = torch.empty(far + 1000, dtype=torch.bfloat16)
    x = memory.as_strided((2, 4, 5, 6), (far, 30, 6, 1))
    weight = memory.as_strided((2, 2, 9, 5, 6), (far, 270, 30, 6, 1), 200)
    x.copy_(torch.randn(x.shape))
    weight.copy_(torch.randn(weight.shape))
    near_x, near_weight = x.contiguous(), weight.contiguous()
    for one, other in zip(
        passes(native, x, weight, x, "interleaved", None),
        passes(native, near_x, near_weight, near_x, "interleaved", None),
        strict=True,
    ):
        assert torch.equal(one, other)


def test_empty_maps():
    for shape in [(0, 2, 2, 3, 3, 3), (1, 2, 2, 0, 3, 3), (1, 2, 2, 3, 0, 3)]:
        x, weight, grad = problem(shape)
        assert [t.shape for t in passes(native, x, weight, grad, "interleaved", None)] == [
            x.shape,
            x.shape,
            weight.shape,
        ]
