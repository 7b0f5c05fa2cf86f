"""The learning rate as a function of the step, and of the clock when the time is limited."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal


def learning_rate(
    step: int,
    *,
    base: float,
    total_steps: int,
    warmup_steps: float = 0,
    kind: Literal["cosine", "steps", "constant"] = "cosine",
    warmup_start: float = 0.0,
    minimum: float = 0.0,
    milestones: Sequence[float] = (),
    gamma: float = 0.2,
    time_share: float = 0.0,
) -> float:
    """Learning rate of one optimiser step.

    Warm-up, for step < warmup_steps: start + (base - start) · step / warmup_steps. After it, with the
    position p = max(step, time_share · total_steps):

    * cosine: minimum + (base - minimum) · (1 + cos(π · (p - warmup) / (total - warmup))) / 2;
    * steps: base · gamma^(number of milestones ≤ p);
    * constant: base.

    The clock only ever lowers the rate: during the warm-up the smaller of the two values counts.

    Args:
        step: number of optimiser steps made before this one.
        base: learning rate after the warm-up.
        total_steps: steps at which a cosine reaches its minimum.
        warmup_steps: steps of linear warm-up.
        kind: shape after the warm-up.
        warmup_start: learning rate at step 0, if there is a warm-up.
        minimum: learning rate at the end of a cosine.
        milestones: steps at which a steps schedule multiplies by gamma.
        gamma: that factor.
        time_share: share of the allowed time that has passed, in [0, 1]; 0 without a limit.

    Returns:
        The learning rate.

    Raises:
        ValueError: when `kind` is none of the three.
    """
    position = max(float(step), time_share * total_steps)
    if kind == "cosine":
        share = (position - warmup_steps) / max(total_steps - warmup_steps, 1e-9)
        share = min(max(share, 0.0), 1.0)
        rate = minimum + (base - minimum) * (1 + math.cos(math.pi * share)) / 2
    elif kind == "steps":
        rate = base * gamma ** sum(milestone <= position for milestone in milestones)
    elif kind == "constant":
        rate = base
    else:
        raise ValueError(f"schedule kind is {kind!r}, allowed: 'cosine', 'steps', 'constant'")
    if step < warmup_steps:
        rate = min(rate, warmup_start + (base - warmup_start) * step / warmup_steps)
    return rate
