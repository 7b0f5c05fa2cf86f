"""Number formats of weights in files: as they are, in half precision, or in 8 bits with a scale for each row."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import torch
from torch import Tensor

_SCALE: Final = ".row_scale"
_SHORTEST_ROW: Final = 8


def as_stored(weights: dict[str, Tensor], dtype: torch.dtype | None) -> dict[str, Tensor]:
    """Weights in the number format of a file; counters stay whole numbers.

    Args:
        weights: by name, as of a state dict.
        dtype: of floating point, None for no change; or int8, where every row of at least 8 numbers becomes whole
            numbers from -127 to 127 and a scale in float32, under the name of the weight with `.row_scale`, and all
            other weights become float16.

    Returns:
        What `as_computed` makes float32 again.

    Raises:
        ValueError: a weight is too large for `dtype`, or not finite, which int8 cannot hold.
    """
    if dtype is None:
        return weights
    if dtype == torch.int8 and (lost := [name for name, w in weights.items() if not w.isfinite().all()]):
        raise ValueError(f"{len(lost)} weights are not finite, which {dtype} cannot hold, such as {lost[0]}")
    stored: dict[str, Tensor] = {}
    for name, w in weights.items():
        if not w.is_floating_point():
            stored[name] = w
        elif dtype != torch.int8:
            stored[name] = w.to(dtype)
        elif w.ndim > 1 and w[0].numel() >= _SHORTEST_ROW:
            rows = w.float().flatten(1)
            scale = (rows.abs().amax(1, keepdim=True) / 127).clamp_min(torch.finfo(torch.float32).tiny)
            stored[name] = (rows / scale).round().to(torch.int8).view_as(w)
            stored[name + _SCALE] = scale.flatten()
        else:
            stored[name] = w.half()
    if broken := [n for n, w in weights.items() if (stored[n].isinf() & w.isfinite()).any()]:
        raise ValueError(f"{len(broken)} weights hold numbers too large for {dtype}, such as {broken[0]}")
    return stored


def as_computed(stored: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return weights in float32, counters as they are: the inverse of `as_stored`, up to its rounding.

    Raises:
        ValueError: numbers in 8 bits and the scales of their rows do not belong together, or a number is not finite.
    """
    weights = {}
    for name, w in stored.items():
        scale = stored.get(name + _SCALE)
        if w.dtype == torch.int8 and scale is not None and scale.shape == w.shape[:1]:
            weights[name] = (w.flatten(1) * scale[:, None]).view_as(w)
        elif w.dtype == torch.int8 or scale is not None:
            found = "no scales" if scale is None else f"scales of shape {tuple(scale.shape)}"
            raise ValueError(f"{name} is {w.dtype} of shape {tuple(w.shape)} and has {found} of its rows")
        elif not (name.endswith(_SCALE) and name.removesuffix(_SCALE) in stored):
            weights[name] = w.float() if w.is_floating_point() else w
    if broken := [name for name, w in weights.items() if not w.isfinite().all()]:
        raise ValueError(f"{len(broken)} weights hold numbers that are not finite, such as {broken[0]}")
    return weights
