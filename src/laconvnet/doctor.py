"""What runs here and what does not, in words."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import torch

from laconvnet import __version__
from laconvnet.bench.machine import describe_machine
from laconvnet.models import shipped_checkpoints
from laconvnet.ops import explain
from laconvnet.ops.native import library

EXTRAS = {
    "hf": ("transformers",),
    "onnx": ("onnx", "onnxruntime", "onnxscript"),
    "demo": ("gradio",),
    "plots": ("matplotlib", "tensorboard"),
    "gpu": ("triton",),
    "data": ("datasets", "pyarrow"),
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


def _size(folder: Path) -> str:
    return f"{sum(path.stat().st_size for path in folder.iterdir()) / 1e6:.1f} MB in {folder}"
