"""The assembled network: its outputs, its contracts, its configuration."""

import pytest
import torch

from laconvnet import build_model
from laconvnet.models import PRESETS, ModelConfig

VOCABULARY = range(20)
TOKENS = torch.tensor([[3, 7, 4], [9, 2, 0]])


@pytest.mark.parametrize("preset", ["n", "t"])
def test_outputs_by_head(preset):
    model = build_model(preset, ("rec", "res"), vocabulary=VOCABULARY).eval()
    outputs = model(torch.rand(2, 3, 64, 96), TOKENS)
    assert {name: tuple(out.shape) for name, out in outputs.items()} == {"rec": (2, 5, 2, 3), "res": (2, 1, 64, 96)}


def test_the_sentence_changes_the_answer_and_padding_does_not():
    """With the statistics of the batch: those of a fresh network, 0 and 1, would hide every difference."""
    quiet = {"attention_dropout": 0.0, "kernel_dropout": 0.0}
    model = build_model("n", vocabulary=VOCABULARY, backbone=quiet, language={"dropout": 0.0})
    images = torch.rand(1, 3, 64, 64).expand(2, -1, -1, -1)
    out = model(images, TOKENS)["rec"]
    padded = model(images, torch.nn.functional.pad(TOKENS, (0, 5)))["rec"]
    by_padding, by_sentence = (padded - out).abs().max(), (out[0] - out[1]).abs().max()
    assert by_padding < 1e-4 and by_sentence > 0.1


@pytest.mark.parametrize("tasks", [("rec",), ("res",), ("rec", "res")])
@pytest.mark.parametrize("mask_path", [True, False])
def test_every_parameter_that_asks_for_a_gradient_gets_one(tasks, mask_path):
    model = build_model("n", tasks, vocabulary=VOCABULARY, neck={"mask_path": mask_path})
    outputs = model(torch.rand(2, 3, 64, 64), TOKENS)
    sum(out.square().mean() for out in outputs.values()).backward()
    without = [name for name, p in model.named_parameters() if p.requires_grad and p.grad is None]
    assert without == []


def test_size_must_be_a_multiple_of_32():
    model = build_model("n", vocabulary=VOCABULARY)
    with pytest.raises(ValueError, match=r"\(1, 3, 64, 60\); height and width must be multiples of 32"):
        model(torch.rand(1, 3, 64, 60), TOKENS[:1])


@pytest.mark.parametrize(
    ("preset", "overrides", "message"),
    [
        ("xl", {}, "unknown preset 'xl'; allowed: s, b, s_paper"),
        ("n", {"backbone": {"kernal": []}}, "backbone.kernal: Extra inputs"),
        ("n", {"backbone": {"groups": [3, 2, 4, 4, 8]}}, "stage 1: groups 3 does not divide its 8 channels"),
        ("n", {"backbone": {"kernels": [[], [4], [5], [5], [5]]}}, r"stage 2: kernel sizes \(4,\); allowed: odd"),
        ("n", {"backbone": {"packing": [8, 4, 2, 1, 2]}}, "stage 5: packing 2 does not divide 1"),
        ("n", {"backbone": {"condition_dims": [32, 32, 32, 30, 32]}}, "stage 4: condition width 30"),
        ("n", {"language": {"rnn": "transformer"}}, "language.rnn.*'gru' or 'lstm'"),
    ],
)
def test_bad_settings_are_named(preset, overrides, message):
    with pytest.raises(ValueError, match=message):
        build_model(preset, vocabulary=VOCABULARY, **overrides)


def test_unknown_and_doubled_heads_are_refused():
    with pytest.raises(ValueError, match="tasks"):
        build_model("n", ("boxes",), vocabulary=VOCABULARY)
    with pytest.raises(ValueError, match="name one twice"):
        build_model("n", ("rec", "rec"), vocabulary=VOCABULARY)


@pytest.mark.parametrize("preset", PRESETS)
def test_configuration_survives_json(preset):
    with torch.device("meta"):
        config = build_model(preset, vocabulary=VOCABULARY).config
    assert ModelConfig.model_validate_json(config.model_dump_json()) == config


def test_trains_under_autocast():
    model = build_model("n", vocabulary=VOCABULARY)
    with torch.autocast("cpu", torch.bfloat16):
        out = model(torch.rand(2, 3, 64, 64), TOKENS)["rec"]
    out.float().square().mean().backward()
    assert all(p.grad.isfinite().all() for p in model.parameters() if p.grad is not None)


def test_compiles_without_graph_break():
    model = build_model("n", vocabulary=VOCABULARY).eval()
    images = torch.rand(2, 3, 64, 64)
    with torch._dynamo.config.patch(allow_rnn=True):
        compiled = torch.compile(model, fullgraph=True, backend="eager")
        torch.testing.assert_close(compiled(images, TOKENS)["rec"], model(images, TOKENS)["rec"])


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_gradient_checkpointing_changes_nothing_but_memory(dtype):
    results = []
    for enable in (False, True):
        torch.manual_seed(0)
        model = build_model("n", ("rec", "res"), vocabulary=VOCABULARY)
        model.set_grad_checkpointing(enable)
        with torch.autocast("cpu", dtype, enabled=dtype != torch.float32):
            outputs = model(torch.rand(2, 3, 64, 64), TOKENS)
        sum(output.float().square().mean() for output in outputs.values()).backward()
        gradients = {name: parameter.grad for name, parameter in model.named_parameters() if parameter.requires_grad}
        results.append((gradients, model.state_dict()))
    torch.testing.assert_close(results[1], results[0], rtol=0, atol=0)
