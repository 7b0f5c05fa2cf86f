"""Which weights decay."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from laconvnet.training import OptimizerConfig
from laconvnet.training.optimizer import build_optimizer


def test_only_filters_and_matrices_decay() -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.Linear(4, 2), nn.Linear(2, 2))
    net[3].requires_grad_(False)
    optimizer = build_optimizer(net, OptimizerConfig(name="adamw", weight_decay=0.1))
    assert isinstance(optimizer, torch.optim.AdamW)
    by_decay = {group["weight_decay"]: group["params"] for group in optimizer.param_groups}
    assert {id(p) for p in by_decay[0.1]} == {id(net[0].weight), id(net[2].weight)}
    assert {id(p) for p in by_decay[0.0]} == {id(p) for p in (net[0].bias, *net[1].parameters(), net[2].bias)}


def test_constants_reach_the_optimizer() -> None:
    optimizer = build_optimizer(nn.Linear(2, 2), OptimizerConfig(lr=0.5, betas=(0.1, 0.2), eps=0.3))
    assert type(optimizer) is torch.optim.Adam
    for group in optimizer.param_groups:
        assert (group["lr"], group["betas"], group["eps"]) == (0.5, (0.1, 0.2), 0.3)


def test_nothing_to_train_is_refused() -> None:
    with pytest.raises(ValueError, match="nothing to train"):
        build_optimizer(nn.Linear(2, 2).requires_grad_(False), OptimizerConfig())
