"""Nothing wrong is timed: results are held against the reference's first."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

TOLERANCES = {torch.float64: 1e-10, torch.float32: 1e-5, torch.float16: 4e-3, torch.bfloat16: 3e-2}
"""By number format, the largest difference allowed, as a share of the largest value."""


class ParityError(RuntimeError):
    """A contender computes something else than the reference; the message says which, where, and how different."""


def check_parity(contender: str, where: str, found: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> None:
    """Refuse a contender whose results differ from the reference's.

    Args:
        contender: its name.
        where: shape or network, in words.
        found: its results by name, at least some of the expected ones.
        expected: the reference's.

    Raises:
        ParityError: a result differs too much, is not finite, or has another shape or number format.
    """
    for name, one in found.items():
        other = expected[name]
        if one.shape != other.shape or one.dtype != other.dtype:
            raise ParityError(
                f"{contender} is not timed at {where}: its {name} is {one.dtype} {tuple(one.shape)}, "
                f"the reference's {other.dtype} {tuple(other.shape)}"
            )
        if not one.numel():
            continue
        allowed = TOLERANCES[one.dtype]
        scale = other.detach().abs().max().double().clamp(min=torch.finfo(torch.float32).tiny)
        difference = float((one.detach().double() - other.detach().double()).abs().max() / scale)
        if not difference <= allowed:  # also when it is not a number
            raise ParityError(
                f"{contender} is not timed at {where}: its {name} differs from the reference's by {difference:.2g} of "
                f"the largest value, allowed {allowed:.2g}"
            )
