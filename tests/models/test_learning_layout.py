"""What a network does otherwise where it learns on a CPU changes nothing but the rounding."""

import copy

import pytest
import torch
import torch.nn.functional as F

from laconvnet import build_model
from laconvnet.models.backbone import space_to_depth
from laconvnet.models.heads import MaskHead, _enlarge
from laconvnet.ops.layout import channels_last, has_channels_last
from laconvnet.ops.native import library

HEADS = ("rec", "res", "no_target", "answer")


def learn(network, images, tokens, autocast=False):
    """Losses' gradients and the state after a step."""
    network = copy.deepcopy(network)
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        outputs = network(images, tokens)
    sum(value.float().square().mean() for value in outputs.values()).backward()
    gradients = {name: p.grad for name, p in network.named_parameters() if p.grad is not None}
    return {name: value.detach().float() for name, value in outputs.items()}, gradients, dict(network.named_buffers())


@pytest.fixture(scope="module")
def case():
    torch.manual_seed(0)
    options = {"backbone": {"kernel_dropout": 0.0, "block": {"attention_dropout": 0.0}}, "language": {"dropout": 0.0}}
    network = build_model("n", HEADS, vocabulary=range(50), num_answers=3, **options)
    return network, torch.rand(4, 3, 96, 64), torch.randint(1, 50, (4, 5))


@pytest.mark.skipif(isinstance(library.load(), str), reason="the library is not built")
def test_a_step_is_that_of_plain_pytorch(case, monkeypatch):
    found = learn(*case)
    monkeypatch.setattr("laconvnet.models.backbone.channels_last", lambda x: x)
    monkeypatch.setattr(library, "load", lambda: "not asked for")
    expected = learn(*case)
    torch.testing.assert_close(found[0], expected[0], rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(found[2], expected[2], rtol=1e-3, atol=1e-4)
    for name, gradient in expected[1].items():
        difference = (found[1][name] - gradient).norm() / gradient.norm().clamp(min=1e-5)
        assert difference < 0.02, name


@pytest.mark.skipif(isinstance(library.load(), str), reason="the library is not built")
def test_half_precision_is_as_near_as_that_of_plain_pytorch(case, monkeypatch):
    exact, found = learn(*case)[0], learn(*case, autocast=True)
    monkeypatch.setattr("laconvnet.models.backbone.channels_last", lambda x: x)
    monkeypatch.setattr(library, "load", lambda: "not asked for")
    plain = learn(*case, autocast=True)[0]
    ours, theirs = (
        sum((outputs[head] - value).norm() / value.norm() for head, value in exact.items())
        for outputs in (found[0], plain)
    )
    assert ours < 1.5 * theirs
    assert all(gradient.isfinite().all() for gradient in found[1].values())


def test_channels_lie_last_from_end_to_end(case):
    network, images, tokens = case
    maps = network.backbone(images, network.read(tokens).memories)
    assert len(maps) == 5 and all(has_channels_last(each) for each in maps.values())
    with torch.no_grad():
        predicting = copy.deepcopy(network).eval()
        maps = predicting.backbone(images, predicting.read(tokens).memories)
    assert not has_channels_last(maps[2])


def test_space_to_depth_in_both_layouts():
    x = torch.randn(2, 5, 6, 8, requires_grad=True)
    planes, last = space_to_depth(x), space_to_depth(channels_last(x))
    assert torch.equal(planes, last) and has_channels_last(last)
    assert torch.equal(planes[:, 5:10], x[:, :, 1::2, ::2])
    gradients = [torch.autograd.grad(out.square().sum(), x)[0] for out in (planes, last)]
    torch.testing.assert_close(*gradients)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_enlarging_by_matrices(dtype):
    x = torch.randn(2, 1, 5, 7, dtype=dtype)
    expected = F.interpolate(x, scale_factor=8.0, mode="bilinear", align_corners=True)
    assert torch.equal(_enlarge(x, 8), expected)
    found = _enlarge(x.requires_grad_(), 8)
    torch.testing.assert_close(found, expected)
    grad = torch.randn(found.shape, dtype=dtype)
    again = F.interpolate(x, scale_factor=8.0, mode="bilinear", align_corners=True)
    torch.testing.assert_close(*(torch.autograd.grad(out, x, grad)[0] for out in (found, again)))


def test_enlarging_is_exact_under_autocast():
    head, x = MaskHead(8, 4, (2, 3)), torch.rand(2, 8, 6, 6)
    with torch.autocast("cpu", torch.bfloat16):
        logits = head(x)
    assert logits.shape == (2, 1, 48, 48) and logits.dtype == torch.float32
