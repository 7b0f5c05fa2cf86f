"""Gradient checkpointing: compute again in the backward pass what is cheap to compute, and keep the rest for it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import TypeVarTuple

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint

Inputs = TypeVarTuple("Inputs")


@contextmanager
def hold_statistics(module: nn.Module) -> Iterator[None]:
    """While it lasts, BatchNorms within a module count what they see into copies of their running statistics."""
    norms = [norm for norm in module.modules() if isinstance(norm, _BatchNorm)]
    held = [(norm, name, buffer) for norm in norms for name, buffer in norm.named_buffers(recurse=False)]
    for norm, name, buffer in held:
        setattr(norm, name, buffer.clone())
    try:
        yield
    finally:
        for norm, name, buffer in held:
            setattr(norm, name, buffer)


def checkpointed(owner: nn.Module, function: Callable[[*Inputs], Tensor], *inputs: *Inputs) -> Tensor:
    """Call a function; if `owner.grad_checkpointing` is set and gradients are wanted, keep its inputs alone.

    The backward pass then calls it again, up to the last step it needs. The second call draws the same random numbers
    as the first and counts nothing into running statistics, so that gradients and state are those of a plain call.

    Args:
        owner: the module whose layers the function uses.
        function: a function of the inputs and of the owner's parameters.
        *inputs: what it takes.

    Returns:
        What the function returns.
    """
    if not (owner.grad_checkpointing and torch.is_grad_enabled()):
        return function(*inputs)
    return checkpoint(  # type: ignore[no-any-return]
        function, *inputs, use_reentrant=False, context_fn=lambda: (nullcontext(), hold_statistics(owner))
    )
