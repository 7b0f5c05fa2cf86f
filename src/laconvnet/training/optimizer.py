"""The optimiser, with weight decay on filters and matrices only."""

from __future__ import annotations

import torch
from torch import nn

from laconvnet.training.config import OptimizerConfig


def build_optimizer(model: nn.Module, config: OptimizerConfig, *, fused: bool = True) -> torch.optim.Optimizer:
    """Make the optimiser of the trainable parameters.

    Args:
        model: the network; parameters that do not require a gradient are left out.
        config: kind of optimiser and its constants.
        fused: use PyTorch's one-kernel update.

    Returns:
        Adam or AdamW with two groups: parameters of two and more dimensions decay, the others do not.

    Raises:
        ValueError: when no parameter requires a gradient.
    """
    trainable = [parameter for parameter in model.parameters() if parameter.requires_grad]
    if not trainable:
        raise ValueError("the network has no parameter that requires a gradient, so there is nothing to train")
    groups = [
        {"params": [p for p in trainable if p.ndim >= 2], "weight_decay": config.weight_decay},
        {"params": [p for p in trainable if p.ndim < 2], "weight_decay": 0.0},
    ]
    kind = torch.optim.AdamW if config.name == "adamw" else torch.optim.Adam
    present = [group for group in groups if group["params"]]
    return kind(present, lr=config.lr, betas=config.betas, eps=config.eps, fused=fused)
