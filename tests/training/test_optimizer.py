"""Which weights decay."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest
import torch
from never_ask import never_ask
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


def step(net: nn.Module, optimizer: torch.optim.Optimizer, scale: float = 1.0) -> None:
    optimizer.zero_grad()
    (scale * net(torch.ones(1, 3)).square().sum()).backward()
    optimizer.step()


@pytest.mark.parametrize("kernels", [{"fused": True}, {"foreach": True}, {"foreach": False}], ids=str)
@pytest.mark.parametrize("name", ["adam", "adamw"])
def test_a_state_of_other_kernels_is_continued_by_its_own(name: str, kernels: dict[str, bool]) -> None:
    config = OptimizerConfig(name=name, lr=0.1, eps=1e-3, weight_decay=0.1)
    kind = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[name]
    saving, loading = (nn.Linear(3, 2, bias=False) for _ in range(2))
    before = kind(saving.parameters(), lr=0.1, betas=config.betas, eps=1e-3, weight_decay=0.1, **kernels)
    step(saving, before)
    loading.load_state_dict(saving.state_dict())
    after = build_optimizer(loading, config)
    after.load_state_dict(deepcopy(before.state_dict()))
    assert [(group["fused"], group["foreach"]) for group in after.param_groups] == [(True, None)]
    for net, optimizer in ((saving, before), (loading, after)):
        step(net, optimizer, scale=3.0)
    torch.testing.assert_close(loading.weight, saving.weight)
    assert after.state[loading.weight]["step"] == before.state[saving.weight]["step"] == 2
    if kernels.get("fused"):
        assert torch.equal(loading.weight, saving.weight)


def test_a_state_of_another_network_is_refused() -> None:
    state = build_optimizer(nn.Linear(3, 2), OptimizerConfig()).state_dict()
    with pytest.raises(ValueError, match="different number of parameter groups"):
        build_optimizer(nn.Linear(3, 2, bias=False), OptimizerConfig()).load_state_dict(state)


def test_an_fp16_overflow_is_left_out_and_nobody_asks() -> None:
    net = nn.Linear(3, 2)
    optimizer, scaler = build_optimizer(net, OptimizerConfig(lr=0.1)), torch.amp.GradScaler("cpu", init_scale=8.0)

    def scaled(factor: float) -> dict[str, Any]:
        optimizer.zero_grad()
        scaler.scale(factor * net(torch.ones(1, 3)).square().sum()).backward()
        scaler.unscale_(optimizer)
        nn.utils.clip_grad_norm_(net.parameters(), 0.15)
        scaler.step(optimizer)
        scaler.update()
        return {name: parameter.detach().clone() for name, parameter in net.named_parameters()}

    first = scaled(1.0)
    with never_ask():
        overflow, third = scaled(float("inf")), scaled(1.0)
    for name in first:
        assert torch.equal(first[name], overflow[name]) and not torch.equal(first[name], third[name])
    assert scaler.get_scale() == 4.0
    assert all(state["step"] == 2 for state in optimizer.state.values())
