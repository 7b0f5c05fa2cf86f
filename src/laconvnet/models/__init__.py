"""The network, its presets, its checkpoints, and the authors' checkpoints."""

from laconvnet.models.checkpoint import Checkpoint, find_checkpoint, shipped_checkpoints
from laconvnet.models.config import ModelConfig
from laconvnet.models.inference import compile_look, named_device, named_dtype, prepare_for_inference
from laconvnet.models.network import LaConvNet, Reading, build_model
from laconvnet.models.official import load_official
from laconvnet.models.presets import PRESETS, resolve_config

__all__ = [
    "PRESETS",
    "Checkpoint",
    "LaConvNet",
    "ModelConfig",
    "Reading",
    "build_model",
    "compile_look",
    "find_checkpoint",
    "load_official",
    "named_device",
    "named_dtype",
    "prepare_for_inference",
    "resolve_config",
    "shipped_checkpoints",
]
