"""One trained model as one object and one folder: network, processor, tasks and card.

Nothing is unpickled and nothing is fetched: a path is a path.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any, Final

import torch
from torch import nn

from laconvnet.files import replace_folder, write_json
from laconvnet.models.config import ModelConfig
from laconvnet.models.network import LaConvNet, skeleton
from laconvnet.models.storage import as_computed, as_stored
from laconvnet.processing import Processor
from laconvnet.processing.processor import PREPROCESS, VOCABULARY
from laconvnet.settings import check, read_json

CONFIG: Final = "config.json"
TASK_SETTINGS: Final = "tasks.json"
WEIGHTS: Final = "model.safetensors"
CARD: Final = "README.md"


@dataclass(frozen=True)
class Checkpoint:
    """A trained model with everything that it takes to use it.

    Attributes:
        network: the network, in evaluation mode on the CPU in float32 where it was loaded.
        processor: how pictures and sentences reach it, its vocabulary included.
        tasks: what it learned, by name, each with its settings as plain values: `tasks.build_tasks` makes the objects.
        card: the model card, Markdown.
    """

    network: LaConvNet
    processor: Processor
    tasks: Mapping[str, Mapping[str, Any]]
    card: str = field(default="", repr=False)

    def save(
        self, folder: str | os.PathLike[str], *, dtype: torch.dtype | None = None, max_shard_size: str = "5GB"
    ) -> None:
        """Write a checkpoint folder, complete or not at all.

        Args:
            folder: replaced if it exists; its previous content survives any failure.
            dtype: number format of the weights in the file; float16 and bfloat16 halve it, int8 makes it a quarter
                (see `storage.as_stored`), None keeps the network's.
            max_shard_size: weights above it are split into several files with an index.

        Raises:
            OSError: writing failed, for example on a full disk; the previous folder is as it was.
            ValueError: the vocabulary has another size than the network's table, a weight is too large for `dtype`,
                or the network was made ready for predicting.
        """
        if not isinstance(self.network, LaConvNet):
            raise TypeError(f"a checkpoint holds a LaConvNet, got {type(self.network).__name__}")
        _check_vocabulary(self.processor, self.network.config, "the vocabulary", "the network")
        if self.network.state_dict().keys() != skeleton(self.network.config).state_dict().keys():
            raise ValueError("this network was made ready for predicting; save the one it was made from")
        weights = as_stored(self.network.state_dict(), dtype)
        target = Path(folder)
        partial = target.with_name(target.name + ".partial")
        shutil.rmtree(partial, ignore_errors=True)
        try:
            partial.mkdir(parents=True)
            _write_weights(weights, partial, target, max_shard_size)
            self.processor.save(partial)
            write_json(partial / CONFIG, self.network.config.model_dump(mode="json"))
            write_json(partial / TASK_SETTINGS, {name: dict(options) for name, options in self.tasks.items()})
            (partial / CARD).write_text(self.card, encoding="utf-8")
            replace_folder(partial, target)
        finally:
            shutil.rmtree(partial, ignore_errors=True)

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> Checkpoint:
        """Read a checkpoint folder. Never touches the network.

        Args:
            folder: as `save` wrote it, or the name of a shipped one, see `find_checkpoint`.

        Raises:
            FileNotFoundError: the folder or one of its files is missing.
            ValueError: a file is broken or of an older form, a weight is not finite, or the weights do not fit the
                configuration; the message names which.
        """
        root = find_checkpoint(folder)
        config = _read_config(root)
        tasks = _read_tasks(root)
        network = skeleton(config)
        network.load_state_dict(_fitting_weights(root, network), assign=True)
        processor = Processor.load(root)
        _check_vocabulary(processor, config, str(root / VOCABULARY), CONFIG)
        card = root / CARD
        return cls(network.eval(), processor, tasks, card.read_text(encoding="utf-8") if card.is_file() else "")


def _check_vocabulary(processor: Processor, config: ModelConfig, where: str, against: str) -> None:
    if len(processor.tokenizer) != config.vocabulary_size:
        raise ValueError(
            f"{where} has {len(processor.tokenizer)} ids, {against} has vocabulary_size {config.vocabulary_size}"
        )


def _write_weights(weights: dict[str, torch.Tensor], partial: Path, target: Path, max_shard_size: str) -> None:
    from huggingface_hub import save_torch_state_dict  # both take longer to import than to write
    from safetensors import SafetensorError

    try:
        save_torch_state_dict(weights, partial, max_shard_size=max_shard_size)
    except SafetensorError as error:  # what its writer makes of a full disk
        raise OSError(f"{target} could not be written (is the disk full?): {error}") from error
    for path in partial.glob("*.safetensors"):  # their writer shuts out all but the owner
        path.chmod(partial.stat().st_mode & 0o666)


def _read(path: Path) -> Any:
    try:
        return read_json(path)
    except FileNotFoundError:
        needed = ", ".join((CONFIG, TASK_SETTINGS, WEIGHTS, VOCABULARY, PREPROCESS))
        raise FileNotFoundError(f"{path} is missing: a checkpoint folder holds {needed}") from None


def _read_config(root: Path) -> ModelConfig:
    path = root / CONFIG
    values = _read(path)
    if isinstance(values, dict) and "tasks" in values:
        raise ValueError(
            f"{path} is of an older form, in which the network named its tasks; now it names its heads, and "
            f"{TASK_SETTINGS} the tasks. Train again, or use the version of laconvnet that wrote it"
        )
    return check(ModelConfig, values, str(path))


def _read_tasks(root: Path) -> dict[str, dict[str, Any]]:
    path = root / TASK_SETTINGS
    tasks = _read(path)
    if not isinstance(tasks, dict) or not tasks or not all(isinstance(options, dict) for options in tasks.values()):
        raise ValueError(f"{path} must map the name of at least one task to its settings, got {str(tasks)[:80]}")
    return tasks


def _read_weights(folder: Path) -> dict[str, torch.Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    index = folder / (WEIGHTS + ".index.json")
    if index.exists():
        weight_map = _read(index).get("weight_map")
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


def _fitting_weights(root: Path, network: nn.Module) -> dict[str, torch.Tensor]:
    """The weights of a folder in float32, every weight of the network and no other."""
    stored = _read_weights(root)
    try:
        weights = as_computed(stored)
    except ValueError as error:
        raise ValueError(f"{root / WEIGHTS}: {error}") from None
    expected = network.state_dict()
    missing = sorted(expected.keys() - weights.keys())
    unknown = sorted(weights.keys() - expected.keys())
    wrong = sorted(n for n in expected.keys() & weights.keys() if expected[n].shape != weights[n].shape)
    if missing or unknown or wrong:
        raise ValueError(
            f"{root / WEIGHTS} does not fit {CONFIG}: "
            f"{len(missing)} weights missing {missing[:3]}, {len(unknown)} unknown {unknown[:3]}, "
            f"{len(wrong)} of another shape {wrong[:3]}"
        )
    return weights


def shipped_checkpoints() -> dict[str, Path]:
    """Return the checkpoint folders that are installed with the package, by their names."""
    home = Path(str(resources.files("laconvnet") / "weights"))
    return {path.parent.name: path.parent for path in sorted(home.glob(f"*/{CONFIG}"))}


def find_checkpoint(name: str | os.PathLike[str]) -> Path:
    """Return the folder that a path, or the name of a shipped checkpoint, stands for.

    Args:
        name: a folder, or a key of `shipped_checkpoints`; a folder of that name that holds a checkpoint goes first.

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
