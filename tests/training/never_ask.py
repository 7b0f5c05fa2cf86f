"""A block in which nothing may need a tensor's value to go on, as it makes a GPU's host wait."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

aten = torch.ops.aten
ASKING = {
    *(aten._local_scalar_dense, aten.is_nonzero, aten.equal),
    *(aten.nonzero, aten.masked_select, aten._unique2, aten.unique_dim, aten.unique_consecutive),
    *(aten.bincount, aten.repeat_interleave),
}
INDEXING = {aten.index, aten.index_put, aten.index_put_, aten._index_put_impl_}
COPYING = {Tensor.tolist, Tensor.numpy, Tensor.cpu}
MAKING = {torch.tensor, torch.as_tensor}  # a copy where a device is given


@contextmanager
def never_ask() -> Iterator[None]:
    """Refuse, on any device, what reads a value, makes a shape of values, or copies between host and device."""
    with _Functions(), _Kernels():
        yield


class _Functions(TorchFunctionMode):
    """Copies, which on a CPU reach no kernel."""

    def __torch_function__(
        self, func: Any, types: Iterable[type], args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func in COPYING or (func in MAKING and "device" in (kwargs or {})):
            raise AssertionError(f"{func} waits for the device")
        return func(*args, **(kwargs or {}))


class _Kernels(TorchDispatchMode):
    """Everything that `bool`, `item`, indexing by a mask and the like come down to."""

    def __torch_dispatch__(
        self, func: Any, types: Iterable[type], args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        packet: Callable[..., Any] = func.overloadpacket
        if packet in ASKING or (packet in INDEXING and any(_is_mask(index) for index in args[1])):
            raise AssertionError(f"{func} waits for the device")
        return func(*args, **(kwargs or {}))


def _is_mask(index: Tensor | None) -> bool:
    return index is not None and index.dtype in (torch.bool, torch.uint8)
