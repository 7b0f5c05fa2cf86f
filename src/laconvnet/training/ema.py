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

    The network's tensors are looked up once: move it to its device before, and change it in place only.
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
        self._is_applied = False
        self._live = _changing(model)
        self._average = {name: tensor.detach().clone() for name, tensor in self._live.items()}
        self._floating = self._both([name for name, tensor in self._live.items() if tensor.is_floating_point()])
        self._integer = self._both([name for name, tensor in self._live.items() if not tensor.is_floating_point()])

    def _both(self, names: list[str]) -> tuple[list[Tensor], list[Tensor]]:
        """What these names stand for in the average and in the network."""
        return [self._average[name] for name in names], [self._live[name] for name in names]

    @torch.no_grad()
    def update(self) -> None:
        """Move the average one step towards the network."""
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        self.updates += 1
        averages, live = self._floating
        if averages:  # PyTorch refuses empty lists
            torch._foreach_lerp_(averages, live, 1 - decay)
        copies, live = self._integer
        if copies:
            torch._foreach_copy_(copies, live)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Put the average into the network for the time of a `with` block, whatever happens inside.

        The network has its own weights back after the block.

        Raises:
            RuntimeError: when the average is already applied.
        """
        if self._is_applied:
            raise RuntimeError("the average is already applied to the network; leave that block first")
        own = {name: tensor.detach().clone() for name, tensor in self._live.items()}
        self._is_applied = True
        try:
            _copy(self._live, self._average)
            yield
        finally:
            _copy(self._live, own)
            self._is_applied = False

    def tensors(self) -> dict[str, Tensor]:
        """The averaged and copied tensors by the network's names, not cloned."""
        return dict(self._average)

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
        if different := sorted(stored.keys() ^ self._average.keys()):
            raise ValueError(f"the stored average belongs to another network; names that differ: {different[:5]}")
        _copy(self._average, stored)
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
