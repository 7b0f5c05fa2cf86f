"""Metrics computed by two processes, each on its share of the samples."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import torch

_RANK = """
import json, sys
import torch, torch.distributed as dist
import laconvnet.metrics
folder, rank = sys.argv[1], int(sys.argv[2])
dist.init_process_group("gloo", init_method=f"file://{folder}/rendezvous", rank=rank, world_size=2)
results = []
for name, arguments in torch.load(f"{folder}/{rank}.pt"):
    metric = getattr(laconvnet.metrics, name)()
    metric.update(*arguments)
    metric.compute()
    metric.update(*(argument[:0] for argument in arguments))
    results.append({name: float(v) for name, v in metric.compute().items()})
with open(f"{folder}/{rank}.json", "w") as out:
    json.dump(results, out)
dist.destroy_process_group()
"""

Run = tuple[str, tuple[object, ...]]
"""Name of a metric and what its `update` is given."""


def on_two_processes(folder: Path, shares: Sequence[Sequence[Run]]) -> list[list[dict[str, float]]]:
    """What each of two processes computes, for each of its runs; an update with nothing follows the first value."""
    ranks = []
    for rank, runs in enumerate(shares):
        torch.save(runs, folder / f"{rank}.pt")
        ranks.append(
            subprocess.Popen(
                [sys.executable, "-W", "error", "-c", _RANK, str(folder), str(rank)],
                env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "OMP_NUM_THREADS": "1"},
                stderr=subprocess.PIPE,
                text=True,
            )
        )
    for process in ranks:
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors
    return [json.loads((folder / f"{rank}.json").read_text()) for rank in range(2)]
