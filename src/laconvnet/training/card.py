"""The page that goes with published weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import yaml

from laconvnet.data import DatasetInfo
from laconvnet.training.config import TrainConfig

_USAGE: Final = """from laconvnet import Predictor

predictor = Predictor.from_pretrained("path/of/this/folder")
print(predictor("picture.jpg", "a sentence about it")[0])"""

_HUB_LICENCES: Final[Mapping[str, str]] = {
    "CC0-1.0": "cc0-1.0",
    "CC BY 4.0": "cc-by-4.0",
    "CC-BY-4.0": "cc-by-4.0",
    "Apache-2.0": "apache-2.0",
    "MIT": "mit",
}
"""Names of licences, as model hubs spell them."""


def model_card(config: TrainConfig, infos: Sequence[DatasetInfo], metrics: Mapping[str, float]) -> str:
    """Describe weights: what they do, how to use them, what they learned from under which terms, and how well.

    Args:
        config: the settings of the run that made them.
        infos: the datasets they were trained on.
        metrics: values by name, reached on the validation split.

    Returns:
        Markdown with the front matter that model hubs read.
    """
    tasks = ", ".join(f"`{task}`" for task in config.tasks)
    start = f"Training started from the weights in `{config.initial}`.\n\n" if config.initial else ""
    average = ", averaged over training" if config.ema.decay else ""
    changed = yaml.safe_dump(config.changed(), sort_keys=False, allow_unicode=True, width=100)
    return f"""{_front_matter(config, infos)}
# laconvnet {config.preset}, {", ".join(config.tasks)}

Weights of the preset `{config.preset}` for {tasks}{average}.

```python
{_USAGE}
```

## Data

{start}The split `{config.data.train_split}` of

{_data(infos)}

Mind the terms of these data when you use the weights.

## Results

On the split `{config.data.val_split}`:

| metric | value |
|---|---|
{_rows(metrics)}

## Settings

Everything that differs from the defaults of `laconvnet train`:

```yaml
{changed}```
"""


def _front_matter(config: TrainConfig, infos: Sequence[DatasetInfo]) -> str:
    tags = "\n".join(f"- {task}" for task in config.tasks)
    return f"""---
library_name: laconvnet
{licence_lines(infos)}
tags:
- laconvnet
{tags}
---
"""


def licence_lines(infos: Sequence[DatasetInfo]) -> str:
    """Return the lines of a card's front matter that tell the licence of the data.

    Hubs know few licences by name; any other, or several, is "other", and the section "Data" tells.
    """
    licences = {info.licence for info in infos}
    known = {_HUB_LICENCES.get(licence) for licence in licences}
    if len(known) == 1 and (name := known.pop()) is not None:
        return f"license: {name}"
    return "license: other\nlicense_name: that-of-the-data"


def _data(infos: Sequence[DatasetInfo]) -> str:
    return "\n".join(f"* {info.name}: {info.source}. Licence: {info.licence}." for info in infos)


def _rows(metrics: Mapping[str, float]) -> str:
    return "\n".join(f"| {name} | {value:.4f} |" for name, value in metrics.items())
