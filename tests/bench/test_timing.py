"""Timing: medians, quartiles, contenders in turn, and what holds meanwhile."""

import os
from pathlib import Path

import pytest
import torch

from laconvnet.bench import timing
from laconvnet.bench.timing import Timing, compare, empty_compile_cache, use_threads


def test_contenders_take_turns_and_warmup_is_not_counted(monkeypatch):
    calls, clock = [], iter(range(0, 1000))
    monkeypatch.setattr(timing.time, "perf_counter", lambda: next(clock))
    times = compare({"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}, repeats=3, warmup=1)
    assert calls == ["a", "b"] * 4
    assert times["a"].median == 1000.0 and times["a"].repeats == 3


def test_quartiles():
    assert timing._summary([1.0, 2.0, 3.0, 4.0, 5.0]) == Timing(3.0, 2.0, 4.0, 5)


def test_a_spread_needs_repeats():
    with pytest.raises(ValueError, match="repeats is 1"):
        compare({}, repeats=1)


def test_a_fast_contender_is_called_until_its_turn_is_over(monkeypatch):
    calls, clock = [], iter(range(0, 10**6))
    monkeypatch.setattr(timing.time, "perf_counter", lambda: next(clock) / 128)
    times = compare({"a": lambda: calls.append("a")}, repeats=2, warmup=0)
    assert len(calls) == 2 * 3 and times["a"].median == 7.8125


def test_a_turn_leaves_out_its_first_call():
    durations = iter([9.0, 3.0, 3.0, 3.0, 3.0])
    assert timing._turn(lambda: None, lambda _: next(durations)) == 3.0
    assert timing._turn(lambda: None, lambda _: 1e3) == 1e3


def test_a_row_names_median_and_quartiles():
    assert Timing(2.0, 1.0, 3.00001, 5).row() == {"median_ms": 2.0, "low_ms": 1.0, "high_ms": 3.0}


def test_threads_are_put_back():
    before = torch.get_num_threads()
    with use_threads(3):
        assert torch.get_num_threads() == 3
        with use_threads(None):
            assert torch.get_num_threads() == 3
    assert torch.get_num_threads() == before


def test_an_empty_cache_for_a_while(monkeypatch):
    variable = "TORCHINDUCTOR_CACHE_DIR"
    for before in ("elsewhere", None):
        monkeypatch.setenv(variable, before) if before else monkeypatch.delenv(variable)
        with pytest.raises(ZeroDivisionError), empty_compile_cache():
            folder = Path(os.environ[variable])
            assert list(folder.iterdir()) == []
            raise ZeroDivisionError
        assert os.environ.get(variable) == before and not folder.exists()
