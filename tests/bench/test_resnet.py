"""ResNet-50, the yardstick."""

import pytest
import torch

from laconvnet.bench.load import Load
from laconvnet.bench.resnet import resnet50, resnet50_contender


def test_it_is_the_published_one():
    """25.557 million parameters; 4.089 billion multiply-accumulates at 224."""
    cost = resnet50_contender(Load(size=224)).cost()
    assert cost.parameters == 25_557_032 and cost.macs == pytest.approx(4.089e9, rel=1e-3)


def test_it_runs():
    assert resnet50(7).eval()(torch.zeros(2, 3, 64, 64)).shape == (2, 7)
    assert resnet50_contender(Load(size=64, batch=2)).build()().shape == (2, 1000)
