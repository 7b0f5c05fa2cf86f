"""Compile the CPU kernels: one shared library beside this file. Needs nothing but Python and a C++17 compiler.

    python src/laconvnet/ops/native/build.py

Installing laconvnet runs it too. Without a compiler, or with ``LACONVNET_SKIP_NATIVE=1``, laconvnet is installed
without the library, and `laconvnet doctor` says why.
"""

from __future__ import annotations

import os
import platform
import shlex
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

HERE = Path(__file__).parent
LIBRARY = HERE / "liblaconvnet_native.so"
NOT_BUILT = HERE / "not_built.txt"
"""Why there is no library, for those who ask later."""

SKIP_VARIABLE = "LACONVNET_SKIP_NATIVE"
FLAGS = ("-O3", "-std=c++17", "-fPIC", "-fvisibility=hidden", "-ffp-contract=fast", "-pthread", "-Wall")

# Kernels are compiled once per instruction set; which one runs is decided on the machine that runs them.
CAPABILITIES: dict[str, tuple[str, ...]] = {"baseline": ()}
if platform.machine().lower() in ("x86_64", "amd64"):
    AVX512 = *("-mavx2", "-mfma", "-mavx512f", "-mavx512bw", "-mavx512vl", "-mavx512dq"), "-mprefer-vector-width=512"
    CAPABILITIES |= {
        "avx2": ("-mavx2", "-mfma"),
        "avx512": AVX512,
        "avx512_bf16": (*AVX512, "-mavx512bf16"),
    }


def find_compiler() -> list[str] | None:
    """The command ``CXX`` holds, else the first of the usual compilers, or None."""
    commands = [shlex.split(os.environ["CXX"])] if os.environ.get("CXX") else [["c++"], ["g++"], ["clang++"]]
    return next((command for command in commands if shutil.which(command[0])), None)


def _compile(compiler: list[str], arguments: tuple[str, ...]) -> None:
    result = subprocess.run((*compiler, *arguments), capture_output=True, text=True, errors="replace")
    if result.returncode:
        command = shlex.join((*compiler, *arguments))
        raise OSError(f"{command}\nended with code {result.returncode}\n{result.stderr or result.stdout}")


def _known_capabilities(compiler: list[str], folder: str) -> dict[str, tuple[str, ...]]:
    """Those that a compiler can compile for; the one of bfloat16 is younger than some compilers."""
    known = dict(CAPABILITIES)
    if flags := known.get("avx512_bf16"):
        probe = 'int main() { return __builtin_cpu_supports("avx512bf16"); }'
        command = (*compiler, *flags, "-x", "c++", "-c", "-", "-o", f"{folder}/probe.o")
        if subprocess.run(command, input=probe, capture_output=True, text=True, errors="replace").returncode:
            del known["avx512_bf16"]
    return known


def _build(compiler: list[str]) -> None:
    with tempfile.TemporaryDirectory(prefix="laconvnet-") as folder:
        known = _known_capabilities(compiler, folder)
        common = (*FLAGS, *(f"-DWITH_{name}" for name in known))
        jobs: list[tuple[str, ...]] = [
            (*common, "-c", str(HERE / f"{source}.cpp"), "-o", f"{folder}/{source}.o")
            for source in ("library", "transpose")
        ]
        for name, flags in known.items():
            for source in "kernels", "epilogue", "norm", "limit":
                made = (str(HERE / f"{source}.cpp"), "-o", f"{folder}/{source}-{name}.o")
                jobs.append((*FLAGS, *flags, f"-DCAPABILITY={name}", "-c", *made))
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(lambda job: _compile(compiler, job), jobs))
        aside = LIBRARY.with_suffix(f".{os.getpid()}.so")
        try:
            _compile(compiler, (*FLAGS, "-shared", *(job[-1] for job in jobs), "-o", str(aside)))
            aside.replace(LIBRARY)
        finally:
            aside.unlink(missing_ok=True)


def build() -> str | None:
    """Compile and put the library in its place; where that fails there is none, since an older one may not fit.

    Returns:
        None, or in words why there is no library.
    """
    if os.environ.get(SKIP_VARIABLE, "0") not in ("", "0"):
        reason = f"{SKIP_VARIABLE} was set"
    elif (compiler := find_compiler()) is None:
        reason = f"no C++ compiler {os.environ.get('CXX') or '(c++, g++ or clang++)'} on the PATH"
    else:
        try:
            _build(compiler)
        except OSError as error:
            reason = str(error)
        else:
            NOT_BUILT.unlink(missing_ok=True)
            return None
    with suppress(OSError):  # a folder that cannot be written is part of the reason
        LIBRARY.unlink(missing_ok=True)
        NOT_BUILT.write_text(reason + "\n", encoding="utf-8")
    return reason


if __name__ == "__main__":
    problem = build()
    print(f"error: {problem}" if problem else f"built {LIBRARY}", file=sys.stderr if problem else sys.stdout)
    sys.exit(1 if problem else 0)
