"""The implementations of the operator, in order of preference, and how one of them is chosen."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

import torch
from torch import Tensor

from laconvnet.ops import native, reference, shifted, triton
from laconvnet.ops.dropout import Dropout

ENVIRONMENT_VARIABLE = "LACONVNET_BACKEND"
PLAIN = "plain"

Forward = Callable[[Tensor, Tensor, reference.GroupLayout, Dropout | None], Tensor]
GradWeight = Callable[[Tensor, Tensor, int, int, reference.GroupLayout, Dropout | None], Tensor]


@dataclass(frozen=True)
class Backend:
    """One implementation: the operator, its two gradients, and when it cannot run."""

    name: str
    summary: str
    forward: Forward
    grad_input: Forward
    grad_weight: GradWeight
    why_not: Callable[[Tensor, int], str | None]
    """None when the backend can run on tensors like this one with this kernel_size, else the reason in words."""


def _runs_anywhere(_x: Tensor, _kernel_size: int) -> str | None:
    return None


BACKENDS: dict[str, Backend] = {
    "triton": Backend(
        "triton",
        "kernels compiled for the GPU at first use",
        triton.forward,
        triton.grad_input,
        triton.grad_weight,
        triton.why_not,
    ),
    "native": Backend(
        "native",
        "compiled CPU kernels, sums in registers, nothing unfolded",
        native.forward,
        native.grad_input,
        native.grad_weight,
        native.why_not,
    ),
    "shifted": Backend(
        "shifted",
        "K*K shifted multiply-adds in PyTorch, nothing unfolded",
        shifted.forward,
        shifted.grad_input,
        shifted.grad_weight,
        _runs_anywhere,
    ),
    "reference": Backend(
        "reference",
        "the definition: unfold and einsum, K*K times the memory of x",
        reference.forward,
        reference.grad_input,
        reference.grad_weight,
        _runs_anywhere,
    ),
    # After one that runs anywhere, so never chosen unless asked for.
    PLAIN: Backend(
        PLAIN,
        "the definition as PyTorch differentiates it, the unfolded x kept; to measure the others against",
        reference.forward,
        reference.grad_input,
        reference.grad_weight,
        _runs_anywhere,
    ),
}

_forced: ContextVar[str | None] = ContextVar("laconvnet_backend", default=None)


def _check_name(name: str, where: str) -> str:
    if name not in BACKENDS:
        raise ValueError(f"{where}: unknown backend {name!r}; allowed: {', '.join(BACKENDS)}")
    return name


@contextmanager
def use_backend(name: str) -> Iterator[None]:
    """Run every `dynamic_conv2d` inside the ``with`` block (and no backward after it) on one backend.

    Args:
        name: a key of ``BACKENDS``, such as ``"reference"``.

    Raises:
        ValueError: the name is not a backend.
    """
    token = _forced.set(_check_name(name, "use_backend"))
    try:
        # On a GPU, a backward pass would run on another thread, which does not know of the choice.
        with torch.autograd.set_multithreading_enabled(False):
            yield
    finally:
        _forced.reset(token)


def forced_backend() -> tuple[str, str] | None:
    """The backend somebody asked for and where they asked, or None."""
    if (name := _forced.get()) is not None:
        return name, "use_backend"
    if name := os.environ.get(ENVIRONMENT_VARIABLE):
        return _check_name(name, ENVIRONMENT_VARIABLE), ENVIRONMENT_VARIABLE
    return None


def asked_for_plain() -> bool:
    """Whether `PLAIN` was asked for, and PyTorch is to see what the operator is made of.

    Never in a graph that is being compiled: there the operator stays one call, whose backend is chosen when it runs.
    """
    return not torch.compiler.is_compiling() and (forced := forced_backend()) is not None and forced[0] == PLAIN


def select_backend(x: Tensor, kernel_size: int) -> Backend:
    """The first backend that can run on tensors like x with kernels of this size, or the forced one.

    Raises:
        RuntimeError: the forced backend cannot run on such tensors; the message says why.
    """
    if (forced := forced_backend()) is not None:
        backend = BACKENDS[forced[0]]
        if reason := backend.why_not(x, kernel_size):
            raise RuntimeError(f"backend {backend.name!r}, asked for by {forced[1]}, cannot run: {reason}")
        return backend
    return next(backend for backend in BACKENDS.values() if backend.why_not(x, kernel_size) is None)


def explain(x: Tensor, kernel_size: int = 7) -> str:
    """Say in words which backend would run `dynamic_conv2d` on tensors like x, and why not the others.

    Args:
        x: a tensor with the device and dtype in question; its values are not read.
        kernel_size: K.

    Returns:
        One line per backend, in order of preference; the chosen one is marked ``->``.
    """
    chosen, forced = select_backend(x, kernel_size), forced_backend()
    lines = [f"dynamic_conv2d on {x.device.type}, {str(x.dtype).removeprefix('torch.')}:"]
    for backend in BACKENDS.values():
        if backend is chosen:
            mark, reason = "->", f"asked for by {forced[1]}" if forced else "first that can run"
        else:
            mark = "  "
            reason = backend.why_not(x, kernel_size) or (f"{forced[1]} asks for another" if forced else "slower")
        lines.append(f"{mark} {backend.name}: {backend.summary} ({reason})")
    return "\n".join(lines)
