"""The assembled network: its outputs, its contracts, its configuration."""

import pytest
import torch

from laconvnet import build_model
from laconvnet.models import PRESETS, ModelConfig

VOCABULARY = range(20)
TOKENS = torch.tensor([[3, 7, 4], [9, 2, 0]])
ANSWERS = ("yes", "no", "red")
ALL = ("rec", "res", "gres", "vqa")


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


@pytest.mark.parametrize(
    ("tasks", "outputs"),
    [
        (("gres",), {"res": (2, 1, 64, 96)}),
        (("vqa",), {"answer": (2, 3)}),
        (("vqa", "rec"), {"rec": (2, 5, 2, 3), "answer": (2, 3)}),
        (
            ("rec", "res", "gres", "vqa"),
            {"rec": (2, 5, 2, 3), "res": (2, 1, 64, 96), "no_target": (2,), "answer": (2, 3)},
        ),
    ],
)
def test_every_task_brings_its_heads(tasks, outputs):
    head = {"no_target": "no_target" in outputs}
    answers = ANSWERS if "vqa" in tasks else ()
    model = build_model("n", tasks, vocabulary=VOCABULARY, head=head, answers=answers).eval()
    with torch.no_grad():
        found = model(torch.rand(2, 3, 64, 96), TOKENS)
    pooled = {f"{name}_attention": (2, 2, 3) for name in ("no_target", "answer") if name in outputs}
    assert {name: tuple(out.shape) for name, out in found.items()} == outputs | pooled
    assert model.config.heads == tuple(outputs) == tuple(model.heads)


def test_answers_alone_need_no_neck():
    model = build_model("n", ("vqa",), vocabulary=VOCABULARY, answers=ANSWERS)
    assert not model.config.has_neck
    assert {name.partition(".")[0] for name, _ in model.named_parameters()} == {"text", "backbone", "heads"}


@pytest.mark.parametrize(
    ("preset", "rnn", "millions"),
    [("s", "lstm", 19.19), ("b", "lstm", 30.82), ("s", "gru", 18.77), ("b", "gru", 30.41)],
)
def test_answering_has_the_parameters_of_the_paper(preset, rnn, millions):
    """19 and 31 million for CLEVR's 28 answers (Tab. 7), without word vectors and what no output reads."""
    with torch.device("meta"):
        answers = tuple(str(number) for number in range(28))
        model = build_model(preset, ("vqa",), vocabulary=VOCABULARY, language={"rnn": rnn}, answers=answers)
    counted = [
        p.numel() for name, p in model.named_parameters() if not name.startswith(("text.embedding", "text.pooling"))
    ]
    assert sum(counted) / 1e6 == pytest.approx(millions, abs=0.005)


def test_widths_of_the_answer_head_can_be_chosen():
    head = {"answer_dim": 40, "answer_hidden_dim": 24}
    perceptron = (
        build_model("n", ("vqa",), vocabulary=VOCABULARY, answers=ANSWERS, head=head).heads["answer"].perceptron
    )
    assert (perceptron[0].in_features, perceptron[0].out_features, perceptron[3].out_features) == (40, 24, 3)
    default = build_model("n", ("vqa",), vocabulary=VOCABULARY, answers=ANSWERS).heads["answer"].perceptron
    assert (default[0].in_features, default[0].out_features) == (256, 512)


@pytest.mark.parametrize(("stride", "width"), [(8, 32), (16, 64), (32, 128)])
def test_answers_are_read_from_the_map_of_the_stride(stride, width):
    head = {"answer_stride": stride, "no_target": True}
    model = build_model("n", ("gres", "vqa"), vocabulary=VOCABULARY, answers=ANSWERS, head=head).eval()
    seen = []
    for name in ("answer", "no_target"):
        model.heads[name].register_forward_pre_hook(lambda module, inputs: seen.append(tuple(inputs[0].shape)))
    with torch.no_grad():
        model(torch.rand(2, 3, 64, 96), TOKENS)
    assert seen == [(2, width, 64 // stride, 96 // stride)] * 2


@pytest.mark.parametrize(("stride", "width"), [(8, 32 + 8 + 16 + 32), (16, 64 + 8 + 16 + 32 + 64), (32, 128 + 120)])
def test_answers_may_also_be_read_from_the_stages_on_the_way(stride, width):
    head = {"answer_stride": stride, "answer_hypercolumn": True}
    model = build_model("n", ("res", "vqa"), vocabulary=VOCABULARY, answers=ANSWERS, head=head).eval()
    stages, seen = [], []
    model.backbone.register_forward_hook(lambda module, inputs, output: stages.extend(output))
    model.heads["answer"].register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    with torch.no_grad():
        outputs = model(torch.rand(2, 3, 64, 96), TOKENS)
    (column,) = seen
    assert column.shape == (2, width, 64 // stride, 96 // stride) and outputs["answer"].shape == (2, 3)
    begin = model.config.backbone.dims[{8: 2, 16: 3, 32: 4}[stride]]
    first = stages[0].unfold(2, stride // 2, stride // 2).unfold(3, stride // 2, stride // 2).mean((-2, -1))
    torch.testing.assert_close(column[:, begin : begin + 8], first)
    assert outputs["answer_attention"].shape == (2, 64 // stride, 96 // stride)


def test_answers_alone_bring_the_neck_they_read():
    model = build_model("n", ("vqa",), vocabulary=VOCABULARY, answers=ANSWERS, head={"answer_stride": 16})
    assert model.config.has_neck and not hasattr(model, "mask_path")


def test_one_sentence_for_many_pictures_and_padding_change_no_output():
    model = build_model("n", ALL, vocabulary=VOCABULARY, answers=ANSWERS, head={"no_target": True}).eval()
    images, tokens = torch.rand(3, 3, 64, 64), TOKENS[:1]
    with torch.no_grad():
        each = model(images, tokens.expand(3, -1))
        padded = torch.nn.functional.pad(tokens, (0, 4))
        for one in (model.look(images, model.read(tokens)), model(images, padded.expand(3, -1))):
            for name, expected in each.items():
                torch.testing.assert_close(one[name], expected, rtol=1e-4, atol=1e-5)


def test_picture_and_sentence_change_the_answer():
    quiet = {"attention_dropout": 0.0, "kernel_dropout": 0.0}
    model = build_model(
        "n",
        ("gres", "vqa"),
        vocabulary=VOCABULARY,
        answers=ANSWERS,
        backbone=quiet,
        language={"dropout": 0.0},
        head={"no_target": True},
    )
    one = torch.rand(2, 3, 64, 64)
    same_picture = model(one[:1].expand(2, -1, -1, -1), TOKENS)
    same_sentence = model(one, TOKENS[:1].expand(2, -1))
    for outputs in (same_picture, same_sentence):
        for name in ("answer", "no_target"):
            assert (outputs[name][0] - outputs[name][1]).abs().max() > 1e-3


@pytest.mark.parametrize("tasks", [("rec",), ("res",), ("rec", "res"), ("vqa",), ("vqa", "gres"), ALL])
@pytest.mark.parametrize("mask_path", [True, False])
@pytest.mark.parametrize("answer_stride", [8, 16, 32])
@pytest.mark.parametrize("hypercolumn", [True, False])
def test_every_parameter_that_asks_for_a_gradient_gets_one(tasks, mask_path, answer_stride, hypercolumn):
    model = build_model(
        "n",
        tasks,
        vocabulary=VOCABULARY,
        neck={"mask_path": mask_path},
        head={"no_target": "gres" in tasks, "answer_stride": answer_stride, "answer_hypercolumn": hypercolumn},
        answers=ANSWERS if "vqa" in tasks else (),
    )
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


@pytest.mark.parametrize(
    ("tasks", "overrides", "message"),
    [
        (("rec",), {"answers": ANSWERS}, "task vqa needs answers, and no other does; got 3 of them"),
        (("vqa",), {}, "task vqa needs answers, and no other does; got 0 of them"),
        (("vqa",), {"answers": ("yes", "no", "yes")}, "answers name one twice"),
        (("res", "rec"), {"head": {"no_target": True}}, r"head.no_target is for task gres, .* among \['res', 'rec'\]"),
        (("vqa",), {"answers": ANSWERS, "head": {"answer_dim": 0}}, "head.answer_dim: .*greater than 0"),
    ],
)
def test_tasks_and_settings_must_fit(tasks, overrides, message):
    with pytest.raises(ValueError, match=message):
        build_model("n", tasks, vocabulary=VOCABULARY, **overrides)


def test_configuration_of_every_task_survives_json():
    with torch.device("meta"):
        model = build_model("n", ALL, vocabulary=VOCABULARY, answers=ANSWERS, head={"no_target": True})
    restored = ModelConfig.model_validate_json(model.config.model_dump_json())
    assert restored == model.config and restored.answers == ANSWERS


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


def test_a_mask_network_learns_from_a_batch_of_one():
    model = build_model("n", ("res",), vocabulary=VOCABULARY).train()
    model(torch.rand(1, 3, 64, 64), torch.tensor([[3, 4]]))["res"].mean().backward()
    assert all(parameter.grad is not None for parameter in model.heads["res"].parameters())
    many = model(torch.rand(2, 3, 64, 64), torch.tensor([[3, 4], [4, 3]]))["res"]
    assert many.isfinite().all()
