"""From a collated batch of bytes to what the network takes, on its device."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


def to_model_input(batch: dict[str, Any], device: torch.device) -> dict[str, Any]:
    """Move a batch's tensors to the device and its pictures from bytes to [0, 1].

    Args:
        batch: what the collator made; "images" is (N, 3, H, W), uint8 in [0, 255] or already float in [0, 1].
        device: where the network is.

    Returns:
        The same entries; tensors on the device, "images" float32, everything else untouched.
    """
    moved = {
        name: value.to(device, non_blocking=True) if isinstance(value, Tensor) else value
        for name, value in batch.items()
    }
    if moved["images"].dtype == torch.uint8:
        moved["images"] = moved["images"].float() / 255
    return moved
