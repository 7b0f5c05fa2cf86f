"""The backbone: shapes, and the two ways to shrink a map."""

import pytest
import torch

from laconvnet.layers import LaConv, LanguageConv, Sentence
from laconvnet.models import resolve_config
from laconvnet.models.backbone import LaConvNetBackbone, space_to_depth


def test_space_to_depth_orders_squares_by_column_then_row():
    x = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]], [[10.0, 20.0], [30.0, 40.0]]]])
    assert space_to_depth(x).flatten().tolist() == [1, 10, 3, 30, 2, 20, 4, 40]


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"stem": "linear"},
        {"downsample": "max_pool"},
        {"block": "sentence"},
        {"block": {"position": "none"}},
        {"block": {"no_packing": True}},
    ],
)
def test_five_maps_for_any_multiple_of_32(changes):
    config = resolve_config("n", heads=("rec",), vocabulary_size=9, backbone=changes).backbone
    backbone = LaConvNetBackbone(config, 96).eval()
    words = torch.randn(2, 4, 96)
    sentence = Sentence(words, torch.zeros(2, 4, dtype=torch.bool), words.mean(1))
    features = backbone(torch.rand(2, 3, 64, 96), backbone.read(sentence))
    sizes = {2 ** (i + 1): (2, dim, 64 // 2 ** (i + 1), 96 // 2 ** (i + 1)) for i, dim in enumerate(config.dims)}
    assert {stride: tuple(feature.shape) for stride, feature in features.items()} == sizes
    assert tuple(features) == backbone.strides == config.strides
    assert {stride: feature.shape[1] for stride, feature in features.items()} == config.channels
    wanted = LanguageConv if changes.get("block") == "sentence" else LaConv
    assert all(isinstance(block.conv, wanted) for stage in backbone.stages for block in stage.blocks)
