"""The configuration of a network: what fits together, and what is refused."""

import pytest

from laconvnet.models import ModelConfig, resolve_config
from laconvnet.models.config import HEADS, LaConvConfig, LaConvNetBackboneConfig, SentenceConfig
from laconvnet.settings import check

KERNELS = [[], [5], [5], [5], [7]]


def config(*heads, **changes):
    return resolve_config("n", heads=heads, vocabulary_size=20, num_answers=3 * ("answer" in heads), **changes)


def values(**changes):
    """What a file says of a small network."""
    return {
        "preset": "n",
        "heads": ["rec"],
        "vocabulary_size": 20,
        "backbone": {"kernels": KERNELS},
        **changes,
    }


def test_sections_have_the_defaults_of_the_published_network():
    found = check(ModelConfig, values(), "config.json")
    assert found.backbone.dims == (16, 64, 128, 256, 512) and found.backbone.kernels == ((), (5,), (5,), (5,), (7,))
    assert found.backbone.block == LaConvConfig() and found.backbone.block.packing == (8, 4, 2, 1, 1)
    assert (found.language.rnn, found.neck.mask_path, found.num_answers) == ("gru", True, 0)


def test_strides_and_channels_go_by_the_stage():
    backbone = config("rec").backbone
    assert backbone.strides == (2, 4, 8, 16, 32)
    assert backbone.channels == {2: 8, 4: 16, 8: 32, 16: 64, 32: 128}
    assert config("rec").stride == 32


@pytest.mark.parametrize(
    ("heads", "stride", "pooled", "has_neck"),
    [
        (("rec",), 32, (), True),
        (("res",), 32, (), True),
        (("answer",), 32, ("answer",), False),
        (("answer",), 16, ("answer",), True),
        (("no_target",), 32, ("no_target",), False),
        (("no_target",), 8, ("no_target",), True),
        (("answer", "res", "no_target"), 32, ("no_target", "answer"), True),
        (("rec",), 8, (), True),
    ],
)
def test_heads_say_what_else_a_network_has(heads, stride, pooled, has_neck):
    found = config(*heads, head={"answer_stride": stride})
    assert (found.pooled_heads, found.has_neck) == (pooled, has_neck)


def test_a_block_tells_its_widths():
    block = LaConvConfig()
    assert [block.condition_dim(stage, dim) for stage, dim in enumerate((16, 64, 128, 256, 512))] == [
        64, 128, 128, 256, 512,
    ]  # fmt: skip
    assert [block.packed(stage) for stage in range(5)] == [8, 4, 2, 1, 1]
    free = LaConvConfig(no_packing=True)
    assert [free.condition_dim(stage, dim) for stage, dim in enumerate((16, 64, 128, 256, 512))] == [
        64, 128, 128, 256, 512,
    ]  # fmt: skip
    assert [free.packed(stage) for stage in range(5)] == [1] * 5
    assert LaConvConfig(condition_dims=(8, 16, 24, 32, 40)).condition_dim(2, 128) == 24


@pytest.mark.parametrize(
    ("block", "expected"),
    [
        ({}, LaConvConfig()),
        ({"no_packing": True}, LaConvConfig(no_packing=True)),
        ({"kind": "laconv", "position": "none"}, LaConvConfig(position="none")),
        ({"kind": "sentence"}, SentenceConfig()),
    ],
)
def test_a_block_is_one_of_several_kinds(block, expected):
    backbone = check(LaConvNetBackboneConfig, {"kernels": KERNELS, "block": block}, "file")
    assert backbone.block == expected
    assert backbone.reads_pooled_sentence == (expected.kind == "sentence")
    assert LaConvNetBackboneConfig(kernels=((), (5,), (5,), (5,), (7,)), block=expected).block == expected


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"backbone": {"kernals": []}}, "unknown setting 'backbone.kernals'; did you mean 'backbone.kernels'"),
        ({"backbone": {"kernels": KERNELS, "block": {"kind": "film"}}}, "allowed: 'laconv', 'sentence'"),
        (
            {"backbone": {"kernels": KERNELS, "block": {"kind": "sentence", "packing": [1] * 5}}},
            "unknown setting 'backbone.block.packing'; it belongs to another kind",
        ),
        (
            {"backbone": {"kernels": KERNELS, "conditioning": "sentence"}},
            "unknown setting 'backbone.conditioning'; did you mean",
        ),
        (
            {"backbone": {"kernels": KERNELS, "packing": [1] * 5}},
            r"unknown setting 'backbone.packing'; did you mean 'backbone.block.packing'\?",
        ),
        ({"head": {"no_target": True}}, "unknown setting 'head.no_target'; known here: head.box_dim, head.mask_dim"),
        ({"head": {"answer_dim": 0}}, "head.answer_dim is 0, allowed: greater than 0"),
        ({"backbone": {"kernels": KERNELS, "dims": [8, 16]}}, r"backbone.dims is \[8, 16\], allowed: more values"),
        ({"backbone": {"kernels": KERNELS, "dims": [8] * 6}}, "backbone.dims is .*, allowed: at most 5 values"),
        ({"backbone": {"kernels": KERNELS, "block": None}}, "backbone.block is None, allowed: an object"),
        ({"backbone": {"kernels": KERNELS, "mlp_ratio": float("nan")}}, "backbone.mlp_ratio is nan, allowed: a finite"),
        ({"backbone": {"kernels": KERNELS, "kernel_dropout": 1.0}}, "backbone.kernel_dropout is 1.0, allowed: less"),
        ({"heads": []}, r"heads is \[\], allowed: at least 1 value$"),
        ({"heads": ["gres"]}, "heads is 'gres', allowed: 'rec', 'res', 'no_target' or 'answer'$"),
        ({"heads": ["rec", "rec"]}, r"heads \['rec', 'rec'\] name one twice"),
        ({"num_answers": 3}, "heads are rec and num_answers is 3; the answer head needs at least one answer"),
        ({"heads": ["rec", "answer"]}, "heads are rec, answer and num_answers is 0; the answer head needs at least"),
        ({"num_answers": -1}, "num_answers is -1, allowed: greater than or equal to 0"),
        ({"vocabulary_size": 1}, "vocabulary_size is 1, allowed: greater than 1"),
    ],
)
def test_settings_that_do_not_fit_are_named_with_their_file(changes, message):
    with pytest.raises(ValueError, match=message) as caught:
        check(ModelConfig, values(**changes), "config.json")
    assert all(line.startswith("config.json: ") for line in str(caught.value).splitlines())


@pytest.mark.parametrize("kind", ["laconv", "sentence"])
def test_attention_is_checked_only_where_there_is_one(kind):
    """Seven heads do not share the condition of a LaConv block, and a block on the sentence has neither."""
    changes = {"dims": [12, 16, 32, 64, 128], "groups": [2, 2, 4, 4, 8], "block": {"kind": kind}}
    if kind == "sentence":
        assert check(LaConvNetBackboneConfig, {"kernels": KERNELS, **changes}, "file").dims[0] == 12
        return
    changes["block"]["num_heads"] = 7
    with pytest.raises(ValueError, match="stage 1: condition width 48 is not a multiple of 7 heads"):
        check(LaConvNetBackboneConfig, {"kernels": KERNELS, **changes}, "file")


def test_a_configuration_cannot_be_changed():
    with pytest.raises(ValueError, match="frozen"):
        config("rec").backbone.mlp_ratio = 3.0


@pytest.mark.parametrize("block", ["laconv", "sentence"])
def test_configuration_of_every_head_survives_json(block):
    found = config(*HEADS, backbone={"block": block})
    restored = ModelConfig.model_validate_json(found.model_dump_json())
    assert restored == found and restored.num_answers == 3 and restored.heads == HEADS
    assert restored.backbone.block.kind == block
    assert check(ModelConfig, found.model_dump(mode="json"), "file") == found
