"""A network made ready for predicting answers as before."""

import pytest
import torch
from torch import nn

from laconvnet import build_model
from laconvnet.models import prepare_for_inference

TASKS = ("rec", "res")


@pytest.fixture(scope="module")
def model():
    """With norms that have seen pictures, so that folding them changes weights."""
    torch.manual_seed(0)
    model = build_model("n", TASKS, vocabulary=range(50))
    for _ in range(3):
        model(torch.rand(4, 3, 64, 64), torch.randint(1, 50, (4, 5)))
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -0.5, 0.5)
    return model.eval()


@pytest.fixture
def inputs():
    return torch.rand(2, 3, 64, 96), torch.randint(1, 50, (2, 5))


def test_float32_answers_are_the_same(model, inputs):
    prepared = prepare_for_inference(model)
    with torch.no_grad():
        expected, found = model(*inputs), prepared(*inputs)
    for task in TASKS:
        torch.testing.assert_close(found[task], expected[task], rtol=1e-4, atol=1e-4)


def test_only_norms_without_a_convolution_before_them_remain(model):
    norms = [name for name, m in prepare_for_inference(model).named_modules() if isinstance(m, nn.BatchNorm2d)]
    assert norms and all(name.endswith(("conv.generator.norm", ".norm")) for name in norms)
    assert any(isinstance(m, nn.BatchNorm2d) for m in model.neck.modules()), "the given network was changed"
    assert not any(p.requires_grad for p in prepare_for_inference(model).parameters())


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_near_and_gives_float32(model, inputs, dtype):
    prepared = prepare_for_inference(model, dtype=dtype)
    assert prepared.dtype == dtype and prepared.text.embedding.weight.dtype == torch.float32
    with torch.no_grad():
        expected, found = model(*inputs), prepared(*inputs)
    for task in TASKS:
        assert found[task].dtype == torch.float32
        scale = expected[task].abs().mean()
        assert (found[task] - expected[task]).abs().mean() < 20 * torch.finfo(dtype).eps * scale


def test_what_was_read_before_serves_many_pictures(model):
    prepared = prepare_for_inference(model)
    images, tokens = torch.rand(3, 3, 64, 64), torch.randint(1, 50, (1, 5))
    with torch.no_grad():
        reading = prepared.read(tokens)
        together = prepared.look(images, reading)["rec"]
        torch.testing.assert_close(together, prepared(images, tokens.expand(3, -1))["rec"], rtol=1e-4, atol=1e-4)


def test_the_way_of_the_pictures_is_one_graph(model, inputs):
    prepared = prepare_for_inference(model, compile={"backend": "aot_eager"})
    with torch.no_grad():
        torch.testing.assert_close(prepared(*inputs)["rec"], model(*inputs)["rec"], rtol=1e-4, atol=1e-4)


def test_other_dtypes_are_refused(model):
    with pytest.raises(ValueError, match=r"dtype is torch.float64; allowed: torch.float32, torch.bfloat16"):
        prepare_for_inference(model, dtype=torch.float64)
