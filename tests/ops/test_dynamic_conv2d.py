"""The public operator: its registration, its dtypes, its memory formats, its errors."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from laconvnet.ops import BACKENDS, dynamic_conv2d, use_backend

LAYOUTS = ["interleaved", "contiguous"]


def problem(batch=2, channels=6, groups=3, kernel_size=3, height=5, width=4, **options):
    x = torch.randn(batch, channels, height, width, **options)
    weight = torch.randn(batch, groups, kernel_size**2, height, width, **options)
    return x, weight


@pytest.mark.parametrize("layout", LAYOUTS)
def test_first_and_second_derivatives(backend, widest, layout):
    if widest != torch.float64:
        pytest.skip(f"{backend} has no float64; its passes are compared with the loops")
    x, weight = problem(batch=1, channels=4, groups=2, height=3, width=3, dtype=torch.float64, requires_grad=True)

    def function(x, weight):
        return dynamic_conv2d(x, weight, group_layout=layout)

    assert torch.autograd.gradcheck(function, (x, weight))
    assert torch.autograd.gradgradcheck(function, (x, weight))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_registration(layout):
    x, weight = problem(requires_grad=True)
    torch.library.opcheck(torch.ops.laconvnet.dynamic_conv2d.default, (x, weight, layout, 0.0, None))
    torch.library.opcheck(torch.ops.laconvnet.dynamic_conv2d_grad_input.default, (x, weight, layout, 0.0, None))
    torch.library.opcheck(torch.ops.laconvnet.dynamic_conv2d_grad_weight.default, (x, x, 3, 3, layout, 0.0, None))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_accumulated_in_float32(backend, dtype):
    """Against the same half-precision inputs in float64: one rounding of the result, nothing more."""
    if reason := BACKENDS[backend].why_not(torch.zeros(1, dtype=dtype), 7):
        pytest.skip(f"{backend}: {reason}")
    x, weight = (t.to(dtype).requires_grad_() for t in problem(kernel_size=7, height=9, width=9))
    wide_x, wide_weight = (t.detach().double().requires_grad_() for t in (x, weight))
    out = dynamic_conv2d(x, weight)
    with use_backend("reference"):
        exact = dynamic_conv2d(wide_x, wide_weight)
    grad = torch.randn_like(out)
    found = [out, *torch.autograd.grad(out, (x, weight), grad)]
    with use_backend("reference"):
        wanted = [exact, *torch.autograd.grad(exact, (wide_x, wide_weight), grad.double())]
    rounding = torch.finfo(dtype).eps / 2
    for half, double in zip(found, wanted, strict=True):
        assert half.dtype == dtype
        assert ((half.double() - double).abs() <= double.abs() * rounding * 1.01 + 1e-5).all()


def test_autocast_casts_both_arguments():
    x, weight = problem(requires_grad=True)
    with torch.autocast("cpu", torch.bfloat16):
        out = dynamic_conv2d(x, weight.half())
        assert dynamic_conv2d(x.double(), weight.double()).dtype == torch.float64
    assert out.dtype == torch.bfloat16
    out.float().sum().backward()
    assert x.grad.dtype == torch.float32 and x.grad.isfinite().all()


def test_memory_formats_and_views(backend):
    x, weight = problem(kernel_size=5)
    expected = dynamic_conv2d(x, weight)
    channels_last = x.to(memory_format=torch.channels_last)
    sliced = torch.cat([x, x], 1)[:, : x.shape[1]]
    assert torch.equal(dynamic_conv2d(channels_last, weight), expected)
    assert torch.equal(dynamic_conv2d(sliced, weight.transpose(3, 4).contiguous().transpose(3, 4)), expected)
    shared = weight[:, :, :, :1, :1].expand_as(weight)
    assert torch.equal(dynamic_conv2d(x, shared), dynamic_conv2d(x, shared.contiguous()))


def test_no_output_element_is_left_unwritten(backend):
    """With deterministic algorithms torch fills fresh memory with NaN; and two runs agree to the last bit."""
    torch.use_deterministic_algorithms(True, warn_only=False)
    try:
        x, weight = problem(batch=3, kernel_size=7, height=4, width=9, requires_grad=True)
        first = torch.autograd.grad((out := dynamic_conv2d(x, weight)).sum(), (x, weight))
        second = torch.autograd.grad((again := dynamic_conv2d(x, weight)).sum(), (x, weight))
    finally:
        torch.use_deterministic_algorithms(False)
    assert out.isfinite().all() and torch.equal(out, again)
    for one, other in zip(first, second, strict=True):
        assert one.isfinite().all() and torch.equal(one, other)


def test_only_the_arguments_are_saved_for_backward():
    x, weight = problem(kernel_size=7, height=8, width=8, requires_grad=True)
    saved = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: saved.append(t) or t, lambda t: t):
        dynamic_conv2d(x, weight)
    assert sorted(t.numel() for t in saved) == sorted([x.numel(), weight.numel()])


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_plain_is_the_definition_differentiated_by_pytorch(layout, dropout):
    x, weight = problem(kernel_size=5, requires_grad=True)
    results = {}
    for name in ("reference", "plain"):
        torch.manual_seed(1)
        with use_backend(name):
            out = dynamic_conv2d(x, weight, group_layout=layout, dropout=dropout)
            results[name] = [out, *torch.autograd.grad(out, (x, weight), torch.ones_like(out))]
    for one, other in zip(results["plain"], results["reference"], strict=True):
        torch.testing.assert_close(one, other)


def test_plain_keeps_the_unfolded_picture():
    x, weight = problem(kernel_size=5, requires_grad=True)
    saved = []
    with use_backend("plain"), torch.autograd.graph.saved_tensors_hooks(lambda t: saved.append(t) or t, lambda t: t):
        dynamic_conv2d(x, weight)
    assert max(t.numel() for t in saved) == 25 * x.numel()


def test_plain_is_one_call_of_a_compiled_graph():
    x, weight = problem(requires_grad=True)
    compiled = torch.compile(lambda x, w: dynamic_conv2d(x, w), fullgraph=True, backend="aot_eager")
    with use_backend("plain"):
        out = compiled(x, weight)
        torch.testing.assert_close(out, dynamic_conv2d(x, weight))
        out.sum().backward()
    assert x.grad is not None and weight.grad is not None


def test_only_the_needed_gradient_is_computed():
    x, weight = problem()
    weight.requires_grad_()
    with FlopCounterMode(display=False) as counter:
        dynamic_conv2d(x, weight).sum().backward()
    assert counter.get_total_flops() == 2 * (2 * x.numel() * 9)


def test_flops_are_two_per_channel_tap_and_position():
    x, weight = problem(requires_grad=True)
    with FlopCounterMode(display=False) as counter:
        dynamic_conv2d(x, weight).sum().backward()
    assert counter.get_total_flops() == 3 * (2 * 2 * 6 * 5 * 4 * 9)


def test_compiles_without_graph_break():
    x, weight = problem(requires_grad=True)
    compiled = torch.compile(lambda x, w: 2 * dynamic_conv2d(x, w), fullgraph=True, backend="aot_eager")
    out = compiled(x, weight)
    assert torch.equal(out, 2 * dynamic_conv2d(x, weight))
    out.sum().backward()
    assert x.grad is not None and weight.grad is not None


def test_exports():
    class Module(torch.nn.Module):
        def forward(self, x, weight):
            return dynamic_conv2d(x, weight)

    x, weight = problem()
    program = torch.export.export(Module(), (x, weight), strict=True)
    assert torch.equal(program.module()(x, weight), dynamic_conv2d(x, weight))


def test_empty_batch(backend):
    x, weight = problem(batch=0, requires_grad=True)
    out = dynamic_conv2d(x, weight)
    out.sum().backward()
    assert out.shape == (0, 6, 5, 4) and weight.grad.shape == weight.shape


@pytest.mark.parametrize(
    ("x", "weight", "options", "error", "message"),
    [
        ((1, 4, 5, 5), (1, 3, 9, 5, 5), {}, ValueError, "3 groups, which do not divide the 4 channels"),
        ((1, 4, 5, 5), (1, 2, 16, 5, 5), {}, ValueError, "16 taps; allowed: the square of an odd"),
        ((1, 4, 5, 5), (1, 2, 8, 5, 5), {}, ValueError, "8 taps"),
        ((1, 4, 5, 5), (1, 2, 9, 5, 4), {}, ValueError, r"\(1, 4, 5, 5\).*\(1, 2, 9, 5, 4\)"),
        ((1, 4, 5, 5), (2, 2, 9, 5, 5), {}, ValueError, "batch and map size"),
        ((4, 5, 5), (1, 2, 9, 5, 5), {}, ValueError, r"x must be \(N,C,H,W\)"),
        ((1, 4, 5, 5), (1, 2, 9, 5, 5), {"group_layout": "blocks"}, ValueError, "'blocks'; allowed: interleaved"),
    ],
)
def test_bad_arguments_are_named(x, weight, options, error, message):
    with pytest.raises(error, match=message):
        dynamic_conv2d(torch.zeros(x), torch.zeros(weight), **options)


def test_dtypes_must_agree_and_float():
    x, weight = problem()
    with pytest.raises(TypeError, match=r"torch.float32 and torch.float64"):
        dynamic_conv2d(x, weight.double())
    with pytest.raises(TypeError, match=r"torch.int64"):
        dynamic_conv2d(x.long(), weight.long())


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device on this machine")
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_cuda_equals_cpu(backend, dtype):
    x, weight = problem(kernel_size=7, height=13, width=13)
    x, weight = x.to(dtype), weight.to(dtype)
    on_gpu = dynamic_conv2d(x.cuda(), weight.cuda()).cpu()
    torch.testing.assert_close(on_gpu, dynamic_conv2d(x, weight))
