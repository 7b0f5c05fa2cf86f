"""Whether operators run as they are called; only then may code of our own stand in for PyTorch's."""

import torch
from torch import Tensor
from torch.autograd import forward_ad


def is_eager(*tensors: Tensor | None) -> bool:
    """Whether nothing compiles, traces, transforms or differentiates forward what is done with some tensors."""
    if torch.compiler.is_compiling() or torch._C._is_tracing() or forward_ad._current_level >= 0:
        return False
    return not any(x is not None and torch._C._functorch.is_functorch_wrapped_tensor(x) for x in tensors)
