"""Whether operators run as they are called; only then may code of our own stand in for PyTorch's."""

import torch
from torch import Tensor
from torch.autograd import forward_ad


def is_eager(*tensors: Tensor | None) -> bool:
    """Whether nothing compiles, traces, transforms or differentiates forward what is done with some tensors."""
    if torch.compiler.is_compiling() or torch._C._is_tracing() or forward_ad._current_level >= 0:
        return False
    return not any(x is not None and torch._C._functorch.is_functorch_wrapped_tensor(x) for x in tensors)


def is_unrecorded(*tensors: Tensor) -> bool:
    """Whether tensors are nothing but memory, and no gradient or mode notes what is done with them.

    Such a call may go straight to a kernel. In particular it does not import PyTorch's compiler, which takes a second
    or two; the first call of an operator of `torch.library` does.
    """
    if not is_eager(*tensors) or torch._C._len_torch_dispatch_stack() or torch._C._len_torch_function_stack():
        return False
    return all(type(x) in (Tensor, torch.nn.Parameter) and _is_memory(x) for x in tensors)


def _is_memory(x: Tensor) -> bool:
    return x.device.type != "meta" and not (x.requires_grad and torch.is_grad_enabled())
