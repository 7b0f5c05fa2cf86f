"""Measuring: what the operator, networks, training and loading cost, and how long they take.

The names below are loaded on first use: what one measurement needs, another one does not.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from laconvnet.bench.cost import Cost, measure_cost
    from laconvnet.bench.data import bench_data
    from laconvnet.bench.growth import bench_growth
    from laconvnet.bench.machine import describe_machine
    from laconvnet.bench.memory import Memory, measure_memory
    from laconvnet.bench.model import bench_model
    from laconvnet.bench.networks import Load
    from laconvnet.bench.op import bench_op
    from laconvnet.bench.operator_case import stage_shapes
    from laconvnet.bench.parity import ParityError
    from laconvnet.bench.report import Report
    from laconvnet.bench.timing import Timing, compare
    from laconvnet.bench.train import bench_train

_HOMES = {
    "Cost": "cost",
    "Load": "networks",
    "Memory": "memory",
    "ParityError": "parity",
    "Report": "report",
    "Timing": "timing",
    "bench_data": "data",
    "bench_growth": "growth",
    "bench_model": "model",
    "bench_op": "op",
    "bench_train": "train",
    "compare": "timing",
    "describe_machine": "machine",
    "measure_cost": "cost",
    "measure_memory": "memory",
    "stage_shapes": "operator_case",
}

__all__ = [
    "Cost",
    "Load",
    "Memory",
    "ParityError",
    "Report",
    "Timing",
    "bench_data",
    "bench_growth",
    "bench_model",
    "bench_op",
    "bench_train",
    "compare",
    "describe_machine",
    "measure_cost",
    "measure_memory",
    "stage_shapes",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'laconvnet.bench' has no attribute {name!r}; it offers {', '.join(__all__)}")
    return getattr(importlib.import_module(f"laconvnet.bench.{_HOMES[name]}"), name)
