"""The page that goes with published weights."""

from __future__ import annotations

from collections.abc import Sequence

from laconvnet.data import DatasetInfo
from laconvnet.tables import markdown
from laconvnet.training.config import TrainConfig


def model_card(config: TrainConfig, infos: Sequence[DatasetInfo], metrics: dict[str, float]) -> str:
    """Describe weights: what they do, what they learned from under which terms, and how well.

    Args:
        config: the settings of the run that made them.
        infos: the datasets they were trained on.
        metrics: values by name, reached on the validation split.

    Returns:
        Markdown with the front matter that model hubs read.
    """
    rows = markdown([{"metric": name, "value": f"{value:.4f}"} for name, value in metrics.items()])
    tags = "\n".join(f"- {task}" for task in config.tasks)
    start = f"Training started from the weights in `{config.initial}`.\n\n" if config.initial else ""
    data = "\n".join(f"* {info.name}: {info.source}. Licence: {info.licence}." for info in infos)
    average = ", averaged over training" if config.ema.decay else ""
    return f"""---
library_name: laconvnet
license: apache-2.0
tags:
- laconvnet
{tags}
---

# laconvnet {config.preset}, {", ".join(config.tasks)}

Weights of the preset `{config.preset}` for {", ".join(f"`{task}`" for task in config.tasks)}{average}.

## Data

{start}The split `{config.data.train_split}` of

{data}

## Results

On the split `{config.data.val_split}`:

{rows}

The settings of the run are in `train.yaml`.
"""
