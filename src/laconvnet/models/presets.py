"""The named networks, and how a few settings of one are changed.

`s` and `b` are the published networks as released. `s_paper` and `b_paper` reproduce the arithmetic of the paper's REC
and ablation tables: 3x3 kernels in the first stage, an LSTM, four bottlenecks per neck layer, no second mask path.
`t` and `n` are designs of this project for CPUs: a quarter and a tenth of the channels' cost, no block at stride 2.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from laconvnet.models.config import HEADS, ModelConfig, ModelSections
from laconvnet.settings import check, merge

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
            "mlp_ratio": 3.0,
            "block": {"kind": "laconv", "num_heads": 4},
        },
        "language": {"embed_dim": 100, "dim": 96, "hidden_dim": 192, "num_heads": 4},
        "neck": {"depth": 1},
    },
}


def resolve_config(
    preset: str, *, heads: Sequence[str], vocabulary_size: int, num_answers: int = 0, **overrides: Any
) -> ModelConfig:
    """Return the configuration of a preset with some settings changed.

    Args:
        preset: a key of `PRESETS`.
        heads: the heads to build, in any order.
        vocabulary_size: rows of the word-vector table.
        num_answers: outputs of the answer head.
        **overrides: sections of `ModelConfig` with the fields to change, such as
            ``backbone={"group_layout": "contiguous"}``.

    Raises:
        ValueError: an unknown preset, head, field or value; the message names it and what is allowed.
    """
    if unknown := [head for head in heads if head not in HEADS]:
        raise ValueError(f"unknown heads {unknown}; allowed: {', '.join(HEADS)}")
    where = f"preset {preset!r}"
    sections = check(ModelSections, sections_of(preset, overrides), where, "model")
    config = {
        "preset": preset,
        "heads": sorted(heads, key=HEADS.index),
        "num_answers": num_answers,
        "vocabulary_size": vocabulary_size,
        **sections.model_dump(mode="json"),
    }
    return check(ModelConfig, config, where)


def sections_of(preset: str, overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Return the sections of a preset with some settings changed, as plain values that are still to be checked.

    Raises:
        ValueError: an unknown preset.
    """
    if preset not in PRESETS:
        raise ValueError(f"unknown preset {preset!r}; allowed: {', '.join(PRESETS)}")
    changes = dict(overrides)
    backbone = changes.get("backbone")
    if isinstance(backbone, Mapping) and isinstance(backbone.get("block"), str):  # a kind alone, without its settings
        changes["backbone"] = {**backbone, "block": {"kind": backbone["block"]}}
    return merge(PRESETS[preset], changes, ModelSections)
