"""The assembled network: its outputs and its contracts."""

import subprocess
import sys

import pytest
import torch

from laconvnet import build_model
from laconvnet.models import PRESETS, resolve_config
from laconvnet.models.network import LaConvNet, skeleton

VOCABULARY = range(20)
TOKENS = torch.tensor([[3, 7, 4], [9, 2, 0]])
ALL = ("rec", "res", "no_target", "answer")
QUIET = {"backbone": {"block": {"attention_dropout": 0.0}, "kernel_dropout": 0.0}, "language": {"dropout": 0.0}}


def build(*heads, preset="n", **sections):
    """With three answers where there is an answer head."""
    return build_model(preset, heads, vocabulary=VOCABULARY, num_answers=3 * ("answer" in heads), **sections)


@pytest.mark.parametrize("preset", ["n", "t"])
def test_outputs_by_head(preset):
    model = build_model(preset, ("rec", "res"), vocabulary=VOCABULARY).eval()
    outputs = model(torch.rand(2, 3, 64, 96), TOKENS)
    assert {name: tuple(out.shape) for name, out in outputs.items()} == {"rec": (2, 5, 2, 3), "res": (2, 1, 64, 96)}


def test_the_sentence_changes_the_answer_and_padding_does_not():
    """With the statistics of the batch: those of a fresh network, 0 and 1, would hide every difference."""
    model = build("rec", **QUIET)
    images = torch.rand(1, 3, 64, 64).expand(2, -1, -1, -1)
    out = model(images, TOKENS)["rec"]
    padded = model(images, torch.nn.functional.pad(TOKENS, (0, 5)))["rec"]
    by_padding, by_sentence = (padded - out).abs().max(), (out[0] - out[1]).abs().max()
    assert by_padding < 1e-4 and by_sentence > 0.1


@pytest.mark.parametrize(
    ("heads", "outputs"),
    [
        (("res",), {"res": (2, 1, 64, 96)}),
        (("answer",), {"answer": (2, 3)}),
        (("no_target",), {"no_target": (2,)}),
        (("answer", "rec"), {"rec": (2, 5, 2, 3), "answer": (2, 3)}),
        (
            ("answer", "no_target", "res", "rec"),
            {"rec": (2, 5, 2, 3), "res": (2, 1, 64, 96), "no_target": (2,), "answer": (2, 3)},
        ),
    ],
)
def test_every_head_brings_its_outputs(heads, outputs):
    model = build(*heads).eval()
    with torch.no_grad():
        found = model(torch.rand(2, 3, 64, 96), TOKENS)
    pooled = {f"{name}_attention": (2, 2, 3) for name in ("no_target", "answer") if name in outputs}
    assert {name: tuple(out.shape) for name, out in found.items()} == outputs | pooled
    assert model.config.heads == tuple(model.heads) == tuple(outputs), "in the order in which they are built"


def test_answers_alone_need_no_neck():
    model = build("answer")
    assert not model.config.has_neck
    assert {name.partition(".")[0] for name, _ in model.named_parameters()} == {"text", "backbone", "heads"}


@pytest.mark.parametrize(
    ("preset", "rnn", "millions"),
    [("s", "lstm", 19.19), ("b", "lstm", 30.82), ("s", "gru", 18.77), ("b", "gru", 30.41)],
)
def test_answering_has_the_parameters_of_the_paper(preset, rnn, millions):
    """19 and 31 million for CLEVR's 28 answers (Tab. 7), without word vectors and what no output reads."""
    config = resolve_config(preset, heads=("answer",), num_answers=28, vocabulary_size=20, language={"rnn": rnn})
    counted = [
        p.numel()
        for name, p in skeleton(config).named_parameters()
        if not name.startswith(("text.embedding", "text.pooling"))
    ]
    assert sum(counted) / 1e6 == pytest.approx(millions, abs=0.005)


def test_widths_of_the_answer_head_can_be_chosen():
    head = {"answer_dim": 40, "answer_hidden_dim": 24}
    perceptron = build("answer", head=head).heads["answer"].perceptron
    assert (perceptron[0].in_features, perceptron[0].out_features, perceptron[3].out_features) == (40, 24, 3)
    default = build("answer").heads["answer"].perceptron
    assert (default[0].in_features, default[0].out_features) == (256, 512)


@pytest.mark.parametrize(("stride", "width"), [(8, 32), (16, 64), (32, 128)])
def test_answers_are_read_from_the_map_of_the_stride(stride, width):
    model = build("res", "no_target", "answer", head={"answer_stride": stride}).eval()
    seen = []
    for name in ("answer", "no_target"):
        model.heads[name].register_forward_pre_hook(lambda module, inputs: seen.append(tuple(inputs[0].shape)))
    with torch.no_grad():
        model(torch.rand(2, 3, 64, 96), TOKENS)
    assert seen == [(2, width, 64 // stride, 96 // stride)] * 2


@pytest.mark.parametrize(("stride", "width"), [(8, 32 + 8 + 16 + 32), (16, 64 + 8 + 16 + 32 + 64), (32, 128 + 120)])
def test_answers_may_also_be_read_from_the_stages_on_the_way(stride, width):
    head = {"answer_stride": stride, "answer_hypercolumn": True}
    model = build("res", "answer", head=head).eval()
    stages, seen = [], []
    model.backbone.register_forward_hook(lambda module, inputs, output: stages.extend(output.values()))
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
    model = build("answer", head={"answer_stride": 16})
    assert model.config.has_neck and not hasattr(model, "mask_path")


def test_one_sentence_for_many_pictures_and_padding_change_no_output():
    model = build(*ALL).eval()
    images, tokens = torch.rand(3, 3, 64, 64), TOKENS[:1]
    with torch.no_grad():
        each = model(images, tokens.expand(3, -1))
        padded = torch.nn.functional.pad(tokens, (0, 4))
        for one in (model.look(images, model.read(tokens)), model(images, padded.expand(3, -1))):
            for name, expected in each.items():
                torch.testing.assert_close(one[name], expected, rtol=1e-4, atol=1e-5)


def test_picture_and_sentence_change_the_answer():
    model = build("res", "no_target", "answer", **QUIET)
    one = torch.rand(2, 3, 64, 64)
    same_picture = model(one[:1].expand(2, -1, -1, -1), TOKENS)
    same_sentence = model(one, TOKENS[:1].expand(2, -1))
    for outputs in (same_picture, same_sentence):
        for name in ("answer", "no_target"):
            assert (outputs[name][0] - outputs[name][1]).abs().max() > 1e-3


@pytest.mark.parametrize(
    "heads", [("rec",), ("res",), ("rec", "res"), ("answer",), ("no_target",), ("answer", "res", "no_target"), ALL]
)
@pytest.mark.parametrize("mask_path", [True, False])
@pytest.mark.parametrize("answer_stride", [8, 16, 32])
@pytest.mark.parametrize("hypercolumn", [True, False])
def test_every_parameter_that_asks_for_a_gradient_gets_one(heads, mask_path, answer_stride, hypercolumn):
    head = {"answer_stride": answer_stride, "answer_hypercolumn": hypercolumn}
    model = build(*heads, neck={"mask_path": mask_path}, head=head)
    outputs = model(torch.rand(2, 3, 64, 64), TOKENS)
    sum(out.square().mean() for out in outputs.values()).backward()
    without = [name for name, p in model.named_parameters() if p.requires_grad and p.grad is None]
    assert without == []


def test_size_must_be_a_multiple_of_32():
    model = build_model("n", vocabulary=VOCABULARY)
    with pytest.raises(ValueError, match=r"\(1, 3, 64, 60\); height and width must be multiples of 32"):
        model(torch.rand(1, 3, 64, 60), TOKENS[:1])


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


@pytest.mark.parametrize(
    ("block", "millions"),
    [
        ({}, 23.068),
        ({"no_packing": True}, 21.847),
        ({"packing": [1] * 5, "condition_dims": [64, 128, 128, 256, 512]}, 21.847),  # the same, said by hand
        ({"packing": [1] * 5, "condition_dims": [16, 64, 128, 256, 512]}, 21.641),  # as wide as the channels
        ({"packing": [1] * 5}, 21.579),
    ],
)
def test_attending_from_every_pixel_keeps_the_widths_that_packing_makes(block, millions):
    """Tab. 10 changes one thing: a packing of 1 alone would narrow the conditions as well."""
    config = resolve_config("s_paper", heads=("rec",), vocabulary_size=2, backbone={"block": block})
    counted = [p.numel() for name, p in skeleton(config).named_parameters() if not name.startswith("text.embedding")]
    assert sum(counted) / 1e6 == pytest.approx(millions, abs=0.0005)


def test_attending_from_every_pixel_works():
    model = build("rec", backbone={"block": {"no_packing": True}}).eval()
    blocks = [block for stage in model.backbone.stages for block in stage.blocks]
    assert {block.conv.generator.packing for block in blocks} == {1}
    assert model(torch.rand(2, 3, 64, 96), TOKENS)["rec"].shape == (2, 5, 2, 3)


def test_the_pooled_sentence_is_made_where_a_block_reads_it():
    words, sentence = build("rec"), build("rec", backbone={"block": "sentence"})
    assert [model.config.backbone.reads_pooled_sentence for model in (words, sentence)] == [False, True]
    assert [model.read(TOKENS).sentence.pooled is None for model in (words, sentence)] == [True, False]
    trains = [any(p.requires_grad for p in model.text.pooling.parameters()) for model in (words, sentence)]
    assert trains == [False, True]


@pytest.mark.parametrize("preset", PRESETS)
def test_a_skeleton_has_every_weight_and_no_memory(preset):
    config = resolve_config(preset, heads=ALL, num_answers=3, vocabulary_size=20)
    model = skeleton(config)
    assert {tensor.device.type for tensor in model.state_dict().values()} == {"meta"}
    if preset == "n":
        real = LaConvNet(config).state_dict()
        assert {k: (v.shape, v.dtype) for k, v in model.state_dict().items()} == {
            k: (v.shape, v.dtype) for k, v in real.items()
        }
        asking = [[p.requires_grad for p in network.parameters()] for network in (model, LaConvNet(config))]
        assert asking[0] == asking[1]


def test_a_skeleton_draws_nothing_and_leaves_other_networks_alone():
    config = resolve_config("n", heads=("rec",), vocabulary_size=20)
    before = torch.get_rng_state()
    skeleton(config)
    assert torch.equal(torch.get_rng_state(), before)
    assert LaConvNet(config).text.embedding.weight.std() > 0.5


def test_a_skeleton_imports_no_compiler():
    code = (
        "import sys\nfrom laconvnet.models import resolve_config\nfrom laconvnet.models.network import skeleton\n"
        "heads = ('rec', 'res', 'no_target', 'answer')\n"
        "skeleton(resolve_config('s', heads=heads, num_answers=2, vocabulary_size=9))\n"
        "print('torch._dynamo' in sys.modules)"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert found.stdout == "False\n", found.stderr
