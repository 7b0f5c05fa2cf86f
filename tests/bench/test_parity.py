"""What is wrong is refused, with its name, the place and the difference."""

import pytest
import torch

from laconvnet.bench.parity import TOLERANCES, ParityError, check_parity


@pytest.mark.parametrize("dtype", TOLERANCES, ids=str)
def test_rounding_passes_and_more_does_not(dtype):
    expected = {"output": torch.linspace(-4, 4, 9).to(dtype)}
    step = 8 * torch.finfo(dtype).eps * torch.tensor([0.0] * 8 + [0.4])
    check_parity("one", "here", {"output": expected["output"] + step.to(dtype)}, expected)
    wrong = expected["output"].clone()
    wrong[3] += 0.5
    with pytest.raises(ParityError, match=r"one is not timed at here: its output differs .* by 0\.12 of the largest"):
        check_parity("one", "here", {"output": wrong}, expected)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_not_finite_is_refused(value):
    with pytest.raises(ParityError, match="differs"):
        check_parity("one", "here", {"output": torch.tensor([value])}, {"output": torch.ones(1)})


def test_shape_and_number_format_belong_to_the_result():
    expected = {"output": torch.ones(2)}
    with pytest.raises(ParityError, match=r"its output is torch.float32 \(1,\), the reference's torch.float32 \(2,\)"):
        check_parity("one", "here", {"output": torch.ones(1)}, expected)
    with pytest.raises(ParityError, match="float64"):
        check_parity("one", "here", {"output": torch.ones(2, dtype=torch.float64)}, expected)


def test_nothing_and_zeros_agree():
    check_parity("one", "here", {"output": torch.empty(0)}, {"output": torch.empty(0)})
    check_parity("one", "here", {"output": torch.zeros(3)}, {"output": torch.zeros(3)})
