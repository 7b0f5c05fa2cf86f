"""Norm, residual path and activation, in C++ and in PyTorch, against the formula."""

import copy

import pytest
import torch
from torch import nn

from laconvnet.ops import norm_act as module
from laconvnet.ops.native import library
from laconvnet.ops.norm_act import norm_act

LOADED = library.load()
FORMS = ["pytorch"] if isinstance(LOADED, str) else ["pytorch", *LOADED.capabilities]
ACTIVATIONS = [nn.SiLU(), nn.ReLU(), nn.LeakyReLU(0.1)]
native = pytest.mark.skipif(isinstance(LOADED, str), reason="the library is not built")


@pytest.fixture(params=FORMS)
def form(request, monkeypatch):
    """Everything inside the test runs in this form."""
    if request.param == "pytorch":
        monkeypatch.setattr(library, "load", lambda: "not asked for")
    else:
        monkeypatch.setenv(library.CAPABILITY_VARIABLE, request.param)
    return request.param


def make_norm(channels, **options):
    norm = nn.BatchNorm2d(channels, **options)
    with torch.no_grad():
        for tensor in (norm.weight, norm.bias, norm.running_mean):
            nn.init.uniform_(tensor, -1, 2)
    return norm


def make_map(*shape, dtype=torch.float32):
    return (2 * torch.randn(shape) + 1).to(dtype).contiguous(memory_format=torch.channels_last)


def learn(x, norm, activation, residual, grad, rectify=False):
    """The output, all gradients, and the state of the norm afterwards."""
    norm = copy.deepcopy(norm)
    inputs = [each.detach().clone().requires_grad_() for each in (x, residual) if each is not None]
    out = norm_act(inputs[0], norm, activation, *inputs[1:], rectify=rectify)
    found = torch.autograd.grad(out, [*inputs, norm.weight, norm.bias], grad)
    return [out.detach(), *found, norm.running_mean, norm.running_var], out.grad_fn


def close(found, expected, dtype):
    for one, other in zip(found, expected, strict=True):
        size = other.abs().max().clamp(min=1e-6)
        assert ((one.double() - other).abs().max() / size) < (2e-2 if dtype == torch.bfloat16 else 1e-5)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("activation", ACTIVATIONS, ids=lambda a: type(a).__name__)
@pytest.mark.parametrize("shape", [(2, 5, 3, 7), (3, 16, 1, 4), (3, 64, 9, 9), (2, 100, 17, 20), (2, 1, 300, 101)])
@pytest.mark.parametrize("with_residual", [False, True])
def test_values_gradients_and_statistics(form, dtype, activation, shape, with_residual):
    torch.manual_seed(0)
    norm, x, grad = make_norm(shape[1]), make_map(*shape, dtype=dtype), make_map(*shape, dtype=dtype)
    residual = make_map(*shape, dtype=dtype) if with_residual else None
    found, function = learn(x, norm, activation, residual, grad)
    assert ("_NormAct" in function.name()) == (form != "pytorch")
    wide = [each if each is None else each.double() for each in (x, residual, grad)]
    # Near 0, where the slope changes, a number rounded to half precision may lie on the other side.
    if dtype == torch.float32 or isinstance(activation, nn.SiLU):
        close(found, learn(wide[0], norm.double(), activation, wide[1], wide[2])[0], dtype)
    assert found[0].dtype == dtype and found[0].is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("activation", [nn.SiLU(), nn.ReLU()], ids=lambda a: type(a).__name__)
@pytest.mark.parametrize("shape", [(2, 5, 3, 7), (3, 64, 9, 9), (2, 100, 17, 20)])
def test_rectified_first(form, dtype, activation, shape):
    torch.manual_seed(0)
    norm, x, grad = make_norm(shape[1]), make_map(*shape, dtype=dtype), make_map(*shape, dtype=dtype)
    found, function = learn(x, norm, activation, None, grad, rectify=True)
    assert ("_NormAct" in function.name()) == (form != "pytorch")
    plain = x.double().requires_grad_()
    norm = norm.double()
    out = activation(norm(nn.functional.relu(plain)))
    gradients = torch.autograd.grad(out, [plain, norm.weight, norm.bias], grad.double())
    expected = [out.detach(), *gradients, norm.running_mean, norm.running_var]
    if dtype == torch.float32 or isinstance(activation, nn.SiLU):
        close(found, expected, dtype)
    assert not found[1][x <= 0].any()


def test_rectified_with_a_residual_path(form):
    norm, x, residual = make_norm(4), make_map(2, 4, 6, 6), make_map(2, 4, 6, 6)
    expected = nn.functional.silu(copy.deepcopy(norm)(nn.functional.relu(x)) + residual)
    torch.testing.assert_close(norm_act(x, norm, nn.SiLU(), residual, rectify=True), expected)


@native
@pytest.mark.parametrize("form", FORMS[1:], indirect=True)  # PyTorch's own sums of such maps are further off
def test_statistics_of_maps_far_from_zero(form):
    x = make_map(4, 3, 40, 40)
    x[:, 0] = 300 + x[:, 0] / 100
    x[:, 1] = 7.3
    norm = nn.BatchNorm2d(3, momentum=1.0)
    found = learn(x, norm, nn.ReLU(), None, x)[0]
    exact = learn(x.double(), norm.double(), nn.ReLU(), None, x.double())[0]
    torch.testing.assert_close(found[-2].double(), exact[-2], rtol=1e-6, atol=0)
    torch.testing.assert_close(found[-1].double(), exact[-1], rtol=1e-4, atol=1e-9)


def test_counting_and_momentum(form):
    norm, x = make_norm(3, momentum=0.3), make_map(2, 3, 4, 4)
    expected = copy.deepcopy(norm)
    for _ in range(2):
        norm_act(x, norm, nn.SiLU())
        expected(x)
    torch.testing.assert_close(dict(norm.named_buffers()), dict(expected.named_buffers()))


def test_predicting(form):
    norm, x, residual = make_norm(3).eval(), make_map(2, 3, 4, 4), make_map(2, 3, 4, 4)
    assert torch.equal(norm_act(x, norm, nn.SiLU(), residual), nn.functional.silu(norm(x) + residual))
    assert torch.equal(norm_act(x, nn.Identity(), nn.Identity()), x)


@pytest.mark.parametrize("shape", [(1, 6, 1, 1), (1, 1, 1, 1)])
def test_a_single_number_a_channel_is_judged_by_the_running_statistics(form, shape):
    norm, x = make_norm(shape[1]), make_map(*shape)
    before = copy.deepcopy(norm.state_dict())
    expected = nn.functional.silu(copy.deepcopy(norm).eval()(x))
    torch.testing.assert_close(norm_act(x, norm, nn.SiLU()), expected)
    torch.testing.assert_close(norm.state_dict(), before, rtol=0, atol=0)


def test_an_empty_batch(form):
    assert norm_act(torch.empty(0, 3, 4, 4), make_norm(3), nn.SiLU()).shape == (0, 3, 4, 4)


OTHERS = {
    "planes": (lambda x: x.contiguous(), {}),
    "every other row": (lambda x: x[:, :, ::2], {}),
    "double": (lambda x: x.double(), {"dtype": torch.float64}),
    "no numbers of its own": (lambda x: x, {"affine": False}),
    "no statistics": (lambda x: x, {"track_running_stats": False}),
    "mean of all steps": (lambda x: x, {"momentum": None}),
}


@pytest.mark.parametrize("name", OTHERS)
def test_what_the_compiled_kernels_do_not_take_goes_another_way(form, name):
    change, options = OTHERS[name]
    x = change(make_map(2, 4, 6, 6)).requires_grad_()
    norm = nn.BatchNorm2d(4, **options)
    out = norm_act(x, norm, nn.SiLU())
    torch.testing.assert_close(out, nn.functional.silu(copy.deepcopy(norm)(x)))
    assert "_NormAct" not in out.grad_fn.name()


@native
def test_a_residual_path_of_another_kind_goes_another_way():
    x, residual = make_map(2, 4, 6, 6, dtype=torch.bfloat16), make_map(2, 4, 6, 6)
    assert norm_act(x, make_norm(4), nn.SiLU(), residual).dtype == torch.float32
    with pytest.raises(RuntimeError, match="must match the size"):
        norm_act(make_map(2, 4, 6, 6), make_norm(4), nn.SiLU(), make_map(2, 4, 5, 6))


def test_a_gradient_in_planes(form):
    norm, x, grad = make_norm(8), make_map(2, 8, 6, 6), make_map(2, 8, 6, 6)
    found, expected = (learn(x, norm, nn.SiLU(), None, each)[0] for each in (grad.contiguous(), grad))
    torch.testing.assert_close(found, expected)


def test_only_some_gradients(form):
    norm, x = make_norm(8).requires_grad_(False), make_map(2, 8, 6, 6).requires_grad_()
    residual = make_map(2, 8, 6, 6)
    norm_act(x, norm, nn.SiLU(), residual).sum().backward()
    other = x.detach().clone().requires_grad_()
    nn.functional.silu(copy.deepcopy(norm)(other) + residual).sum().backward()
    torch.testing.assert_close(x.grad, other.grad, rtol=1e-4, atol=1e-5)
    assert norm.weight.grad is None


@pytest.mark.parametrize("activation", ACTIVATIONS, ids=lambda a: type(a).__name__)
@pytest.mark.parametrize("rectify", [False, True])
def test_second_derivatives(form, activation, rectify):
    torch.manual_seed(0)
    norm, maps = make_norm(3), [make_map(2, 3, 4, 4) for _ in range(1 if rectify else 2)]
    seconds = []
    for plain in (False, True):
        inputs = [each.clone().requires_grad_() for each in maps]
        own = copy.deepcopy(norm)
        if plain:
            out = activation(own(inputs[0].relu()) if rectify else own(inputs[0]) + inputs[1])
        else:
            out = norm_act(inputs[0], own, activation, *inputs[1:], rectify=rectify)
        first = torch.autograd.grad(out.square().sum(), [*inputs, own.weight], create_graph=True)
        total = sum(each.square().sum() for each in first)
        seconds.append(torch.autograd.grad(total, [*inputs, own.weight, own.bias]))
    torch.testing.assert_close(seconds[0], seconds[1], rtol=1e-3, atol=1e-3)


def test_gradcheck_by_the_definition():
    norm, x = make_norm(3).double(), make_map(2, 3, 3, 3, dtype=torch.float64).requires_grad_()
    residual = make_map(2, 3, 3, 3, dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(lambda x, r: norm_act(x, norm, nn.SiLU(), r), (x, residual))
    weight, bias = (each.detach().clone().requires_grad_() for each in (norm.weight, norm.bias))
    for slope, rectify in ((None, False), (0.1, False), (None, True)):

        def gradients(grad, x, weight, bias, residual, slope=slope, rectify=rectify):
            return module._differentiable_gradients(grad, x, weight, bias, residual, 1e-5, slope, rectify)

        grad = make_map(2, 3, 3, 3, dtype=torch.float64).requires_grad_()
        assert torch.autograd.gradcheck(gradients, (grad, x, weight, bias, residual))


@native
def test_graphs_and_transforms_are_left_to_pytorch():
    norm, x = make_norm(4), make_map(2, 4, 6, 6)
    compiled = torch.compile(lambda x: norm_act(x, norm, nn.SiLU()), backend="eager", fullgraph=True)
    torch.testing.assert_close(compiled(x), nn.functional.silu(norm(x)))
    frozen = copy.deepcopy(norm)
    frozen.track_running_stats = False
    gradient = torch.func.grad(lambda x: norm_act(x, frozen, nn.SiLU()).sum())(x)
    assert gradient.shape == x.shape


@native
def test_the_sums_do_not_depend_on_the_number_of_threads():
    norm, x, grad = make_norm(40), make_map(4, 40, 33, 33), make_map(4, 40, 33, 33)
    threads = torch.get_num_threads()
    try:
        results = []
        for count in (1, 3):
            torch.set_num_threads(count)
            results.append(learn(x, norm, nn.SiLU(), None, grad)[0])
    finally:
        torch.set_num_threads(threads)
    assert all(torch.equal(one, other) for one, other in zip(*results, strict=True))
