"""The Triton kernels against the definition, on a GPU or in Triton's interpreter; `test_triton.py` runs this file.

The interpreter takes milliseconds for every line of a kernel, so the problems are small and each covers much.
"""

import math
import os

import pytest
import torch

from laconvnet.ops import BACKENDS, dynamic_conv2d, reference, use_backend
from laconvnet.ops import triton as backend
from laconvnet.ops.backends import Backend
from laconvnet.ops.dropout import Dropout

INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
DEVICE = "cpu" if INTERPRETED else "cuda"

HALF, BRAIN, FULL = torch.float16, torch.bfloat16, torch.float32


@pytest.fixture(autouse=True)
def one_program_a_group(monkeypatch):
    """Small problems would be split among as many programs as a GPU has room for; the interpreter runs them in turn."""
    if INTERPRETED:
        monkeypatch.setattr(backend, "_WARPS", 1)


def problem(batch, groups, per_group, kernel_size, height, width, dtype=FULL):
    """x, weight and the gradient of out."""
    channels = groups * per_group
    shapes = (batch, channels, height, width), (batch, groups, kernel_size**2, height, width)
    x, weight = (torch.randn(shape, device=DEVICE).to(dtype) for shape in shapes)
    return x, weight, torch.randn_like(x)


def everything(module, x, weight, grad, layout="interleaved", dropout=None):
    groups, kernel_size = weight.shape[1], math.isqrt(weight.shape[2])
    return (
        module.forward(x, weight, layout, dropout),
        module.grad_input(grad, weight, layout, dropout),
        module.grad_weight(grad, x, groups, kernel_size, layout, dropout),
    )


def check(x, weight, grad, layout="interleaved", p=0.0):
    dropout = Dropout(p, torch.tensor(0x3DCB_A987_8765_4321, device=DEVICE)) if p else None
    found = everything(backend, x, weight, grad, layout, dropout)
    wanted = everything(reference, x.double(), weight.double(), grad.double(), layout, dropout)
    for one, exact in zip(found, wanted, strict=True):
        assert one.dtype == x.dtype and one.shape == exact.shape and one.is_contiguous()
        # One rounding of a sum made in float32; the interpreter cuts bfloat16 off instead of rounding it.
        rounding = torch.finfo(x.dtype).eps / (1 if INTERPRETED and x.dtype == BRAIN else 2)
        assert ((one.double() - exact).abs() <= 1.01 * rounding * exact.abs() + 5e-5).all()


@pytest.mark.parametrize(
    ("shape", "dtype", "layout", "p"),
    [
        pytest.param(case[:6], *case[6:], id="N{}-G{}-J{}-K{}-{}x{}-{}-{}-{}".format(*case))
        for case in [
            # N, G, J, K, H, W: an even width takes the path of words of two pixels, if K <= 7
            (2, 2, 3, 3, 5, 6, FULL, "interleaved", 0),
            (1, 2, 2, 7, 3, 4, FULL, "contiguous", 0),
            (1, 1, 1, 7, 5, 3, FULL, "interleaved", 0.1),
            (1, 1, 2, 9, 3, 4, FULL, "interleaved", 0),
            (1, 1, 1, 11, 1, 1, FULL, "contiguous", 0),
            (2, 1, 5, 1, 3, 4, FULL, "interleaved", 0.5),
            (1, 2, 1, 3, 1, 1, FULL, "contiguous", 0),
            (1, 2, 4, 3, 3, 4, HALF, "contiguous", 0),
            (1, 1, 2, 5, 3, 3, HALF, "interleaved", 0.7),
            (1, 1, 4, 7, 1, 6, HALF, "interleaved", 0),
            (2, 1, 4, 3, 2, 6, BRAIN, "interleaved", 0.3),
            (1, 2, 3, 3, 5, 3, BRAIN, "contiguous", 0),
            (1, 1, 2, 7, 4, 6, BRAIN, "contiguous", 0),
        ]
    ],
)
def test_definition(shape, dtype, layout, p):
    check(*problem(*shape, dtype), layout, p)


def test_several_programs_a_map():
    check(*problem(1, 1, 1, 3, 33, 40))


@pytest.mark.parametrize("width", [5, 6])
def test_every_tiling_computes_the_same_bits(monkeypatch, width):
    x, weight, grad = problem(1, 1, 2, 3, 4, width, BRAIN)
    first = everything(backend, x, weight, grad)
    monkeypatch.setattr(backend, "_ENTRIES", 18)  # of several rows, one
    monkeypatch.setattr(backend, "_WARPS", 1000)  # of all channels of a group in a program, one
    second = everything(backend, x, weight, grad)
    monkeypatch.setattr(backend, "_can_pair", lambda tensor: False)
    third = everything(backend, x, weight, grad)
    for one, two, three in zip(first, second, third, strict=True):
        assert torch.equal(one, two) and torch.equal(one, three)


def test_a_last_program_with_fewer_channels(monkeypatch):
    monkeypatch.setattr(backend, "_WARPS", 2)
    check(*problem(1, 1, 5, 1, 1, 4))


def test_memory_formats_and_views():
    x, weight, grad = problem(1, 1, 2, 3, 3, 4)
    expected = everything(backend, x, weight, grad)
    last = {"memory_format": torch.channels_last}
    mirrored = weight.transpose(3, 4).contiguous().transpose(3, 4)
    padded = (torch.nn.functional.pad(t, (1, 2, 1, 0), value=torch.nan)[..., 1:, 1:-2] for t in (x, weight, grad))
    for views in (x.to(**last), mirrored, grad.to(**last)), tuple(padded):
        assert not any(t.is_contiguous() for t in views)
        for one, other in zip(everything(backend, *views), expected, strict=True):
            assert torch.equal(one, other)
    one_kernel, one_number = weight[:1, :, :, :1, :1].expand_as(weight), grad[:1, :1, :1, :1].expand_as(grad)
    check(x, one_kernel, one_number)
    x, weight, grad = problem(2, 1, 2, 1, 1, 4)
    check(x, weight[:1].expand_as(weight), grad)


def test_offsets_beyond_32_bits():
    """Rows 2**30 numbers apart: memory that is reserved, and hardly touched."""
    if DEVICE == "cuda" and torch.cuda.mem_get_info()[0] < 6 * 2**30:
        pytest.skip("needs 6 GiB of GPU memory")
    x, weight, grad = problem(1, 1, 1, 3, 3, 3, HALF)
    apart = torch.empty(2**31 + 4, dtype=HALF, device=DEVICE).as_strided(x.shape, (0, 0, 2**30, 1)).copy_(x)
    check(apart, weight, grad)


def test_empty():
    for shape in (0, 2, 2, 3, 4, 4), (2, 2, 2, 3, 0, 4):
        x, weight, grad = problem(*shape)
        out, grad_x, grad_weight = everything(backend, x, weight, grad)
        assert out.shape == grad_x.shape == x.shape and grad_weight.shape == weight.shape
    assert not backend.grad_weight(*(torch.ones(1, 0, 2, 2, device=DEVICE),) * 2, 1, 3, "interleaved").any()


def test_every_element_is_written_and_every_run_the_same():
    """With deterministic algorithms torch fills fresh memory with NaN."""
    x, weight, grad = problem(1, 1, 2, 3, 3, 2, HALF)
    torch.use_deterministic_algorithms(True)
    try:
        first, second = (everything(backend, x, weight, grad) for _ in range(2))
    finally:
        torch.use_deterministic_algorithms(False)
    for one, other in zip(first, second, strict=True):
        assert one.isfinite().all() and torch.equal(one, other)


@pytest.mark.parametrize("width", [4, 5])
def test_what_is_not_finite_spreads_as_in_the_definition(width):
    x, weight, grad = problem(1, 1, 1, 3, 4, width)
    x[0, 0, 1, 0] = torch.nan  # where a row ends and where one begins, neighbours in memory alone
    weight[0, 0, :, 2, width - 1] = torch.inf
    grad[0, 0, 1, width - 1] = torch.inf
    for one, other in zip(everything(backend, x, weight, grad), everything(reference, x, weight, grad), strict=True):
        assert one.isfinite().any()
        torch.testing.assert_close(one, other, equal_nan=True, rtol=1e-4, atol=1e-5)


def test_as_the_backend_of_the_public_operator(monkeypatch):
    functions = backend.forward, backend.grad_input, backend.grad_weight, backend.why_not
    monkeypatch.setitem(BACKENDS, "triton", Backend("triton", "", *functions))
    x, weight, grad = problem(1, 2, 1, 3, 4, 4)
    results = {}
    for name in "triton", "reference":
        with use_backend(name):
            leaves = x.clone().requires_grad_(), weight.clone().requires_grad_()
            out = dynamic_conv2d(*leaves, group_layout="contiguous")
            results[name] = out, *torch.autograd.grad(out, leaves, grad)
    for one, other in zip(*results.values(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


on_a_gpu = pytest.mark.skipif(INTERPRETED, reason="too large for the interpreter")


@on_a_gpu
@pytest.mark.parametrize("dtype", [FULL, HALF, BRAIN])
@pytest.mark.parametrize("p", [0, 0.1])
@pytest.mark.parametrize(
    "shape",
    [
        (2, 4, 4, 3, 208, 208),
        (2, 4, 16, 7, 104, 104),
        (2, 8, 16, 7, 52, 52),
        (2, 8, 32, 7, 26, 26),
        (3, 16, 32, 7, 13, 13),
    ],
)
def test_stages(shape, p, dtype):
    check(*problem(*shape, dtype), p=p)


@on_a_gpu
def test_more_than_32_bits_of_kernel_entries():
    """2.5e9 entries, each of the last sample's an offset past 2**32 bytes and 2**31 entries."""
    if torch.cuda.mem_get_info()[0] < 24 * 2**30:
        pytest.skip("needs 24 GiB of GPU memory")
    x, _, grad = problem(8, 1, 1, 7, 2560, 2560, HALF)
    weight = torch.empty(8, 1, 49, 2560, 2560, dtype=HALF, device=DEVICE).normal_()
    assert weight.numel() > 2**31
    for one, other in zip(
        everything(backend, x, weight, grad), everything(backend, x[-1:], weight[-1:], grad[-1:]), strict=True
    ):
        assert torch.equal(one[-1:], other)


@on_a_gpu
def test_replays_in_a_cuda_graph():
    x, weight, grad = problem(2, 4, 16, 7, 26, 26, BRAIN)
    expected = everything(backend, x, weight, grad)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        captured = everything(backend, x, weight, grad)
    graph.replay()
    for one, other in zip(captured, expected, strict=True):
        assert torch.equal(one, other)


@on_a_gpu
def test_the_host_does_not_wait():
    x, weight, grad = problem(2, 2, 2, 3, 8, 8)
    dropout = Dropout(0.2, torch.tensor(5, device=DEVICE))
    everything(backend, x, weight, grad, dropout=dropout)
    torch.cuda.set_sync_debug_mode("error")
    try:
        assert backend.why_not(x, 3) is None
        everything(backend, x, weight, grad, dropout=dropout)
    finally:
        torch.cuda.set_sync_debug_mode("default")
