"""The machine in words: what it is, what runs on it and what does not."""

from __future__ import annotations

import importlib.util
import os
import platform
from pathlib import Path

import torch

from laconvnet import __version__
from laconvnet.models import shipped_checkpoints
from laconvnet.ops import explain
from laconvnet.ops.native import library

EXTRAS = {
    "hf": ("transformers",),
    "plots": ("matplotlib", "tensorboard"),
    "gpu": ("triton",),
}


def diagnose() -> str:
    """Versions, devices, the operator's backends with reasons, and which extras are installed."""
    lines = [f"laconvnet {__version__}"]
    lines += [f"{key}: {value}" for key, value in describe_machine().items()]
    devices = ["cpu"] + (["cuda"] if torch.cuda.is_available() else [])
    for device in devices:
        lines += ["", explain(torch.empty(0, device=device))]
    lines += [f"native kernels: {library.describe()}", ""]
    lines += [f"weights {name}: {_size(folder)}" for name, folder in shipped_checkpoints().items()]
    for extra, packages in EXTRAS.items():
        missing = [name for name in packages if importlib.util.find_spec(name) is None]
        state = f"missing {', '.join(missing)}: pip install 'laconvnet[{extra}]'" if missing else "installed"
        lines.append(f"extra {extra}: {state}")
    return "\n".join(lines)


def describe_machine() -> dict[str, str]:
    """Name of the processor and accelerator, threads, and versions, as text by key."""
    described = {
        "cpu": f"{_cpu_name()}, {os.cpu_count()} cores",
        "threads": str(torch.get_num_threads()),
        "capability": torch.backends.cpu.get_cpu_capability(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "system": f"{platform.system()} {platform.machine()}",
    }
    if torch.cuda.is_available():
        described["gpu"] = torch.cuda.get_device_name()
    return described


def _cpu_name() -> str:
    path = Path("/proc/cpuinfo")
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())


def _size(folder: Path) -> str:
    return f"{sum(path.stat().st_size for path in folder.iterdir()) / 1e6:.1f} MB in {folder}"
