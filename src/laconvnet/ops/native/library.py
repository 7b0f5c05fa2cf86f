"""The shared library of the CPU kernels: where it is, whether it can be used here, and calls into it."""

from __future__ import annotations

import ctypes
import os
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch

from laconvnet.ops.native.build import LIBRARY, NOT_BUILT

INTERFACE = 5
CAPABILITY_VARIABLE = "LACONVNET_CPU_CAPABILITY"


class Problem(ctypes.Structure):
    """`Problem` of problem.h, field by field."""

    _fields_ = (
        *((name, ctypes.c_int64) for name in ("batch", "channels", "groups", "height", "width", "kernel_size")),
        *((name, ctypes.c_int64) for name in ("contiguous_groups", "bfloat16", "threads", "capability")),
        ("image", ctypes.c_void_p),
        ("image_strides", ctypes.c_int64 * 4),
        ("other", ctypes.c_void_p),
        ("other_strides", ctypes.c_int64 * 5),
        ("out", ctypes.c_void_p),
        ("drop_below", ctypes.c_uint64),
        ("drop_seed", ctypes.c_int64),
        ("drop_scale", ctypes.c_double),
    )


class AffineSilu(ctypes.Structure):
    """`AffineSilu` of epilogue.h, field by field."""

    _fields_ = (
        *((name, ctypes.c_void_p) for name in ("x", "residual", "scale", "shift")),
        *((name, ctypes.c_int64) for name in ("rows", "channels", "pixels")),
    )


class Unpack(ctypes.Structure):
    """`Unpack` of epilogue.h, field by field."""

    _fields_ = (
        *((name, ctypes.c_void_p) for name in ("packed", "out", "bias", "low", "high")),
        *((name, ctypes.c_int64) for name in ("rows", "tokens", "packing", "channels")),
    )


class NormAct(ctypes.Structure):
    """`NormAct` of norm.h, field by field."""

    _fields_ = (
        *((name, ctypes.c_void_p) for name in ("x", "residual", "weight", "bias", "mean", "inverse")),
        *((name, ctypes.c_void_p) for name in ("running_mean", "running_var", "grad", "out", "grad_residual")),
        *((name, ctypes.c_void_p) for name in ("grad_weight", "grad_bias")),
        *((name, ctypes.c_int64) for name in ("rows", "channels", "silu", "rectify", "bfloat16")),
        *((name, ctypes.c_int64) for name in ("threads", "capability")),
        *((name, ctypes.c_double) for name in ("slope", "momentum", "eps")),
    )


class Transpose(ctypes.Structure):
    """`Transpose` of transpose.h, field by field."""

    _fields_ = (
        *((name, ctypes.c_void_p) for name in ("source", "target")),
        *((name, ctypes.c_int64) for name in ("count", "rows", "columns", "size", "threads")),
    )


@dataclass(frozen=True)
class Library:
    """The loaded library.

    Attributes:
        functions: the three passes by name; each takes a `Problem` and returns 0, or 1 when memory ran out, and so do
            the norm and its gradient, which take a `NormAct`. And the two epilogues; each takes its structure, whether
            numbers are bfloat16, threads and the capability's number. And "transpose", which takes a `Transpose`.
        capabilities: instruction sets this machine has, best first, and their numbers.
        shares_threads: the passes run on PyTorch's own threads.
    """

    functions: dict[str, ctypes._NamedFuncPointer]
    capabilities: dict[str, int]
    shares_threads: bool


def _openmp_entry() -> int | None:
    """Address of ``GOMP_parallel`` in the OpenMP runtime that PyTorch brought or loaded, or None."""
    folder = Path(torch.__file__).parent / "lib"
    brought = map(str, sorted(folder.glob("lib*omp*.so*")))
    # First what a preloaded runtime offers to everyone: PyTorch uses that, too.
    for name in [None, *brought, "libgomp.so.1", "libomp.so", "libiomp5.so"]:
        try:
            # RTLD_NOLOAD: a runtime that nobody uses yet would be a second one.
            runtime = ctypes.CDLL(name, mode=os.RTLD_NOLOAD | os.RTLD_NOW) if name else ctypes.CDLL(None)
            return ctypes.cast(runtime.GOMP_parallel, ctypes.c_void_p).value
        except (OSError, AttributeError):
            continue
    return None


def share_threads(library: ctypes.CDLL) -> bool:
    """Have the passes run on PyTorch's threads; False where its runtime is not known, then they start their own."""
    entry = _openmp_entry() if sys.platform == "linux" else None
    library.laconvnet_use_openmp(ctypes.c_void_p(entry))
    return entry is not None


@cache
def handle() -> ctypes.CDLL:
    """The shared library itself.

    Raises:
        OSError: it is not there or not a library.
    """
    return ctypes.CDLL(str(LIBRARY))


@cache
def load() -> Library | str:
    """Load the library once.

    Returns:
        The library, or in words why there is none.
    """
    if not LIBRARY.is_file():
        reason = NOT_BUILT.read_text(encoding="utf-8").strip() if NOT_BUILT.is_file() else f"{LIBRARY} is missing"
        return f"not built when laconvnet was installed: {reason}"
    try:
        library = handle()
        version = library.laconvnet_interface()
    except (OSError, AttributeError) as error:
        return f"{LIBRARY} cannot be loaded: {error}"
    if version != INTERFACE:
        return f"{LIBRARY} has interface {version}, this version of laconvnet needs {INTERFACE}: install it again"
    library.laconvnet_capability.restype = ctypes.c_char_p
    capabilities, here, index = {}, ctypes.c_int(), 0
    while name := library.laconvnet_capability(index, ctypes.byref(here)):
        if here.value:
            capabilities[name.decode()] = index
        index += 1
    functions = {}
    passes = dict.fromkeys(("forward", "grad_input", "grad_weight"), Problem)
    norms = dict.fromkeys(("norm_act", "norm_act_backward"), NormAct)
    for name, structure in {**passes, **norms}.items():
        functions[name] = getattr(library, f"laconvnet_{name}")
        functions[name].argtypes = (ctypes.POINTER(structure),)
    for name, structure in (("affine_silu", AffineSilu), ("unpack", Unpack)):
        functions[name] = getattr(library, f"laconvnet_{name}")
        functions[name].argtypes = (ctypes.POINTER(structure), ctypes.c_int, ctypes.c_int64, ctypes.c_int64)
        functions[name].restype = None
    functions["transpose"] = library.laconvnet_transpose
    functions["transpose"].argtypes, functions["transpose"].restype = (ctypes.POINTER(Transpose),), None
    return Library(functions, capabilities, share_threads(library))


def choose_capability(library: Library) -> tuple[str, int]:
    """Name and number of the instruction set to use: the best, or the one ``LACONVNET_CPU_CAPABILITY`` names.

    Raises:
        ValueError: the variable names one that this machine or library does not have.
    """
    wanted = os.environ.get(CAPABILITY_VARIABLE) or next(iter(library.capabilities))
    if wanted not in library.capabilities:
        allowed = ", ".join(library.capabilities)
        raise ValueError(f"{CAPABILITY_VARIABLE}: {wanted!r} cannot run here; allowed: {allowed}")
    return wanted, library.capabilities[wanted]


def multiply_add_loads(threads: int, rounds: int) -> float:
    """Multiply and add with one operand loaded from the first-level cache; for benchmarks.

    Returns:
        The floating-point operations that were done.

    Raises:
        RuntimeError: there is no library; the message says why.
    """
    loaded = load()
    if isinstance(loaded, str):
        raise RuntimeError(loaded)
    function = handle().laconvnet_multiply_add_loads
    function.argtypes, function.restype = (ctypes.c_int64, ctypes.c_int64), ctypes.c_double
    return float(function(threads, rounds))


def describe() -> str:
    """The instruction set and threads the kernels use here, or why there are none; one line."""
    loaded = load()
    if isinstance(loaded, str):
        return loaded
    threads = "PyTorch's own threads" if loaded.shares_threads else "threads of their own"
    try:
        return f"{choose_capability(loaded)[0]}, on {threads}"
    except ValueError as error:
        return str(error)
