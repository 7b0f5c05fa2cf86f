"""The optimiser, with weight decay on filters and matrices only."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from laconvnet.training.config import OptimizerConfig


def build_optimizer(model: nn.Module, config: OptimizerConfig) -> torch.optim.Optimizer:
    """Make the optimiser of the trainable parameters.

    It updates all of them in PyTorch's fused kernel, which counts steps and leaves out an fp16 overflow on the
    device. A state that it loads brings moments and constants, not the kernels of the run that saved it.

    Args:
        model: the network; parameters that do not require a gradient are left out.
        config: kind of optimiser and its constants.

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
    optimizer = kind(present, lr=config.lr, betas=config.betas, eps=config.eps, fused=True)
    optimizer.register_load_state_dict_pre_hook(_keep_kernels)
    return optimizer


def _keep_kernels(optimizer: torch.optim.Optimizer, state: dict[str, Any]) -> dict[str, Any]:
    """The state to load, its groups computed the way this optimiser computes."""
    kernels = {name: optimizer.defaults[name] for name in ("fused", "foreach", "capturable")}
    return {**state, "param_groups": [{**group, **kernels} for group in state["param_groups"]]}
