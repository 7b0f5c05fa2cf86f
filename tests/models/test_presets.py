"""The named networks, and what becomes of changed settings."""

import pytest

from laconvnet import build_model
from laconvnet.models import PRESETS, ModelConfig, resolve_config
from laconvnet.models.presets import sections_of

VOCABULARY = range(20)


@pytest.mark.parametrize("preset", PRESETS)
def test_configuration_survives_json(preset):
    config = resolve_config(preset, heads=("rec",), vocabulary_size=20)
    assert ModelConfig.model_validate_json(config.model_dump_json()) == config and config.preset == preset


@pytest.mark.parametrize(
    ("preset", "overrides", "message"),
    [
        ("xl", {}, "unknown preset 'xl'; allowed: s, b, s_paper"),
        ("n", {"backbone": {"kernal": []}}, "'model.backbone.kernal'; did you mean 'model.backbone.kernels'"),
        ("n", {"backbone": {"groups": [3, 2, 4, 4, 8]}}, "stage 1: groups 3 does not divide its 8 channels"),
        ("n", {"backbone": {"kernels": [[], [4], [5], [5], [5]]}}, r"stage 2: kernel sizes \(4,\); allowed: odd"),
        ("n", {"backbone": {"block": {"packing": [8, 4, 2, 1, 2]}}}, "stage 5: packing 2 does not divide 1"),
        ("n", {"backbone": {"block": {"condition_dims": [32, 32, 32, 30, 32]}}}, "stage 4: condition width 30"),
        ("n", {"language": {"rnn": "transformer"}}, "language.rnn.*'gru' or 'lstm'"),
        ("n", {"backbone": {"block": "film"}}, "model.backbone.block is .*allowed: 'laconv', 'sentence'"),
        ("n", {"bakbone": {}}, "preset 'n': unknown setting 'model.bakbone'; did you mean 'model.backbone'"),
        ("n", {"tasks": ("rec",)}, "preset 'n': unknown setting 'model.tasks'"),
    ],
)
def test_bad_settings_are_named(preset, overrides, message):
    with pytest.raises(ValueError, match=message):
        build_model(preset, vocabulary=VOCABULARY, **overrides)


def test_unknown_and_doubled_heads_are_refused():
    with pytest.raises(ValueError, match=r"unknown heads \['boxes'\]; allowed: rec, res, no_target, answer"):
        build_model("n", ("boxes",), vocabulary=VOCABULARY)
    with pytest.raises(ValueError, match=r"^preset 'n': heads .* name one twice"):
        build_model("n", ("rec", "rec"), vocabulary=VOCABULARY)


@pytest.mark.parametrize(
    ("heads", "num_answers", "overrides", "message"),
    [
        (("rec",), 3, {}, "^preset 'n': heads are rec and num_answers is 3; the answer head needs at least one"),
        (("answer",), 0, {}, "^preset 'n': heads are answer and num_answers is 0; the answer head needs at least one"),
        (("res", "rec"), 0, {"head": {"no_target": True}}, "unknown setting 'model.head.no_target'"),
        (("answer",), 3, {"head": {"answer_dim": 0}}, "model.head.answer_dim .*greater than 0"),
    ],
)
def test_heads_and_settings_must_fit(heads, num_answers, overrides, message):
    with pytest.raises(ValueError, match=message):
        build_model("n", heads, vocabulary=VOCABULARY, num_answers=num_answers, **overrides)


def test_one_changed_setting_leaves_the_others():
    config = resolve_config("n", heads=("rec",), vocabulary_size=20, backbone={"block": {"attention_dropout": 0.3}})
    assert (config.backbone.block.attention_dropout, config.backbone.block.num_heads) == (0.3, 4)
    assert config.backbone.dims == (8, 16, 32, 64, 128) and config.language.dim == 96


def test_a_block_of_another_kind_has_no_setting_of_the_first():
    for block in ("sentence", {"kind": "sentence"}):
        config = resolve_config("n", heads=("rec",), vocabulary_size=20, backbone={"block": block})
        assert config.backbone.block.model_dump() == {"kind": "sentence"}
    config = resolve_config("n", heads=("rec",), vocabulary_size=20, backbone={"block": "laconv"})
    assert config.backbone.block.num_heads == 4


def test_changes_leave_the_presets_and_themselves_alone():
    changes = {"backbone": {"block": "sentence"}, "language": {"dim": 48}}
    before = {name: dict(sections) for name, sections in PRESETS.items()}
    sections = sections_of("n", changes)
    assert sections["backbone"]["block"] == {"kind": "sentence"} and sections["language"]["dim"] == 48
    assert before == PRESETS and changes == {"backbone": {"block": "sentence"}, "language": {"dim": 48}}
    assert PRESETS["n"]["language"]["dim"] == 96
