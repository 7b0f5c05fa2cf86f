"""A network made ready for predicting answers as before."""

import copy

import pytest
import torch
from torch import nn

from laconvnet import build_model
from laconvnet.models import compile_look, prepare_for_inference

HEADS = ("rec", "res", "no_target", "answer")


@pytest.fixture(scope="module")
def model():
    """With norms that have seen pictures, so that folding them changes weights."""
    torch.manual_seed(0)
    model = build_model("n", HEADS, vocabulary=range(50), num_answers=3)
    for _ in range(3):
        model(torch.rand(4, 3, 64, 64), torch.randint(1, 50, (4, 5)))
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, -0.5, 1.5)  # falling ones included
            nn.init.uniform_(module.bias, -0.5, 0.5)
    return model.eval()


@pytest.fixture
def inputs():
    return torch.rand(2, 3, 64, 96), torch.randint(1, 50, (2, 5))


def test_float32_answers_are_the_same(model, inputs):
    prepared = prepare_for_inference(model)
    with torch.no_grad():
        expected, found = model(*inputs), prepared(*inputs)
    assert set(found) == set(expected) > set(HEADS)
    for head in expected:
        torch.testing.assert_close(found[head], expected[head], rtol=1e-4, atol=1e-4)


def test_no_norm_remains(model):
    prepared = prepare_for_inference(model)
    assert not any(isinstance(m, nn.BatchNorm2d) for m in prepared.modules())
    assert any(isinstance(m, nn.BatchNorm2d) for m in model.modules()), "the given network was changed"
    assert not any(p.requires_grad for p in prepared.parameters())


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_near_and_gives_float32(model, inputs, dtype):
    prepared = prepare_for_inference(model, dtype=dtype)
    assert prepared.dtype == dtype and prepared.text.embedding.weight.dtype == torch.float32
    with torch.no_grad():
        expected, found = model(*inputs), prepared(*inputs)
    for head in HEADS:
        assert found[head].dtype == torch.float32
        scale = expected[head].abs().mean()
        assert (found[head] - expected[head]).abs().mean() < 20 * torch.finfo(dtype).eps * scale


def test_layers_that_give_numbers_stay_in_float32(model):
    prepared = prepare_for_inference(model, dtype=torch.bfloat16)
    for name in ("no_target", "answer"):
        assert {p.dtype for p in prepared.heads[name].parameters()} == {torch.float32}
    kept = {name for name, p in prepared.heads.named_parameters() if p.dtype == torch.float32}
    assert {name.split(".")[1] for name in kept if name.startswith(("rec", "res"))} == {"box", "objectness", "out"}
    assert {p.dtype for p in prepared.neck.parameters()} == {torch.bfloat16}


def test_preparing_what_is_prepared_changes_nothing(model, inputs):
    once = prepare_for_inference(model)
    with torch.no_grad():
        torch.testing.assert_close(prepare_for_inference(once)(*inputs)["rec"], once(*inputs)["rec"])


def test_what_was_read_before_serves_many_pictures(model):
    prepared = prepare_for_inference(model)
    images, tokens = torch.rand(3, 3, 64, 64), torch.randint(1, 50, (1, 5))
    with torch.no_grad():
        reading = prepared.read(tokens)
        together, each = prepared.look(images, reading), prepared(images, tokens.expand(3, -1))
    for head in HEADS:
        torch.testing.assert_close(together[head], each[head], rtol=1e-4, atol=1e-4)


def test_the_way_of_the_pictures_is_one_graph_for_all_numbers_of_pictures_and_words(model):
    graphs = []

    def backend(graph, _inputs):
        graphs.append(graph)
        return graph

    torch.compiler.reset()
    prepared = prepare_for_inference(model)
    look = compile_look(prepared, backend=backend)
    with torch.no_grad():
        for pictures, words in [(2, 5), (2, 6), (3, 7), (4, 8), (5, 9), (2, 12), (6, 15), (3, 4), (7, 2)]:
            images, tokens = torch.rand(pictures, 3, 64, 96), torch.randint(1, 50, (pictures, words))
            expected = model(images, tokens)["rec"]
            torch.testing.assert_close(look(images, prepared.read(tokens))["rec"], expected, rtol=1e-3, atol=1e-4)
    assert len(graphs) <= 4


def test_only_a_network_can_be_prepared(model):
    with pytest.raises(TypeError, match="only a LaConvNet can be made ready for predicting, not Sequential"):
        prepare_for_inference(nn.Sequential(model))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_blocks_on_the_pooled_sentence(inputs, dtype):
    model = build_model("n", vocabulary=range(50), backbone={"block": "sentence"})
    with torch.no_grad():
        assert prepare_for_inference(model, dtype=dtype)(*inputs)["rec"].isfinite().all()


def test_sentences_that_do_not_fit_the_pictures_are_named(model):
    with torch.no_grad():
        reading = model.read(torch.randint(1, 50, (3, 5)))
        with pytest.raises(ValueError, match="3 sentences for 2 pictures; give one each, or one for all"):
            model.look(torch.rand(2, 3, 64, 64), reading)


def test_other_dtypes_are_refused(model):
    with pytest.raises(ValueError, match=r"dtype is torch.float64; allowed: torch.float32, torch.bfloat16"):
        prepare_for_inference(model, dtype=torch.float64)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_a_network_that_is_in_half_precision_already(model, inputs, dtype):
    """Prepared before or after, for half precision or not: right, never garbage."""
    images, tokens = inputs
    with torch.no_grad():
        expected = model(images, tokens)["rec"]
        for prepared in (
            prepare_for_inference(copy.deepcopy(model).to(dtype), dtype=dtype),
            prepare_for_inference(model).to(dtype),
        ):
            found = prepared(images.to(dtype), tokens)["rec"].float()
            assert (found - expected).abs().mean() < 40 * torch.finfo(dtype).eps * expected.abs().mean()


def test_the_gradient_of_the_picture(model, inputs):
    images, tokens = inputs
    checkpointing = copy.deepcopy(model)
    checkpointing.set_grad_checkpointing()
    gradients = []
    for network in (model, prepare_for_inference(model), prepare_for_inference(checkpointing)):
        picture = images.clone().requires_grad_()
        network(picture, tokens)["rec"].sum().backward()
        gradients.append(picture.grad)
    torch.testing.assert_close(gradients[1], gradients[0], rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(gradients[2], gradients[1])
