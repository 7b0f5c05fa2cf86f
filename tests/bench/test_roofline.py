"""The limits of the machine."""

import torch

from laconvnet.bench.roofline import copy_limit, matmul_limit, operator_limits
from laconvnet.bench.timing import Timing

CPU = torch.device("cpu")


def test_amounts_and_rates():
    product, copy = matmul_limit(CPU, torch.bfloat16, side=100), copy_limit(CPU, mib=1)
    assert (product.amount, copy.amount) == (2 * 100**3, 2 * 2**20)
    assert product.rate(Timing(2.0, 1.0, 3.0, 5)) == 2e6 / 2e-3 / 1e9
    assert product.run().shape == (100, 100) and copy.run().sum() == 2**18


def test_the_operator_has_arithmetic_and_memory_to_reach():
    assert {"matmul_gflops", "copy_gbytes"} <= {limit.name for limit in operator_limits(CPU)}
