"""The operator at the shapes of a network: ways to compute it, and whether they agree with the reference."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor

from laconvnet.bench.load import Load
from laconvnet.bench.parity import check_parity
from laconvnet.models import named_dtype, resolve_config
from laconvnet.ops import dynamic_conv2d, use_backend

REFERENCE = "reference"
DEFAULT = "default"
"""In the place of a backend's name: whichever the operator chooses."""
PASSES = ("forward", "forward+backward")


def on_backend(name: str) -> AbstractContextManager[None]:
    """Where the operator runs on a backend, or on its own choice for `DEFAULT`."""
    return nullcontext() if name == DEFAULT else use_backend(name)


class Shape(NamedTuple):
    """One convolution of a network; `side` is that of its square map."""

    stage: int
    channels: int
    groups: int
    kernel_size: int
    side: int

    def __str__(self) -> str:
        return f"{self.channels} channels, {self.groups} groups, K {self.kernel_size}, {self.side}x{self.side}"


@dataclass(frozen=True)
class Contender:
    """A way to compute the operator, or something of its size.

    Attributes:
        name: what to call it.
        kind: "backend", "comparator", "compiled" or "yardstick"; the last computes something else.
        run: out of x and weight.
        context: what surrounds run and its backward.
    """

    name: str
    kind: str
    run: Callable[[Tensor, Tensor], Tensor]
    context: Callable[[], AbstractContextManager[Any]] = nullcontext


def stage_shapes(preset: str, size: int, stages: Sequence[int] | None = None) -> list[Shape]:
    """The distinct convolutions of a preset.

    Args:
        preset: a preset's name.
        size: side of the square picture, a multiple of 32.
        stages: which, 1 to 5; all unless given.

    Returns:
        Shapes, by stage and kernel_size.

    Raises:
        ValueError: an unknown preset, a size or stage out of range, or no convolution there.
    """
    if size < 32 or size % 32:
        raise ValueError(f"size must be a multiple of 32, got {size}")
    chosen = range(1, 6) if stages is None else stages
    if wrong := [stage for stage in chosen if stage not in range(1, 6)]:
        raise ValueError(f"stages are 1 to 5, got {wrong}")
    config = resolve_config(preset, heads=("rec",), vocabulary_size=2).backbone
    shapes = [
        Shape(stage, config.dims[stage - 1], config.groups[stage - 1], kernel_size, size >> stage)
        for stage in chosen
        for kernel_size in sorted(set(config.kernels[stage - 1]))
    ]
    if not shapes:
        raise ValueError(f"preset {preset!r} has no convolution in stages {list(chosen)}")
    return shapes


class Case:
    """Tensors of one shape, batch and number format, and what the reference makes of them."""

    def __init__(self, shape: Shape, batch: int, dtype: torch.dtype, device: torch.device) -> None:
        def random(*sizes: int) -> Tensor:
            return torch.randn(sizes, device=device, generator=generator).to(dtype).requires_grad_()

        generator = torch.Generator(device).manual_seed(0)
        _, channels, groups, kernel_size, side = self.shape = shape
        self.batch = batch
        self.x = random(batch, channels, side, side)
        self.weight = random(batch, groups, kernel_size**2, side, side)
        self.static = random(channels, 1, kernel_size, kernel_size)
        self.grad = random(batch, channels, side, side).detach()

    def __str__(self) -> str:
        return f"batch {self.batch}, {self.shape}, {str(self.x.dtype).removeprefix('torch.')}"

    def execute(self, contender: Contender, pass_: str) -> dict[str, Tensor]:
        """What a contender makes of the tensors, by name."""
        x, weight = self.x, self.static if contender.kind == "yardstick" else self.weight
        with contender.context():
            if pass_ == "forward":
                with torch.inference_mode():
                    return {"output": contender.run(x, weight)}
            out = contender.run(x, weight)
            grads = torch.autograd.grad(out, (x, weight), self.grad)
        return {"output": out, "gradient of x": grads[0], "gradient of weight": grads[1]}

    def expected(self, pass_: str) -> dict[str, Tensor]:
        """The reference's results, sample by sample: all at once it may need more memory than there is."""
        reference = backend_contender(REFERENCE)
        samples = [self._sample(index).execute(reference, pass_) for index in range(self.batch)]
        return {name: torch.cat([sample[name].detach() for sample in samples]) for name in samples[0]}

    def _sample(self, index: int) -> Case:
        """One sample of the batch."""
        sample = copy.copy(self)
        sample.batch = 1
        sample.x, sample.weight = (t[index : index + 1].detach().requires_grad_() for t in (self.x, self.weight))
        sample.grad = self.grad[index : index + 1]
        return sample

    def work(self, contender: Contender, pass_: str) -> tuple[float, float]:
        """Floating-point operations, and bytes if each tensor is read or written once."""
        weight = self.static if contender.kind == "yardstick" else self.weight
        operations = 2 * self.x.numel() * self.shape.kernel_size**2
        if pass_ == "forward":
            return operations, 2 * self.x.nbytes + weight.nbytes
        return 3 * operations, 5 * self.x.nbytes + 3 * weight.nbytes


def backend_contender(name: str) -> Contender:
    """The operator on a backend, or on its own choice."""
    return Contender(name, "backend", dynamic_conv2d, partial(on_backend, name))


def check_backends(backends: Sequence[str], preset: str, load: Load, pass_: str) -> None:
    """Refuse backends that disagree with the reference at a shape of a network, on one or two samples.

    The network as a whole would not show it: with fresh weights little of the operator reaches its outputs.

    Args:
        backends: names, or `DEFAULT`.
        preset: the network.
        load: what it is given; more than two pictures are not checked.
        pass_: one of `PASSES`.

    Raises:
        ParityError: one disagrees; names the shape.
    """
    for shape in stage_shapes(preset, load.size):
        case = Case(shape, min(load.batch, 2), named_dtype(load.dtype), torch.device(load.device))
        expected = case.expected(pass_)
        for name in backends:
            check_parity(name, str(case), case.execute(backend_contender(name), pass_), expected)
