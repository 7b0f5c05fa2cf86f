"""The page that goes with published weights."""

from __future__ import annotations

from laconvnet.data import DatasetInfo
from laconvnet.training.config import TrainConfig


def model_card(config: TrainConfig, info: DatasetInfo, metrics: dict[str, float]) -> str:
    """Describe weights: what they do, what they learned from under which terms, and how well.

    Args:
        config: the settings of the run that made them.
        info: the dataset they were trained on.
        metrics: values by name, reached on the validation split.

    Returns:
        Markdown with the front matter that model hubs read.
    """
    rows = "\n".join(f"| {name} | {value:.4f} |" for name, value in metrics.items())
    average = ", averaged over training" if config.ema.decay else ""
    return f"""---
library_name: laconvnet
license: apache-2.0
tags:
- laconvnet
- {config.task}
---

# laconvnet {config.preset}, {config.task}

Weights of the preset `{config.preset}` for the task `{config.task}`{average}.

## Data

{info.name}, split `{config.data.train_split}`. Source: {info.source}. Licence of the data: {info.licence}.

## Results

On the split `{config.data.val_split}`:

| metric | value |
|---|---|
{rows}

The settings of the run are in `train.yaml`.
"""
