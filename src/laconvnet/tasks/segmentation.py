"""RES: the loss of cutting out what the sentence names."""

import torch.nn.functional as F
from torch import Tensor


def mask_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """Mean binary cross-entropy over all pixels, the same for every batch size.

    The authors multiply it by the batch size; with their gradient clipping that hardly changes training.

    Args:
        logits: (N, 1, H, W).
        targets: (N, 1, H, W) in [0, 1]; soft values come from resized masks.

    Returns:
        A scalar.
    """
    return F.binary_cross_entropy_with_logits(logits.float(), targets.float())
