"""The operator on NVIDIA GPUs: when the programs of `ops.triton_kernels` can run, and how they are launched.

Legend: N batch, C channels, G groups, J = C/G channels of a group, K kernel side, T = K*K taps, P pixels.

Reading every kernel entry and channel once and writing every channel once moves ``b*N*P*(G*T + 2*C)`` bytes, of b a
number, for ``N*P*C*T`` multiply-adds: ``b/J + 2*b/T`` bytes each. The five stages of S at 416 (K 3, J 4; then K 7, J
16, 16, 32, 32) come to 0.94, 0.21, 0.21, 0.14 and 0.14 in half precision, twice that in float32; and an H100 moves
0.11 bytes while it issues one instruction a lane. Compiled for it, the inner loops issue 2.6 to 2.8 instructions a
multiply-add in float32 (3.3 on maps of odd width) and 3.1 (4.1) in half precision. So memory is the limit with K 3 and
in float32, if barely where J is 32; in half precision with K 7 it is the instructions, at 60 % (J 16) to 30 % (J 32,
odd width) of the bandwidth. Counted in machine code, not yet timed.
"""

import functools
import importlib.util
import os
import textwrap
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from math import ceil, isqrt
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from laconvnet.ops.dropout import Dropout
from laconvnet.ops.reference import GroupLayout

LARGEST_KERNEL = 11
"""The largest kernel side: a lane holds K*K entries in registers, of which a thread has at most 255."""

OLDEST_TRITON = (3, 4)
OLDEST_CAPABILITY = (7, 0)
"""The oldest GPU that Triton compiles for."""

_DTYPES = (torch.float32, torch.float16, torch.bfloat16)
_PAIRS = {2: torch.int32, 4: torch.int64}  # by the bytes of a pixel: the word that holds two
_ENTRIES = 100  # kernel entries a lane holds at most, if K allows
_REGISTERS = 168  # a thread; so many leave room for 12 warps on a multiprocessor, where 176 leave it for 8
_WARPS = 12 * 132  # what an H100 runs at once


# ---------------------------------------------------------------------------------------------------------------------
# When they can run
# ---------------------------------------------------------------------------------------------------------------------


def why_not(x: Tensor, kernel_size: int) -> str | None:
    """None when the kernels can run on tensors like x, else the reason in words.

    The first call for a device and dtype compiles and runs a small problem, and remembers if that failed.
    """
    if x.device.type == "cpu" and os.environ.get("TRITON_INTERPRET") != "1":
        return "runs on CUDA tensors; on the cpu for tests only, with TRITON_INTERPRET=1"
    if x.device.type not in ("cpu", "cuda"):
        return f"runs on CUDA tensors, not on {x.device.type}"
    if x.dtype not in _DTYPES:
        return f"computes in float32, float16 and bfloat16, not in {str(x.dtype).removeprefix('torch.')}"
    if kernel_size > LARGEST_KERNEL:
        return f"kernel_size is {kernel_size}, and at most {LARGEST_KERNEL} here"
    if (pixels := x.shape[-2:].numel()) >= 2**31:
        return f"the map has {pixels} pixels, and fewer than 2**31 can be counted here"
    return _problem(x.device, x.dtype)


_problems: dict[tuple[torch.device, torch.dtype], str | None] = {}


def _problem(device: torch.device, dtype: torch.dtype) -> str | None:
    """What keeps everything from running on a device, remembered."""
    key = device, dtype
    if key not in _problems:
        if device.type == "cuda" and torch.cuda.is_current_stream_capturing():
            return "the first run compiles, which a CUDA graph cannot capture: run once before capturing"
        _problems[key] = _find_problem(device, dtype)
    return _problems[key]


def _find_problem(device: torch.device, dtype: torch.dtype) -> str | None:
    if importlib.util.find_spec("triton") is None:
        return "triton is not installed: pip install 'laconvnet[gpu]'"
    if device.type == "cuda" and torch.version.cuda:
        capability = torch.cuda.get_device_capability(device)
        if capability < OLDEST_CAPABILITY:
            return (
                f"the GPU has compute capability {_dotted(capability)}, and Triton needs {_dotted(OLDEST_CAPABILITY)}"
            )
    try:
        import triton

        if tuple(map(int, triton.__version__.split(".")[:2])) < OLDEST_TRITON:
            return f"triton {triton.__version__} is installed, and {_dotted(OLDEST_TRITON)} is needed"
        x = torch.full((1, 1, 1, 2), 2.0, dtype=dtype, device=device)
        out = forward(x, x[:, :, None] + 1, "contiguous").tolist()
    except Exception as error:  # whatever a C compiler, a cache folder, a driver or some version of Triton come up with
        message = textwrap.shorten(f"{type(error).__name__}: {error}", 300)
        return f"a first launch, which needs a C compiler and a writable cache folder, failed with {message}"
    return None if out == [[[[6.0, 6.0]]]] else f"a first launch gave {out} for 2 * 3"


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))


# ---------------------------------------------------------------------------------------------------------------------
# How they are launched
# ---------------------------------------------------------------------------------------------------------------------


@functools.cache
def _kernels() -> ModuleType:
    """Imported when first needed: triton may be missing, and takes its time."""
    from laconvnet.ops import triton_kernels

    return triton_kernels


def _on(device: torch.device) -> AbstractContextManager[object]:
    """Triton launches on the current device, wherever its arguments lie."""
    return torch.cuda.device(device) if device.type == "cuda" else nullcontext()


def _can_pair(tensor: Tensor) -> bool:
    """Whether neighbouring pixels, two by two, can be read as aligned words."""
    *strides, stride_w = tensor.stride()
    return (
        stride_w == 1
        and tensor.shape[-1] % 2 == 0
        and not any(number % 2 for number in (tensor.storage_offset(), *strides))
        and tensor.data_ptr() % (2 * tensor.element_size()) == 0
    )


@dataclass(frozen=True)
class _Tiling:
    """How the positions of a map are dealt out to programs, in the terms of `ops.triton_kernels`.

    Chosen by rule, not by trying out on the first call: any choice computes the same bits.
    """

    pixels: int
    rows: int
    lanes: int
    tiles: int  # programs a map

    @classmethod
    def of(cls, kernel_size: int, *sources: Tensor) -> "_Tiling":
        """For maps and kernels (..., H, W) that are read."""
        taps = kernel_size**2
        height, width = sources[0].shape[-2:]
        pixels = 2 if 2 * taps <= _ENTRIES and all(map(_can_pair, sources)) else 1
        rows = min(max(1, _ENTRIES // (taps * pixels)), 4, height)
        busy = ceil(height / rows) * (width // pixels)
        launched = {lanes: ceil(busy / lanes) * lanes for lanes in (128, 64, 32)}
        # Many lanes in a program share more of their windows in the cache; but idle lanes cost more than that saves.
        lanes = next((lanes for lanes in launched if launched[lanes] <= 1.2 * busy), 32)
        return cls(pixels, rows, lanes, launched[lanes] // lanes)

    def words(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        return tensors if self.pixels == 1 else tuple(t.view(_PAIRS[t.element_size()]) for t in tensors)

    def options(
        self, dtype: torch.dtype, kernel_size: int, group_layout: GroupLayout, dropout: Dropout | None
    ) -> dict[str, Any]:
        """The arguments that all kernels have in common."""
        return {
            "seed": dropout and dropout.seed,
            "threshold": dropout.threshold if dropout else 0,
            "scale": dropout.scale if dropout else 1.0,
            "INTERLEAVED": group_layout == "interleaved",
            "DROPOUT": dropout is not None,
            "DTYPE": _kernels().DTYPES[dtype],
            "PIXELS": self.pixels,
            "K": kernel_size,
            "ROWS": self.rows,
            "LANES": self.lanes,
            "num_warps": self.lanes // 32,
            "enable_fp_fusion": False,  # the kernels say where they fuse; unset, Triton 3.9 warns of a new default
            **({"maxnreg": _REGISTERS} if torch.version.cuda else {}),
        }


def _convolve(
    x: Tensor, weight: Tensor, group_layout: GroupLayout, dropout: Dropout | None, *, adjoint: bool
) -> Tensor:
    batch, channels, height, width = x.shape
    groups, taps = weight.shape[1:3]
    out = x.new_empty(x.shape)
    if out.numel() == 0:
        return out
    kernel_size, per_group = isqrt(taps), channels // groups
    tiling = _Tiling.of(kernel_size, x, weight)
    programs = batch * groups * tiling.tiles
    # Where these leave the GPU half empty, several programs share the channels of a group, each reading the kernels.
    share = min(per_group, max(1, per_group * programs * tiling.lanes // (32 * _WARPS)))
    x_words, weight_words, out_words = tiling.words(x, weight, out)
    with _on(x.device):
        _kernels().convolve[(programs * ceil(per_group / share),)](
            x_words,
            weight_words,
            out_words,
            x_strides=x_words.stride(),
            weight_strides=weight_words.stride(),
            groups=groups,
            per_group=per_group,
            share=share,
            height=height,
            width=width // tiling.pixels,
            ADJOINT=adjoint,
            **tiling.options(x.dtype, kernel_size, group_layout, dropout),
        )
    return out


def forward(x: Tensor, weight: Tensor, group_layout: GroupLayout, dropout: Dropout | None = None) -> Tensor:
    """out (N,C,H,W) of x (N,C,H,W) and weight (N,G,T,H,W)."""
    return _convolve(x, weight, group_layout, dropout, adjoint=False)


def grad_input(grad: Tensor, weight: Tensor, group_layout: GroupLayout, dropout: Dropout | None = None) -> Tensor:
    """d<grad, out>/dx (N,C,H,W)."""
    return _convolve(grad, weight, group_layout, dropout, adjoint=True)


def grad_weight(
    grad: Tensor, x: Tensor, groups: int, kernel_size: int, group_layout: GroupLayout, dropout: Dropout | None = None
) -> Tensor:
    """d<grad, out>/dweight (N,G,T,H,W)."""
    batch, channels, height, width = grad.shape
    out = grad.new_empty((batch, groups, kernel_size**2, height, width))
    if out.numel() == 0:
        return out
    tiling = _Tiling.of(kernel_size, grad, x)
    grad_words, x_words, out_words = tiling.words(grad, x, out)
    with _on(grad.device):
        _kernels().correlate[(batch * groups * tiling.tiles,)](
            grad_words,
            x_words,
            out_words,
            grad_strides=grad_words.stride(),
            x_strides=x_words.stride(),
            groups=groups,
            per_group=channels // groups,
            height=height,
            width=width // tiling.pixels,
            **tiling.options(grad.dtype, kernel_size, group_layout, dropout),
        )
    return out
