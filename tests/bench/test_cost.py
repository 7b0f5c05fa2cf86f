"""Parameters and multiply-accumulates against the figures known of the published network."""

import pytest
import torch

from laconvnet import build_model
from laconvnet.bench.cost import measure_cost

WITHOUT_WORDS = range(2)


def cost(preset, task, size, **changes):
    with torch.device("meta"):
        model = build_model(preset, (task,), vocabulary=WITHOUT_WORDS, **changes)
    found = measure_cost(model, size)
    return found.parameters - found.embedding_parameters, found.macs, found.norm_operations


# Millions of parameters without word vectors; billions of multiply-accumulates at 224, 320 and 416.
PUBLISHED = [
    ("s", "rec", 21.630, (2.531, 5.062, 8.486)),
    ("b", "rec", 33.267, (4.311, 8.659, 14.543)),
    ("s", "res", 21.822, (3.110, 6.242, 10.481)),
    ("b", "res", 33.459, (4.889, 9.840, 16.538)),
]


@pytest.mark.parametrize(("preset", "task", "parameters", "macs"), PUBLISHED)
def test_published_networks(preset, task, parameters, macs):
    for size, expected in zip((224, 320, 416), macs, strict=True):
        found = cost(preset, task, size)
        assert found[0] / 1e6 == pytest.approx(parameters, rel=1e-4)
        assert found[1] / 1e9 == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize(
    ("preset", "backbone"), [("s", 10.632), ("b", 22.269), ("s_paper", 10.628), ("b_paper", 22.254)]
)
def test_backbones(preset, backbone):
    with torch.device("meta"):
        model = build_model(preset, vocabulary=WITHOUT_WORDS)
    assert sum(p.numel() for p in model.backbone.parameters()) / 1e6 == pytest.approx(backbone, rel=1e-4)


@pytest.mark.parametrize(("preset", "backbone"), [("s", 1.814), ("b", 3.594)])
def test_the_operator_is_counted(preset, backbone):
    """Per picture at 224: 2 % of the backbone is the dynamic convolution, which no generic counter sees."""
    from torch.utils.flop_counter import FlopCounterMode

    with torch.device("meta"):
        model = build_model(preset, vocabulary=WITHOUT_WORDS).eval()
        images, tokens = torch.zeros(1, 3, 224, 224), torch.ones(1, 15, dtype=torch.int64)
    sentence = model.read(tokens).sentence
    with FlopCounterMode(display=False) as counter:
        model.backbone(images, model.backbone.read(sentence))
    operator = counter.get_flop_counts()["Global"][torch.ops.laconvnet.dynamic_conv2d] / 2e9
    assert counter.get_total_flops() / 2e9 == pytest.approx(backbone, rel=1e-3)
    assert operator == pytest.approx({"s": 0.0376, "b": 0.0843}[preset], rel=2e-3)


# Tab. 10, S at 416: change, millions of parameters and billions of operations by the paper's arithmetic.
ABLATIONS = [
    ("base", {}, 23.1, 8.89),
    ("one group", {"groups": (1,) * 5}, 22.26, 8.00),
    ("3x3 kernels", {"kernels": ((3, 3), (3,), (3, 3), (3,) * 4, (3,))}, 22.34, 8.08),
    ("no packing", {"block": {"no_packing": True}}, 21.88, 9.11),
    ("language only", {"block": "sentence"}, 19.43, 6.42),
]


@pytest.mark.parametrize(("name", "change", "parameters", "operations"), ABLATIONS)
def test_ablations_of_table_10(name, change, parameters, operations):
    found = cost("s_paper", "rec", 416, backbone=change)
    assert found[0] / 1e6 == pytest.approx(parameters, rel=0.02)
    assert (found[1] + found[2]) / 1e9 == pytest.approx(operations, rel=0.02)


@pytest.mark.parametrize(("preset", "low", "high"), [("t", 2.5, 3.5), ("n", 0.7, 1.2)])
def test_small_presets_are_as_small_as_they_say(preset, low, high):
    assert low < cost(preset, "rec", 224)[0] / 1e6 < high
