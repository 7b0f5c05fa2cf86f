"""Training a network on one task or several."""

from laconvnet.training.config import (
    DataConfig,
    EMAConfig,
    OptimizerConfig,
    ScheduleConfig,
    TrainConfig,
)
from laconvnet.training.config_file import ConfigError, load_config
from laconvnet.training.ema import ExponentialMovingAverage
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
    "keep_freed_memory",
    "learning_rate",
    "load_config",
    "train",
]
