"""How long a whole network takes, and how much memory."""

from __future__ import annotations

import resource
import sys
from typing import Any

import torch

from laconvnet.bench.cost import measure_cost
from laconvnet.bench.machine import describe_machine
from laconvnet.bench.timing import compare
from laconvnet.models import LaConvNet


def _peak_mib(device: torch.device) -> float:
    """Peak memory so far: of the process on a CPU, of PyTorch's allocator on a GPU."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10


def bench_model(
    model: LaConvNet,
    *,
    size: int = 416,
    batch_size: int = 1,
    words: int = 15,
    device: str | torch.device = "cpu",
    repeats: int = 10,
) -> dict[str, Any]:
    """Count and time a network's forward pass.

    Args:
        model: the network.
        size: side of the square picture, a multiple of 32.
        batch_size: pictures together.
        words: words per sentence.
        device: where to run.
        repeats: timed runs.

    Returns:
        JSON-ready: counts, median latency with quartiles in milliseconds, peak memory in MiB, machine and versions.
    """
    where = torch.device(device)
    cost = measure_cost(model, size, words)
    model = model.to(where).eval()
    images = torch.rand(batch_size, 3, size, size, device=where)
    tokens = torch.ones(batch_size, words, dtype=torch.int64, device=where)
    before = _peak_mib(where)
    with torch.inference_mode():
        timing = compare({"forward": lambda: model(images, tokens)}, repeats=repeats)["forward"]
    return {
        "preset": model.config.preset,
        "tasks": list(model.config.tasks),
        "size": size,
        "batch_size": batch_size,
        "words": words,
        "parameters": cost.parameters,
        "parameters_without_embedding": cost.parameters - cost.embedding_parameters,
        "gmacs": round(cost.macs / 1e9, 4),
        "latency_ms": {"median": timing.median, "low": timing.low, "high": timing.high, "repeats": repeats},
        "pictures_per_second": 1e3 * batch_size / timing.median,
        "peak_memory_mib": round(_peak_mib(where), 1),
        "memory_before_mib": round(before, 1),
        "machine": describe_machine(),
    }
