"""The running average, against arithmetic by hand."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from laconvnet.training import ExponentialMovingAverage


class Net(nn.Module):
    """One of everything: trained, frozen, averaged buffer, integer buffer, buffer that is not saved."""

    def __init__(self) -> None:
        super().__init__()
        self.trained = nn.Parameter(torch.zeros(2))
        self.frozen = nn.Parameter(torch.ones(2), requires_grad=False)
        self.register_buffer("mean", torch.zeros(1))
        self.register_buffer("count", torch.tensor(0))
        self.register_buffer("cache", torch.zeros(1), persistent=False)

    def set(self, value: float) -> None:
        with torch.no_grad():
            self.trained.fill_(value)
            self.mean.fill_(10 * value)
            self.count.fill_(int(value))


def test_average_follows_the_ramp() -> None:
    net = Net()
    ema = ExponentialMovingAverage(net, 0.15)
    net.set(1.0)
    ema.update()  # d = min(.15, 1/10) = .1
    net.set(2.0)
    ema.update()  # d = min(.15, 2/11) = .15
    expected = 0.15 * (0.1 * 0 + 0.9 * 1) + 0.85 * 2
    torch.testing.assert_close(ema.tensors()["trained"], torch.full((2,), expected))
    torch.testing.assert_close(ema.tensors()["mean"], torch.tensor([10 * expected]))
    assert ema.tensors()["count"] == 2
    assert ema.tensors().keys() == {"trained", "mean", "count"}


def test_every_kind_of_number_is_averaged_as_alone() -> None:
    net = nn.ModuleList([nn.Linear(3, 2), nn.Linear(2, 2).double(), nn.Linear(2, 2).bfloat16(), nn.BatchNorm1d(2)])
    ema = ExponentialMovingAverage(net, 0.99)
    alone = {name: tensor.detach().clone() for name, tensor in net.state_dict().items()}
    net.load_state_dict({name: tensor + 1 for name, tensor in net.state_dict().items()})
    ema.update()
    for name, tensor in net.state_dict().items():
        expected = alone[name].lerp(tensor, 0.9) if tensor.is_floating_point() else tensor
        assert torch.equal(ema.tensors()[name], expected) and ema.tensors()[name].dtype == tensor.dtype, name


def test_applied_swaps_and_gives_back_even_after_an_error() -> None:
    net = Net()
    ema = ExponentialMovingAverage(net, 0.5)
    net.set(3.0)
    parameter = net.trained
    with pytest.raises(RuntimeError, match="inside"), ema.applied():
        assert net.trained is parameter and torch.equal(net.trained, torch.zeros(2))
        assert net.count == 0
        raise RuntimeError("inside")
    assert torch.equal(net.trained, torch.full((2,), 3.0)) and net.count == 3
    assert torch.equal(ema.tensors()["trained"], torch.zeros(2))


def test_applied_twice_is_refused_and_harmless() -> None:
    net = Net()
    ema = ExponentialMovingAverage(net, 0.5)
    net.set(3.0)
    with ema.applied(), pytest.raises(RuntimeError, match="already applied"), ema.applied():
        pass
    assert torch.equal(net.trained, torch.full((2,), 3.0))


def test_state_goes_on_where_it_was() -> None:
    nets = Net(), Net()
    first, second = (ExponentialMovingAverage(net, 0.99) for net in nets)
    nets[0].set(1.0)
    first.update()
    second.load_state_dict(first.state_dict())
    for net, ema in zip(nets, (first, second), strict=True):
        net.set(5.0)
        ema.update()
    assert torch.equal(first.tensors()["trained"], second.tensors()["trained"])


def test_a_state_of_another_network_is_refused() -> None:
    ema = ExponentialMovingAverage(Net(), 0.9)
    with pytest.raises(ValueError, match=r"another network.*weight"):
        ema.load_state_dict(ExponentialMovingAverage(nn.Linear(1, 1), 0.9).state_dict())


@pytest.mark.parametrize("decay", [-0.1, 1.0])
def test_decay_outside_of_its_range_is_refused(decay: float) -> None:
    with pytest.raises(ValueError, match="allowed: 0 <= decay < 1"):
        ExponentialMovingAverage(Net(), decay)
