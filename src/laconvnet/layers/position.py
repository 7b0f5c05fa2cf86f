"""Sine position code: how a kernel generator knows where in the picture it is."""

import math

import torch
from torch import Tensor

_TEMPERATURE = 10000.0


def _waves(positions: Tensor, channels: int) -> Tensor:
    """(channels, len(positions)): sine and cosine in turn, wavelengths from 2*pi to 2*pi*10000."""
    pair = torch.arange(channels, device=positions.device) // 2
    wavelength = _TEMPERATURE ** (2 * pair.to(positions.dtype) / channels)
    phase = positions / wavelength[:, None]
    even = torch.arange(channels, device=positions.device)[:, None] % 2 == 0
    return torch.where(even, phase.sin(), phase.cos())


def sine_position(
    dim: int,
    height: int,
    width: int,
    *,
    normalize: bool = False,
    device: torch.device | None = None,
    dtype: torch.dtype = torch.float32,
) -> Tensor:
    """Code every cell of a map by waves of its row (first half of the channels) and column (second half).

    Args:
        dim: number of channels, a multiple of 4 so that each half holds whole sine-cosine pairs.
        height: rows of the map.
        width: columns of the map.
        normalize: count positions 1..size (False, as the authors' code does) or in (0, 2*pi] of the map's own
            size, which transfers between resolutions.
        device: where to make it.
        dtype: floating dtype of the result; computed in float32.

    Returns:
        (1, dim, height, width), values in [-1, 1].

    Raises:
        ValueError: dim is not a multiple of 4.
    """
    if dim % 4:
        raise ValueError(f"dim is {dim}; allowed: a multiple of 4")
    rows = torch.arange(1, height + 1, device=device, dtype=torch.float32)
    columns = torch.arange(1, width + 1, device=device, dtype=torch.float32)
    if normalize:
        rows, columns = rows * (2 * math.pi / height), columns * (2 * math.pi / width)
    half = dim // 2
    by_row = _waves(rows, half)[:, :, None].expand(half, height, width)
    by_column = _waves(columns, half)[:, None, :].expand(half, height, width)
    return torch.cat([by_row, by_column])[None].to(dtype)
