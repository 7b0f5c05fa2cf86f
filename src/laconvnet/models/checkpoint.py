"""The checkpoint folder: weights, configuration, vocabulary, preprocessing and model card, each in its own file.

Nothing is unpickled and nothing is fetched: a path is a path.
"""

import json
import os
import shutil
from importlib import resources
from pathlib import Path
from typing import Any, TypeVar

import torch
from huggingface_hub import save_torch_state_dict
from pydantic import BaseModel, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from laconvnet.language import Vocabulary
from laconvnet.models.config import ModelConfig, Preprocess
from laconvnet.models.network import LaConvNet

Checked = TypeVar("Checked", bound=BaseModel)

CONFIG, WEIGHTS, VOCABULARY, PREPROCESS, CARD = (
    "config.json",
    "model.safetensors",
    "vocabulary.json",
    "preprocess.json",
    "README.md",
)

_SCALE, _SHORTEST_ROW = ".row_scale", 8


def save_checkpoint(
    folder: str | os.PathLike[str],
    model: nn.Module,
    *,
    vocabulary: Vocabulary,
    preprocess: Preprocess,
    card: str,
    dtype: torch.dtype | None = None,
    max_shard_size: str = "5GB",
) -> None:
    """Write a checkpoint folder, complete or not at all.

    Args:
        folder: replaced if it exists; its previous content survives any failure.
        model: a `LaConvNet`.
        vocabulary: the words its ids stand for.
        preprocess: how pictures and sentences reach it.
        card: text of the model card, Markdown.
        dtype: number format of the weights in the file; float16 and bfloat16 halve it, int8 makes it a quarter
            (see `as_stored`), None keeps the network's.
        max_shard_size: weights above it are split into several files with an index.

    Raises:
        OSError: writing failed, for example on a full disk; the previous folder is as it was.
        ValueError: the vocabulary has another size than the network's table, or a weight is too large for `dtype`.
    """
    if not isinstance(model, LaConvNet):
        raise TypeError(f"a checkpoint holds a LaConvNet, got {type(model).__name__}")
    if len(vocabulary) != model.config.vocabulary_size:
        raise ValueError(
            f"the vocabulary has {len(vocabulary)} ids and the network {model.config.vocabulary_size} word vectors"
        )
    if model.state_dict().keys() != _skeleton(model.config).state_dict().keys():
        raise ValueError("this network was made ready for predicting; save the one it was made from")
    weights = as_stored(model.state_dict(), dtype)
    target = Path(folder)
    partial = target.with_name(target.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        partial.mkdir(parents=True)
        try:
            save_torch_state_dict(weights, partial, max_shard_size=max_shard_size)
        except SafetensorError as error:  # what its writer makes of a full disk
            raise OSError(f"{target} could not be written (is the disk full?): {error}") from error
        for path in partial.glob("*.safetensors"):  # their writer shuts out all but the owner
            path.chmod(partial.stat().st_mode & 0o666)
        vocabulary.save(partial / VOCABULARY)
        (partial / CONFIG).write_text(model.config.model_dump_json(indent=2) + "\n", encoding="utf-8")
        (partial / PREPROCESS).write_text(preprocess.model_dump_json(indent=2) + "\n", encoding="utf-8")
        (partial / CARD).write_text(card, encoding="utf-8")
        replace_folder(partial, target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def as_stored(weights: dict[str, torch.Tensor], dtype: torch.dtype | None) -> dict[str, torch.Tensor]:
    """Weights in the number format of a file; counters stay whole numbers.

    Args:
        weights: by name, as of a state dict.
        dtype: of floating point, None for no change; or int8, where every row of at least 8 numbers becomes whole
            numbers from -127 to 127 and a scale in float32, under the name of the weight with `.row_scale`, and all
            other weights become float16.

    Returns:
        What `as_computed` makes float32 again.

    Raises:
        ValueError: a weight is too large for `dtype`, or not finite, which int8 cannot hold.
    """
    if dtype is None:
        return weights
    if dtype == torch.int8 and (lost := [name for name, w in weights.items() if not w.isfinite().all()]):
        raise ValueError(f"{len(lost)} weights are not finite, which {dtype} cannot hold, such as {lost[0]}")
    stored: dict[str, torch.Tensor] = {}
    for name, w in weights.items():
        if not w.is_floating_point():
            stored[name] = w
        elif dtype != torch.int8:
            stored[name] = w.to(dtype)
        elif w.ndim > 1 and w[0].numel() >= _SHORTEST_ROW:
            rows = w.float().flatten(1)
            scale = (rows.abs().amax(1, keepdim=True) / 127).clamp_min(torch.finfo(torch.float32).tiny)
            stored[name] = (rows / scale).round().to(torch.int8).view_as(w)
            stored[name + _SCALE] = scale.flatten()
        else:
            stored[name] = w.half()
    if broken := [n for n, w in weights.items() if (stored[n].isinf() & w.isfinite()).any()]:
        raise ValueError(f"{len(broken)} weights hold numbers too large for {dtype}, such as {broken[0]}")
    return stored


def as_computed(stored: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Weights in float32, counters as they are: the inverse of `as_stored`, up to its rounding.

    Raises:
        ValueError: numbers in 8 bits and the scales of their rows do not belong together.
    """
    weights = {}
    for name, w in stored.items():
        scale = stored.get(name + _SCALE)
        if w.dtype == torch.int8 and scale is not None and scale.shape == w.shape[:1]:
            weights[name] = (w.flatten(1) * scale[:, None]).view_as(w)
        elif w.dtype == torch.int8 or scale is not None:
            found = "no scales" if scale is None else f"scales of shape {tuple(scale.shape)}"
            raise ValueError(f"{name} is {w.dtype} of shape {tuple(w.shape)} and has {found} of its rows")
        elif not (name.endswith(_SCALE) and name.removesuffix(_SCALE) in stored):
            weights[name] = w.float() if w.is_floating_point() else w
    return weights


def _skeleton(config: ModelConfig) -> LaConvNet:
    """A network without memory for its weights."""
    with torch.device("meta"):
        return LaConvNet(config)


def replace_folder(partial: Path, target: Path) -> None:
    """Put a finished folder in the place of another; if that fails, the old one is back.

    Args:
        partial: the finished folder, on the same file system.
        target: its place, free or taken by the previous folder.
    """
    previous = target.with_name(target.name + ".previous")
    shutil.rmtree(previous, ignore_errors=True)
    if target.exists():
        os.replace(target, previous)
    try:
        os.replace(partial, target)
    except OSError:
        if previous.exists():
            os.replace(previous, target)
        raise
    shutil.rmtree(previous, ignore_errors=True)


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        needed = ", ".join((CONFIG, WEIGHTS, VOCABULARY, PREPROCESS))
        raise FileNotFoundError(f"{path} is missing: a checkpoint folder holds {needed}") from None
    except ValueError as error:
        raise ValueError(f"{path} is no JSON: {error}") from None


def _read_model(path: Path, kind: type[Checked]) -> Checked:
    try:
        return kind.model_validate(_read_json(path))
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, p['loc']))}: {p['msg']}" for p in error.errors())
        raise ValueError(f"{path}: {problems}") from None


def _read_weights(folder: Path) -> dict[str, torch.Tensor]:
    index = folder / (WEIGHTS + ".index.json")
    if index.exists():
        weight_map = _read_json(index).get("weight_map")
        if not isinstance(weight_map, dict):
            raise ValueError(f"{index} names no files: expected an entry 'weight_map'")
        names = sorted(set(weight_map.values()))
    else:
        names = [WEIGHTS]
    weights: dict[str, torch.Tensor] = {}
    for name in names:
        path = folder / name
        if not path.is_file():
            raise FileNotFoundError(f"{path} is missing: the weights of the checkpoint")
        try:
            weights |= load_file(path)
        except SafetensorError as error:
            raise ValueError(f"{path} is no safetensors file, or was cut short: {error}") from None
    return weights


def shipped_checkpoints() -> dict[str, Path]:
    """The checkpoint folders that are installed with the package, by their names."""
    home = Path(str(resources.files("laconvnet") / "weights"))
    return {path.parent.name: path.parent for path in sorted(home.glob(f"*/{CONFIG}"))}


def find_checkpoint(name: str | os.PathLike[str]) -> Path:
    """The folder that a path, or the name of a shipped checkpoint, stands for.

    Args:
        name: a folder, or a key of `shipped_checkpoints`; a folder of that name that holds a checkpoint goes first.

    Returns:
        The folder.

    Raises:
        FileNotFoundError: it is neither.
    """
    root, shipped = Path(name), shipped_checkpoints()
    if str(name) in shipped and not (root / CONFIG).is_file():
        return shipped[str(name)]
    if not root.is_dir():
        raise FileNotFoundError(
            f"{root} is not a folder; a checkpoint is a folder with {CONFIG} and {WEIGHTS}, or one of the shipped "
            f"ones: {', '.join(shipped) or 'none'}"
        )
    return root


def load_checkpoint(folder: str | os.PathLike[str]) -> tuple[LaConvNet, Vocabulary, Preprocess]:
    """Read a checkpoint folder. Never touches the network.

    Args:
        folder: as `save_checkpoint` wrote it, or the name of a shipped one.

    Returns:
        The network in evaluation mode on the CPU in float32, its vocabulary, and its preprocessing.

    Raises:
        FileNotFoundError: the folder or one of its files is missing.
        ValueError: a file is broken, or the weights do not fit the configuration; the message names which.
    """
    root = find_checkpoint(folder)
    config = _read_model(root / CONFIG, ModelConfig)
    model = _skeleton(config)
    stored = _read_weights(root)
    try:
        weights = as_computed(stored)
    except ValueError as error:
        raise ValueError(f"{root / WEIGHTS}: {error}") from None
    expected = model.state_dict()
    missing = sorted(expected.keys() - weights.keys())
    unknown = sorted(weights.keys() - expected.keys())
    wrong = sorted(n for n in expected.keys() & weights.keys() if expected[n].shape != weights[n].shape)
    if missing or unknown or wrong:
        raise ValueError(
            f"{root / WEIGHTS} does not fit {CONFIG} (tasks {', '.join(config.tasks)}): "
            f"{len(missing)} weights missing {missing[:3]}, {len(unknown)} unknown {unknown[:3]}, "
            f"{len(wrong)} of another shape {wrong[:3]}"
        )
    model.load_state_dict(weights, assign=True)
    vocabulary = Vocabulary.load(root / VOCABULARY)
    if len(vocabulary) != config.vocabulary_size:
        raise ValueError(
            f"{root / VOCABULARY} has {len(vocabulary)} ids, {CONFIG} says vocabulary_size {config.vocabulary_size}"
        )
    return model.eval(), vocabulary, _read_model(root / PREPROCESS, Preprocess)
