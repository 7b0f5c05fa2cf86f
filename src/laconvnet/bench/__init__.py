"""Measuring: what a network costs, and how long it takes."""

from laconvnet.bench.cost import Cost, measure_cost
from laconvnet.bench.machine import describe_machine
from laconvnet.bench.model import bench_model
from laconvnet.bench.timing import Timing, compare

__all__ = ["Cost", "Timing", "bench_model", "compare", "describe_machine", "measure_cost"]
