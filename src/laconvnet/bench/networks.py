"""Networks to measure, each a few settings from which any process builds the same weights and inputs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from laconvnet.bench.cost import Cost, measure_cost
from laconvnet.bench.load import Load
from laconvnet.bench.memory import Build
from laconvnet.bench.operator_case import DEFAULT, on_backend
from laconvnet.models import LaConvNet, build_model, compile_look, named_dtype, prepare_for_inference
from laconvnet.ops.backends import select_backend
from laconvnet.scenes import answers as answers_of_clevr


@dataclass(frozen=True)
class Contender:
    """Something to time and weigh.

    Attributes:
        name: what to call it.
        load: what it is given.
        build: fresh weights and inputs, made ready; the function that comes back is one pass or step.
        cost: counts what one picture costs in a forward pass.
        passes: forward passes that are as much arithmetic: 1 for one, 3 with backward.
        backend: of the operator, by name, if it has one.
    """

    name: str
    load: Load
    build: Build
    cost: Callable[[], Cost]
    passes: int = 1
    backend: str | None = None


@dataclass(frozen=True)
class Network:
    """This project's network.

    Attributes:
        preset: its preset.
        heads: its heads.
        vocabulary_size: rows of its word-vector table.
        backend: of the operator, by name, or `DEFAULT`.
    """

    preset: str
    heads: tuple[str, ...] = ("rec",)
    vocabulary_size: int = 10_000
    backend: str = DEFAULT

    def fresh(self) -> LaConvNet:
        """The network with random weights, always the same, in training mode."""
        torch.manual_seed(0)
        answers = len(answers_of_clevr()) if "answer" in self.heads else 0
        return build_model(self.preset, self.heads, vocabulary=range(self.vocabulary_size), num_answers=answers)

    def forward_pass(self, load: Load, *, compiled: bool = False) -> Contender:
        """Predicting from a load, as it is or as `torch.compile` makes it."""
        name = self.name_on(load) + (" compiled" if compiled else "")
        build = partial(_build, self, load, compiled)
        return Contender(name, load, build, partial(self.cost, load), backend=self.backend)

    def cost(self, load: Load) -> Cost:
        """Count what a forward pass costs."""
        with torch.device("meta"):
            return measure_cost(self.fresh(), load.size, load.words)

    def name_on(self, load: Load) -> str:
        """Preset and the backend that runs.

        Raises:
            ValueError: no such backend.
            RuntimeError: it cannot run there.
        """
        with on_backend(self.backend):
            chosen = select_backend(torch.empty(0, dtype=named_dtype(load.dtype), device=load.device), 7)
        return f"{self.preset} {chosen.name}"


def _build(settings: Network, load: Load, compiled: bool) -> Callable[[], dict[str, Tensor]]:
    network = prepare_for_inference(settings.fresh().to(load.device), dtype=named_dtype(load.dtype))
    look = compile_look(network) if compiled else network.look
    images, tokens = load.inputs(settings.vocabulary_size)

    def forward() -> dict[str, Tensor]:
        with torch.inference_mode(), on_backend(settings.backend):
            return look(images, network.read(tokens))

    return forward


def other_pass(network: nn.Module, load: Load, *inputs: Tensor, **named: Tensor) -> Callable[[], object]:
    """A function that runs another network on inputs, for predicting."""
    network = network.eval().to(load.device)

    def forward() -> object:
        with torch.inference_mode(), load.autocast():
            return network(*inputs, **named)

    return forward
