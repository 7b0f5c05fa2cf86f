"""Training and evaluation of a network on a task."""

from laconvnet.evaluation.evaluate import evaluate
from laconvnet.training.config import (
    DataConfig,
    EMAConfig,
    OptimizerConfig,
    ScheduleConfig,
    TrainConfig,
)
from laconvnet.training.config_file import ConfigError, load_config, setting_names
from laconvnet.training.ema import ExponentialMovingAverage
from laconvnet.training.inputs import to_model_input
from laconvnet.training.interrupt import TrainingInterrupted
from laconvnet.training.memory import keep_freed_memory
from laconvnet.training.schedule import learning_rate
from laconvnet.training.trainer import train

__all__ = [
    "ConfigError",
    "DataConfig",
    "EMAConfig",
    "ExponentialMovingAverage",
    "OptimizerConfig",
    "ScheduleConfig",
    "TrainConfig",
    "TrainingInterrupted",
    "evaluate",
    "keep_freed_memory",
    "learning_rate",
    "load_config",
    "setting_names",
    "to_model_input",
    "train",
]
