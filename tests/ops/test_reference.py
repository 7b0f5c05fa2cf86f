"""The definition, and every backend against five nested loops in float64."""

import math

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from laconvnet.ops import BACKENDS

LAYOUTS = ["interleaved", "contiguous"]
SAME_BACKEND = [HealthCheck.function_scoped_fixture]  # one backend for all examples is what is wanted
TOLERANCE = {torch.float64: 1e-12, torch.float32: 2e-5}


def loops(x, weight, group_layout):
    """Equation 2, written out."""
    _, channels, height, width = x.shape
    groups, taps = weight.shape[1:3]
    kernel_size = math.isqrt(taps)
    out = np.zeros_like(x)
    for n, c, i, j in np.ndindex(*x.shape):
        group = c % groups if group_layout == "interleaved" else c // (channels // groups)
        for tap in range(taps):
            row, column = i + tap // kernel_size - kernel_size // 2, j + tap % kernel_size - kernel_size // 2
            if 0 <= row < height and 0 <= column < width:
                out[n, c, i, j] += weight[n, group, tap, i, j] * x[n, c, row, column]
    return out


@st.composite
def problems(draw):
    """Shapes from empty batches and 1x1 maps to kernels larger than the map."""
    groups, per_group = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    batch, height, width = draw(st.integers(0, 2)), draw(st.integers(1, 6)), draw(st.integers(1, 6))
    kernel_size = draw(st.sampled_from([1, 3, 5, 7, 9, 11]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    x = rng.standard_normal((batch, groups * per_group, height, width))
    weight = rng.standard_normal((batch, groups, kernel_size**2, height, width))
    return x, weight


@pytest.mark.parametrize("layout", LAYOUTS)
@settings(max_examples=60, deadline=None, suppress_health_check=SAME_BACKEND)
@given(problem=problems())
def test_forward_equals_five_nested_loops(backend, widest, layout, problem):
    x, weight = (torch.from_numpy(a).to(widest) for a in problem)
    out = BACKENDS[backend].forward(x, weight, layout, None)
    expected = loops(x.double().numpy(), weight.double().numpy(), layout)
    np.testing.assert_allclose(out.numpy(), expected, rtol=TOLERANCE[widest], atol=TOLERANCE[widest])


@pytest.mark.parametrize("layout", LAYOUTS)
@settings(max_examples=40, deadline=None, suppress_health_check=SAME_BACKEND)
@given(problem=problems())
def test_gradients_are_the_adjoints_of_the_loops(backend, widest, layout, problem):
    """out is linear in x and in weight, so <g, loops(dx, w)> = <grad_input, dx> for every dx, and likewise for w."""
    x, weight = problem
    rng = np.random.default_rng(0)
    grad, dx, dw = (rng.standard_normal(a.shape) for a in (x, x, weight))
    groups, kernel_size = weight.shape[1], math.isqrt(weight.shape[2])
    g, tx, tw = (torch.from_numpy(a).to(widest) for a in (grad, x, weight))
    grad_x = BACKENDS[backend].grad_input(g, tw, layout, None).double().numpy()
    grad_w = BACKENDS[backend].grad_weight(g, tx, groups, kernel_size, layout, None).double().numpy()
    near = 100 * TOLERANCE[widest]
    assert np.vdot(grad_x, dx) == pytest.approx(np.vdot(grad, loops(dx, weight, layout)), rel=near, abs=near)
    assert np.vdot(grad_w, dw) == pytest.approx(np.vdot(grad, loops(x, dw, layout)), rel=near, abs=near)


def test_group_layout_by_hand(backend):
    """Four channels, two groups, 1x1 kernels 10 and 100: which channel is multiplied by which tells the layout."""
    x = torch.tensor([1.0, 2.0, 3.0, 4.0]).view(1, 4, 1, 1)
    weight = torch.tensor([10.0, 100.0]).view(1, 2, 1, 1, 1)
    interleaved = BACKENDS[backend].forward(x, weight, "interleaved", None).flatten().tolist()
    contiguous = BACKENDS[backend].forward(x, weight, "contiguous", None).flatten().tolist()
    assert interleaved == [10, 200, 30, 400]
    assert contiguous == [10, 20, 300, 400]
