"""Networks to measure, each a few settings that any process can build the same network and inputs from."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn

from laconvnet.bench.cost import Cost, measure_cost
from laconvnet.bench.operator_case import DEFAULT, PLAIN, on_backend
from laconvnet.models import LaConvNet, build_model, compile_look, named_dtype, prepare_for_inference
from laconvnet.ops.backends import select_backend
from laconvnet.scenes import answers


@dataclass(frozen=True)
class Load:
    """What a network is given, and in which number format it computes.

    Attributes:
        size: side of the square pictures, a multiple of 32.
        batch: pictures together.
        words: words per sentence.
        dtype: "float32", "bfloat16" or "float16".
        device: where.
    """

    size: int = 416
    batch: int = 1
    words: int = 15
    dtype: str = "float32"
    device: str = "cpu"

    def __post_init__(self) -> None:
        named_dtype(self.dtype)
        if self.size < 32 or self.size % 32:
            raise ValueError(f"size must be a multiple of 32, got {self.size}")
        if self.batch < 1 or self.words < 1:
            raise ValueError(f"batch and words must be 1 or more, got {self.batch} and {self.words}")

    def inputs(self, vocabulary_size: int) -> tuple[Tensor, Tensor]:
        """Pictures (N, 3, S, S) in [0, 1] and word ids (N, L) of at least 1, always the same."""
        generator = torch.Generator().manual_seed(0)
        images = torch.rand(self.batch, 3, self.size, self.size, generator=generator)
        tokens = torch.randint(1, vocabulary_size, (self.batch, self.words), generator=generator)
        return images.to(self.device), tokens.to(self.device)

    def autocast(self) -> AbstractContextManager[object]:
        """The context in which the number format holds."""
        if self.dtype == "float32":
            return nullcontext()
        return torch.autocast(torch.device(self.device).type, named_dtype(self.dtype))


class Network(Protocol):
    """A network with its load; picklable."""

    @property
    def name(self) -> str:
        """What to call it, load left out."""
        ...

    @property
    def load(self) -> Load:
        """What it is given."""
        ...

    @property
    def device(self) -> str:
        """Where it runs."""
        ...

    def build(self) -> Callable[[], object]:
        """Fresh weights and inputs, made ready; the function is one forward pass for inference."""
        ...

    def cost(self) -> Cost:
        """What one picture costs, counted."""
        ...


_CLEVR_ANSWERS = answers()  # what a network for questions is given to choose from


def chosen_backend(backend: str, dtype: str, device: str) -> str:
    """The name of a backend, or of the operator's own choice for 7x7 kernels.

    Raises:
        ValueError: no such backend.
        RuntimeError: it cannot run there.
    """
    if backend == PLAIN:
        return PLAIN
    with on_backend(backend):
        return select_backend(torch.empty(0, dtype=named_dtype(dtype), device=device), 7).name


@dataclass(frozen=True)
class LaConvNetwork:
    """This project's network.

    Attributes:
        preset: its preset.
        load: what it is given.
        tasks: its heads.
        vocabulary_size: rows of its word-vector table.
        backend: of the operator, by name, or `DEFAULT`.
        compiled: by `torch.compile`.
    """

    preset: str
    load: Load
    tasks: tuple[str, ...] = ("rec",)
    vocabulary_size: int = 10_000
    backend: str = DEFAULT
    compiled: bool = False

    @property
    def name(self) -> str:
        """Preset, the backend that runs, and whether it is compiled."""
        backend = chosen_backend(self.backend, self.load.dtype, self.load.device)
        return f"{self.preset} {backend}{' compiled' if self.compiled else ''}"

    @property
    def device(self) -> str:
        """Where it runs."""
        return self.load.device

    def network(self) -> LaConvNet:
        """The network, its random weights always the same, in training mode."""
        torch.manual_seed(0)
        return self._fresh().to(self.load.device)

    def _fresh(self) -> LaConvNet:
        given = _CLEVR_ANSWERS if "vqa" in self.tasks else ()
        return build_model(self.preset, self.tasks, vocabulary=range(self.vocabulary_size), answers=given)

    def build(self) -> Callable[[], dict[str, Tensor]]:
        """Fresh weights and inputs; the function is one forward pass for inference."""
        network = prepare_for_inference(self.network(), dtype=named_dtype(self.load.dtype))
        look = compile_look(network) if self.compiled else network.look
        images, tokens = self.load.inputs(self.vocabulary_size)

        def forward() -> dict[str, Tensor]:
            with torch.inference_mode(), on_backend(self.backend):
                return look(images, network.read(tokens))

        return forward

    def cost(self) -> Cost:
        """What one picture costs, counted."""
        with torch.device("meta"):
            network = self._fresh()
        return measure_cost(network, self.load.size, self.load.words)


def forward_pass(network: nn.Module, load: Load, *inputs: Tensor, **named: Tensor) -> Callable[[], object]:
    """A function that runs another network on inputs, for inference."""

    def forward() -> object:
        with torch.inference_mode(), load.autocast():
            return network(*inputs, **named)

    return forward
