"""Learning rates worked out by hand."""

from __future__ import annotations

import pytest

from laconvnet.training import learning_rate

PUBLISHED = {"base": 1e-4, "total_steps": 400, "warmup_steps": 30, "warmup_start": 1e-7, "minimum": 1e-6}


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        (0, 1e-7),
        (15, 1e-7 + (1e-4 - 1e-7) / 2),
        (30, 1e-4),
        (215, (1e-4 + 1e-6) / 2),  # half of the way from 30 to 400
        (400, 1e-6),
        (500, 1e-6),
    ],
)
def test_linear_warmup_then_cosine(step: int, expected: float) -> None:
    assert learning_rate(step, **PUBLISHED) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(("step", "expected"), [(199, 1.0), (200, 0.2), (219, 0.2), (220, 0.04), (300, 0.04)])
def test_steps_multiply_at_each_milestone(step: int, expected: float) -> None:
    rate = learning_rate(step, base=1.0, total_steps=230, kind="steps", milestones=(200, 220), gamma=0.2)
    assert rate == pytest.approx(expected)


def test_constant_stays_after_the_warmup() -> None:
    rates = [learning_rate(s, base=2.0, total_steps=9, warmup_steps=2, kind="constant") for s in range(5)]
    assert rates == [0.0, 1.0, 2.0, 2.0, 2.0]


def test_the_clock_counts_as_steps_made() -> None:
    by_time = learning_rate(31, **PUBLISHED, time_share=215 / 400)
    assert by_time == pytest.approx(learning_rate(215, **PUBLISHED), rel=1e-9)
    assert learning_rate(300, **PUBLISHED, time_share=0.1) == learning_rate(300, **PUBLISHED)
    assert learning_rate(31, **PUBLISHED, time_share=1.0) == pytest.approx(1e-6)


def test_the_clock_also_ends_a_warmup_that_is_too_long() -> None:
    settings = {**PUBLISHED, "warmup_steps": 399}
    assert learning_rate(200, **settings, time_share=1.0) == pytest.approx(1e-6)


def test_a_warmup_as_long_as_the_run_does_not_divide_by_zero() -> None:
    assert learning_rate(5, base=1.0, total_steps=10, warmup_steps=10) == pytest.approx(0.5)


def test_an_unknown_kind_is_named_with_the_allowed_ones() -> None:
    with pytest.raises(ValueError, match="'linear', allowed: 'cosine', 'steps', 'constant'"):
        learning_rate(0, base=1.0, total_steps=1, kind="linear")
