"""Maps from planes to channels last in memory, and back, in C++."""

from __future__ import annotations

import ctypes

import torch
from torch import Tensor

from laconvnet.ops.native import library


def transpose(source: Tensor, target: Tensor, count: int, rows: int, columns: int) -> Tensor:
    """Write `count` matrices (rows, columns) in one piece to as many (columns, rows); numbers of 2 or 4 bytes."""
    loaded = library.load()
    if isinstance(loaded, str):
        raise RuntimeError(loaded)
    sizes = count, rows, columns, source.element_size(), torch.get_num_threads()
    loaded.functions["transpose"](ctypes.byref(library.Transpose(source.data_ptr(), target.data_ptr(), *sizes)))
    return target
