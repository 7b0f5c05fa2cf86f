"""The running average of the weights, which is what gets evaluated and published."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class ExponentialMovingAverage:
    """Average of a network's weights and buffers over training, ē ← d·ē + (1 - d)·e.

    The decay ramps up, d = min(decay, (1 + t) / (10 + t)) with t the number of updates made before.
    Trainable parameters and floating-point buffers (the statistics of batch normalisation) are averaged;
    integer buffers are copied. Parameters that do not require a gradient never change and are not kept; nor
    are buffers that the network itself does not save.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        """Start the average at the network's present weights.

        Args:
            model: the network, not wrapped for several processes.
            decay: limit of d, in [0, 1).

        Raises:
            ValueError: when the decay lies outside of [0, 1).
        """
        if not 0 <= decay < 1:
            raise ValueError(f"the decay of the average is {decay}, allowed: 0 <= decay < 1")
        self.decay = decay
        self.updates = 0
        self._averaged: dict[str, Tensor] = {}
        self._copied: dict[str, Tensor] = {}
        self._is_applied = False
        for name, tensor in _changing(model).items():
            kept = self._averaged if tensor.is_floating_point() else self._copied
            kept[name] = tensor.detach().clone()

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """Move the average one step towards the network.

        Args:
            model: the network the average was started with.
        """
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        self.updates += 1
        live = _changing(model)
        if self._averaged:
            torch._foreach_lerp_(
                list(self._averaged.values()), [live[name].detach() for name in self._averaged], 1 - decay
            )
        for name, tensor in self._copied.items():
            tensor.copy_(live[name])

    @contextmanager
    def applied_to(self, model: nn.Module) -> Iterator[None]:
        """Put the average into the network for the time of a `with` block, whatever happens inside.

        Args:
            model: the network the average was started with; it has its own weights back after the block.

        Raises:
            RuntimeError: when the average is already applied.
        """
        if self._is_applied:
            raise RuntimeError("the average is already applied to the network; leave that block first")
        live = _changing(model)
        average = self.tensors()
        own = {name: live[name].detach().clone() for name in average}
        self._is_applied = True
        try:
            _copy(live, average)
            yield
        finally:
            _copy(live, own)
            self._is_applied = False

    def tensors(self) -> dict[str, Tensor]:
        """The averaged and copied tensors by the network's names, not cloned."""
        return {**self._averaged, **self._copied}

    def state_dict(self) -> dict[str, object]:
        """Everything that `load_state_dict` needs: the number of updates and the tensors."""
        return {"updates": self.updates, "tensors": self.tensors()}

    @torch.no_grad()
    def load_state_dict(self, state: Mapping[str, object]) -> None:
        """Continue an average.

        Args:
            state: what `state_dict` returned.

        Raises:
            ValueError: when the names are not those of this network.
        """
        updates, stored = state["updates"], state["tensors"]
        assert isinstance(updates, int) and isinstance(stored, dict)
        mine = self.tensors()
        if different := sorted(stored.keys() ^ mine.keys()):
            raise ValueError(f"the stored average belongs to another network; names that differ: {different[:5]}")
        _copy(mine, stored)
        self.updates = updates


def _changing(model: nn.Module) -> dict[str, Tensor]:
    """The tensors that training changes and the network saves, each once, by name."""
    frozen = {id(parameter) for parameter in model.parameters() if not parameter.requires_grad}
    seen: set[int] = set()
    changing: dict[str, Tensor] = {}
    for name, tensor in model.state_dict(keep_vars=True).items():
        if id(tensor) not in frozen and id(tensor) not in seen:
            seen.add(id(tensor))
            changing[name] = tensor
    return changing


@torch.no_grad()
def _copy(into: Mapping[str, Tensor], source: Mapping[str, Tensor]) -> None:
    for name, tensor in source.items():
        into[name].copy_(tensor)
