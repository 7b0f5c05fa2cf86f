"""That nothing is meant, said by a classifier of the whole picture: the head `no_target`."""

from __future__ import annotations

from pydantic import Field
from torch import Tensor

from laconvnet.settings import NotNegative
from laconvnet.tasks.losses import no_target_loss
from laconvnet.tasks.task import Outputs, TaskOptions


class NoTargetOptions(TaskOptions):
    """The settings of tasks that may use the classifier."""

    no_target_weight: NotNegative = Field(1.0, description="Weight of the classifier's cross-entropy.")
    no_target_pos_weight: NotNegative = Field(
        1.0,
        description="How much more a sentence without a target counts in it; where they are a fifth of all, 4 has the "
        "classifier err as often on them as on the others.",
    )


def add_no_target_loss(
    losses: dict[str, Tensor], outputs: Outputs, absent: Tensor, options: NoTargetOptions
) -> dict[str, Tensor]:
    """Return losses with the classifier's added to "loss" and told as "no_target_loss".

    Args:
        losses: of the task, "loss" among them.
        outputs: "no_target" (N,).
        absent: bool (N,), where there is no target.
        options: its weights.
    """
    decided = no_target_loss(outputs["no_target"], absent, options.no_target_pos_weight)
    total = losses["loss"] + options.no_target_weight * decided
    return {**losses, "loss": total, "no_target_loss": decided.detach()}


def decisions(outputs: Outputs) -> list[bool]:
    """Return of each sample whether the classifier says that nothing is meant."""
    return (outputs["no_target"] > 0).tolist()
