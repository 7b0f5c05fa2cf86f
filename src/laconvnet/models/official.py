"""The authors' checkpoints: their names for our modules, every key used exactly once.

Their files hold ``{"epoch", "state_dict", "optimizer", ...}``; the state dict holds averaged (EMA) weights and its keys
may start with ``module.``.
"""

import os
import pickle
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from laconvnet.models.checkpoint import Checkpoint
from laconvnet.models.network import LaConvNet, skeleton
from laconvnet.models.official_vocabulary import official_vocabulary
from laconvnet.models.presets import resolve_config
from laconvnet.processing import Preprocess, Processor

Variant = Literal["s", "b"]
OfficialTask = Literal["rec", "res"]

_CARD = """---
library_name: laconvnet
tags: [laconvnet, {task}]
---

# LaConvNet {variant}, {task}, weights of the paper's authors

Converted from `{name}`. The weights and their licence are the authors' (Luo et al., LaConvNet).
"""

_TEXT = {
    "embedding": "embedding",
    "lstm": "rnn",
    "sa_list.0.mhatt.linear_v": "layers.0.value",
    "sa_list.0.mhatt.linear_k": "layers.0.key",
    "sa_list.0.mhatt.linear_q": "layers.0.query",
    "sa_list.0.mhatt.linear_merge": "layers.0.merge",
    "sa_list.0.ffn.mlp.fc.linear": "layers.0.feed_forward.0",
    "sa_list.0.ffn.mlp.linear": "layers.0.feed_forward.3",
    "sa_list.0.norm1": "layers.0.norm1",
    "sa_list.0.norm2": "layers.0.norm2",
    "att_flat.mlp.fc.linear": "pooling.score.0",
    "att_flat.mlp.linear": "pooling.score.3",
    "att_flat.linear_merge": "pooling.merge",
}

_BLOCK = {
    "cond_generator.mha.linear_v": "conv.generator.value",
    "cond_generator.mha.linear_k": "conv.generator.key",
    "cond_generator.mha.linear_q": "conv.generator.query",
    "cond_generator.mha.linear_merge": "conv.generator.merge",
    "cond_generator.norm": "conv.generator.norm",
    "conv1.linear": "conv.predict",
    "bn1": "norm",
    "block1": "mlp",
}

_CONV = {"conv": "0", "bn": "1", "batch_norm": "1"}

_CROSS_STAGE = {"conv1": "through", "conv2": "past", "conv3": "merge"}

_TOP_DOWN = {"lateral_conv0": "reduce32", "C3_p4": "mix16", "reduce_conv1": "reduce16", "C3_p3": "mix8"}

_BOTTOM_UP = {"bu_conv2": "down8", "C3_n3": "mix16", "bu_conv1": "down16", "C3_n4": "mix32"}


def _prefixes(model: LaConvNet) -> Iterator[tuple[str, str]]:
    """(authors' module, our module) for every module that holds weights."""
    for theirs, ours in _TEXT.items():
        yield f"lang_encoder.{theirs}", f"text.{ours}"
    for part, place in _CONV.items():
        yield f"visual_encoder.stem.conv.{part}", f"backbone.stem.1.{place}"
    for stage, module in enumerate(model.backbone.stages):
        first = 0 if stage == 0 else 1  # from the second stage on, index 0 is the down-sampling
        for part, place in _CONV.items():
            yield (
                f"visual_encoder.blocks.{stage}.0.conv.{part}",
                f"backbone.stages.{stage}.downsample.1.{place}",
            )
        for block in range(len(module.blocks)):  # type: ignore[arg-type]
            for theirs, ours in _BLOCK.items():
                yield (
                    f"visual_encoder.blocks.{stage}.{first + block}.{theirs}",
                    f"backbone.stages.{stage}.blocks.{block}.{ours}",
                )
    yield from _pyramid("multi_scale_manner", "neck.top_down", _TOP_DOWN, model.config.neck.depth)
    yield from _pyramid("multi_scale_manner", "neck", _BOTTOM_UP, model.config.neck.depth)
    yield from _pyramid("detection_neck", "mask_path", _TOP_DOWN, model.config.neck.depth)
    yield from _heads()


def _pyramid(theirs: str, ours: str, names: Mapping[str, str], depth: int) -> Iterator[tuple[str, str]]:
    for their_name, our_name in names.items():
        for part, place in _CONV.items():
            yield f"{theirs}.{their_name}.{part}", f"{ours}.{our_name}.{place}"
            for their_conv, our_conv in _CROSS_STAGE.items():
                yield (
                    f"{theirs}.{their_name}.{their_conv}.{part}",
                    f"{ours}.{our_name}.{our_conv}.{place}",
                )
            for index in range(depth):
                for conv in (0, 1):
                    yield (
                        f"{theirs}.{their_name}.m.{index}.conv{conv + 1}.{part}",
                        f"{ours}.{our_name}.bottlenecks.{index}.{conv}.{place}",
                    )


def _heads() -> Iterator[tuple[str, str]]:
    yield "head.reg_preds.0", "heads.rec.box"
    yield "head.obj_preds.0", "heads.rec.objectness"
    yield "head.sconv.0.out_proj", "heads.res.out"
    for part, place in _CONV.items():
        yield f"head.stems.0.{part}", f"heads.rec.stem.{place}"
        for index in (0, 1):
            yield f"head.reg_convs.0.{index}.{part}", f"heads.rec.convs.{index}.{place}"
        for index in range(4):
            yield f"head.sconv.0.conv{index}.{part}", f"heads.res.local.{index}.{place}"
        yield f"head.sconv.0.conv4.{part}", f"heads.res.whole.{place}"


def _strip(state_dict: Mapping[str, Any]) -> dict[str, Tensor]:
    """The weights alone, without the wrapper's ``module.``."""
    if not isinstance(state_dict, Mapping):
        raise ValueError(f"not a checkpoint of the authors: expected a dictionary, got {type(state_dict).__name__}")
    inner = state_dict.get("state_dict", state_dict)
    if not isinstance(inner, Mapping) or not all(isinstance(value, Tensor) for value in inner.values()):
        raise ValueError(
            f"not a checkpoint of the authors: expected tensors by name, or a 'state_dict' of them; "
            f"got the keys {', '.join(map(repr, list(state_dict)[:5]))}"
        )
    return {key.removeprefix("module."): value for key, value in inner.items()}


def _describe(keys: list[str]) -> str:
    """Keys by group, so that a mismatch of hundreds reads as a few lines."""
    groups: dict[str, int] = {}
    for key in keys:
        group = re.sub(r"\.(weight|bias|running_\w+|num_batches_tracked)$", "", key)
        group = ".".join(group.split(".")[:3])
        groups[group] = groups.get(group, 0) + 1
    shown = [f"{group} ({count})" for group, count in list(groups.items())[:8]]
    return ", ".join(shown) + (f" and {len(groups) - 8} more groups" if len(groups) > 8 else "")


def convert_official_keys(model: LaConvNet, state_dict: Mapping[str, Any]) -> dict[str, Tensor]:
    """Rename the authors' weights to ours.

    Args:
        model: the network they are for.
        state_dict: the authors' checkpoint, or its ``state_dict``.

    Returns:
        A complete state dict of ``model``.

    Raises:
        ValueError: keys that the network does not have, lacks, or holds in another shape, by group.
    """
    theirs = _strip(state_dict)
    names = dict(_prefixes(model))
    converted: dict[str, Tensor] = {}
    unused = []
    expected = model.state_dict()
    for key, value in theirs.items():
        module, _, leaf = key.rpartition(".")
        if module not in names and module.count("."):  # Sequential members such as block1.0 keep their index
            parent, _, index = module.rpartition(".")
            module, leaf = parent, f"{index}.{leaf}"
        name = f"{names[module]}.{leaf}" if module in names else ""
        if name in expected and name not in converted:
            converted[name] = value
        else:
            unused.append(key)
    missing = [name for name in expected if name not in converted]
    wrong = [
        f"{name} is {tuple(value.shape)}, expected {tuple(expected[name].shape)}"
        for name, value in converted.items()
        if value.shape != expected[name].shape
    ]
    problems = []
    if unused:
        problems.append(f"{len(unused)} keys have no place in it: {_describe(unused)}")
    if missing:
        problems.append(f"{len(missing)} of its weights are not in the file: {_describe(missing)}")
    if wrong:
        problems.append(f"{len(wrong)} shapes differ: {'; '.join(wrong[:4])}")
    if problems:
        config = model.config
        raise ValueError(
            f"this is no checkpoint of the authors' variant {config.preset!r} for {config.heads[0]!r}: "
            + "; ".join(problems)
        )
    return converted


def load_official(state_dict: Mapping[str, Any], *, variant: Variant = "s", task: OfficialTask = "rec") -> LaConvNet:
    """Build the published network with the authors' weights.

    Args:
        state_dict: what ``torch.load(path, weights_only=True)`` returned for their file, or its ``state_dict``.
        variant: "s" (10 blocks) or "b" (19 blocks).
        task: "rec" (box) or "res" (mask).

    Returns:
        The network in evaluation mode. Word ids are the rows of the authors' table, whose words are not in their file.

    Raises:
        ValueError: the file is for another network, or a key stays unused; the message lists them by group.
    """
    for name, value, allowed in (("variant", variant, ("s", "b")), ("task", task, ("rec", "res"))):
        if value not in allowed:
            raise ValueError(f"{name} is {value!r}; allowed: {', '.join(allowed)}")
    embedding = _strip(state_dict).get("lang_encoder.embedding.weight")
    if embedding is None or embedding.dim() != 2:
        raise ValueError("not a checkpoint of the authors: lang_encoder.embedding.weight is missing")
    model = skeleton(resolve_config(variant, heads=(task,), vocabulary_size=embedding.shape[0]))
    model.load_state_dict(convert_official_keys(model, state_dict), assign=True)
    return model.eval()


def import_official(
    checkpoint: str | os.PathLike[str],
    annotations: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    variant: Variant = "s",
    task: OfficialTask = "rec",
) -> None:
    """Turn a checkpoint of the authors into a checkpoint folder that `Checkpoint.load` reads.

    Args:
        checkpoint: their .pth file; only tensors and plain containers are read from it.
        annotations: the annotation JSON it was trained on, which fixes the order of its words.
        out: the folder to write.
        variant: "s" or "b".
        task: "rec" or "res".

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: the file is no such checkpoint, or the annotations are of another dataset.
    """
    try:
        state = torch.load(checkpoint, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError) as error:
        raise ValueError(f"{checkpoint} is no PyTorch file of tensors: {error}") from None
    model = load_official(state, variant=variant, task=task)
    vocabulary = official_vocabulary(annotations)
    if len(vocabulary) != model.config.vocabulary_size:
        raise ValueError(
            f"{annotations} holds {len(vocabulary)} words (with the three special rows), the checkpoint "
            f"{model.config.vocabulary_size}: it was trained on another annotation file"
        )
    preprocess = Preprocess(size=416, resize="letterbox", max_length=15)
    card = _CARD.format(variant=variant.upper(), task=task, name=Path(checkpoint).name)
    Checkpoint(model, Processor(preprocess, vocabulary), {task: {}}, card).save(out)
