"""Whether a call needs no more of PyTorch than the memory of its tensors."""

import torch
from torch import Tensor
from torch.autograd import forward_ad


def is_plain(*tensors: Tensor | None) -> bool:
    """Return whether tensors are memory that no gradient, transform, graph or mode asks for.

    Such a call may go straight to a kernel: there is nothing to record. In particular it does not import PyTorch's
    compiler, as the first call of an operator registered with `torch.library` does, which takes a second or two.
    """
    if torch.compiler.is_compiling() or torch._C._is_tracing() or forward_ad._current_level >= 0:
        return False
    if torch._C._len_torch_dispatch_stack() or torch._C._is_torch_function_mode_enabled():
        return False
    return all(x is None or _is_memory(x) for x in tensors)


def _is_memory(x: Tensor) -> bool:
    if type(x) not in (Tensor, torch.nn.Parameter) or x.device.type == "meta":
        return False
    if torch._C._functorch.is_functorch_wrapped_tensor(x):
        return False
    return not (x.requires_grad and torch.is_grad_enabled())
