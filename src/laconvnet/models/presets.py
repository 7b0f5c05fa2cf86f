"""The named networks, and how a few settings of one are changed.

`s` and `b` are the published networks as released. `s_paper` and `b_paper` reproduce the arithmetic of the paper's REC
and ablation tables: 3x3 kernels in the first stage, an LSTM, four bottlenecks per neck layer, no second mask path.
`t` and `n` are designs of this project for CPUs: a quarter and a tenth of the channels' cost, no block at stride 2.
"""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from laconvnet.models.config import ModelConfig

_PAPER: dict[str, Any] = {
    "language": {"rnn": "lstm"},
    "neck": {"depth": 4, "mask_path": False},
}

PRESETS: dict[str, dict[str, Any]] = {
    "s": {"backbone": {"kernels": [[3, 5], [7], [7, 7], [7] * 4, [7]]}},
    "b": {"backbone": {"kernels": [[3, 5, 7], [7] * 3, [7] * 4, [7] * 6, [7] * 3]}},
    "s_paper": {"backbone": {"kernels": [[3, 3], [7], [7, 7], [7] * 4, [7]]}, **_PAPER},
    "b_paper": {"backbone": {"kernels": [[3] * 3, [7] * 3, [7] * 4, [7] * 6, [7] * 3]}, **_PAPER},
    "t": {
        "backbone": {
            "dims": [16, 32, 64, 128, 192],
            "kernels": [[], [5], [7], [7, 7], [7]],
            "groups": [4, 4, 8, 8, 8],
        },
        "language": {"embed_dim": 100, "dim": 192, "hidden_dim": 768},
        "neck": {"depth": 1},
    },
    "n": {
        "backbone": {
            "dims": [8, 16, 32, 64, 128],
            "kernels": [[], [5], [5], [5], [7]],
            "groups": [2, 2, 4, 4, 8],
            "num_heads": 4,
            "mlp_ratio": 3.0,
        },
        "language": {"embed_dim": 100, "dim": 96, "hidden_dim": 192, "num_heads": 4},
        "neck": {"depth": 1},
    },
}


def _merge(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in changes.items():
        old = merged.get(key)
        merged[key] = _merge(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    return merged


def resolve_config(preset: str, *, tasks: tuple[str, ...], vocabulary_size: int, **overrides: Any) -> ModelConfig:
    """The configuration of a preset with some settings changed.

    Args:
        preset: a key of `PRESETS`.
        tasks: the heads to build.
        vocabulary_size: rows of the word-vector table.
        **overrides: sections of `ModelConfig` with the fields to change, such as
            ``backbone={"group_layout": "contiguous"}``.

    Returns:
        The checked configuration.

    Raises:
        ValueError: an unknown preset, field or value; the message names it and what is allowed.
    """
    if preset not in PRESETS:
        raise ValueError(f"unknown preset {preset!r}; allowed: {', '.join(PRESETS)}")
    values = _merge(PRESETS[preset], overrides)
    try:
        return ModelConfig(preset=preset, tasks=tasks, vocabulary_size=vocabulary_size, **values)
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(map(str, problem['loc'])) or 'model'}: {problem['msg']} (got {problem['input']!r:.80})"
            for problem in error.errors()
        )
        raise ValueError(f"model settings over preset {preset!r}: {problems}") from None
