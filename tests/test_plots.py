"""Pictures of numbers."""

import sys

import pytest
from PIL import Image

from laconvnet.plots import Panel, draw_bars, draw_growth, require_plots


def row(contender, batch, value):
    return {"contender": contender, "batch": batch, "median_ms": value, "low_ms": 0.9 * value, "high_ms": 1.2 * value}


def test_bars(tmp_path):
    pytest.importorskip("matplotlib")
    rows = [row(name, batch, batch * speed) for batch in (1, 8) for name, speed in (("a", 1.0), ("b", 30.0))]
    rows[0]["peak"] = 400.0
    draw_bars(
        tmp_path / "bars.png.partial",
        [Panel("t", "median_ms", "ms", rows, spread=("low_ms", "high_ms")), Panel("m", "peak", "MiB", rows)],
        "batch",
    )
    with Image.open(tmp_path / "bars.png.partial") as picture:
        assert picture.format == "PNG" and len(picture.convert("RGB").getcolors(10**6)) > 10


def test_growth(tmp_path):
    pytest.importorskip("matplotlib")
    rows = [{**row("a", 1, 3.0 * n), "amount": n, "exponent": 1.0} for n in (1, 10, 100)]
    draw_growth(tmp_path / "growth.png", [Panel("words", "median_ms", "ms", rows)])
    with Image.open(tmp_path / "growth.png") as picture:
        assert picture.width > 300


def test_without_matplotlib_the_extra_is_named(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    for draw in (require_plots, lambda: draw_bars(tmp_path / "x.png", [Panel("t", "v", "ms", [])], "batch")):
        with pytest.raises(ImportError, match=r"pip install 'laconvnet\[plots\]'"):
            draw()
    assert not list(tmp_path.iterdir())
