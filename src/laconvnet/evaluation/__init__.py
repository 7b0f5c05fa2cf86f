"""Judging: how right a network is, how sure that is, and what it gets wrong."""

from laconvnet.evaluation.checkpoint import blind_baselines, score_checkpoint
from laconvnet.evaluation.errors import ErrorSheet
from laconvnet.evaluation.evaluate import EvaluationStopped, evaluate
from laconvnet.evaluation.robustness import robustness
from laconvnet.evaluation.score import Score, learned_task, score, split_to_score

__all__ = [
    "ErrorSheet",
    "EvaluationStopped",
    "Score",
    "blind_baselines",
    "evaluate",
    "learned_task",
    "robustness",
    "score",
    "score_checkpoint",
    "split_to_score",
]
