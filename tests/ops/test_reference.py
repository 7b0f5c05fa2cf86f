"""The definition, and every backend against five nested loops in float64."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from laconvnet.ops import BACKENDS

LAYOUTS = ["interleaved", "contiguous"]


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
    batch, height, width = draw(st.integers(0, 2)), draw(st.integers(1, 5)), draw(st.integers(1, 5))
    kernel_size = draw(st.sampled_from([1, 3, 5, 7]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    x = rng.standard_normal((batch, groups * per_group, height, width))
    weight = rng.standard_normal((batch, groups, kernel_size**2, height, width))
    return x, weight


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("backend", BACKENDS)
@settings(max_examples=40, deadline=None)
@given(problem=problems())
def test_forward_equals_five_nested_loops(backend, layout, problem):
    x, weight = problem
    out = BACKENDS[backend].forward(torch.from_numpy(x), torch.from_numpy(weight), layout)
    np.testing.assert_allclose(out.numpy(), loops(x, weight, layout), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("backend", BACKENDS)
@settings(max_examples=30, deadline=None)
@given(problem=problems())
def test_gradients_are_the_adjoints_of_the_loops(backend, layout, problem):
    """out is linear in x and in weight, so <g, loops(dx, w)> = <grad_input, dx> for every dx, and likewise for w."""
    x, weight = problem
    rng = np.random.default_rng(0)
    grad, dx, dw = (rng.standard_normal(a.shape) for a in (x, x, weight))
    groups, kernel_size = weight.shape[1], math.isqrt(weight.shape[2])
    g, tx, tw = (torch.from_numpy(a) for a in (grad, x, weight))
    grad_x = BACKENDS[backend].grad_input(g, tw, layout).numpy()
    grad_w = BACKENDS[backend].grad_weight(g, tx, groups, kernel_size, layout).numpy()
    assert np.vdot(grad_x, dx) == pytest.approx(np.vdot(grad, loops(dx, weight, layout)), rel=1e-9, abs=1e-9)
    assert np.vdot(grad_w, dw) == pytest.approx(np.vdot(grad, loops(x, dw, layout)), rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("backend", BACKENDS)
def test_group_layout_by_hand(backend):
    """Four channels, two groups, 1x1 kernels 10 and 100: which channel is multiplied by which tells the layout."""
    x = torch.tensor([1.0, 2.0, 3.0, 4.0]).view(1, 4, 1, 1)
    weight = torch.tensor([10.0, 100.0]).view(1, 2, 1, 1, 1)
    interleaved = BACKENDS[backend].forward(x, weight, "interleaved").flatten().tolist()
    contiguous = BACKENDS[backend].forward(x, weight, "contiguous").flatten().tolist()
    assert interleaved == [10, 200, 30, 400]
    assert contiguous == [10, 20, 300, 400]
