"""What a fresh process imports: nothing that the command does not need."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

UNNEEDED = (
    "torchmetrics",
    "transformers",
    "matplotlib",
    "accelerate",
    "huggingface_hub",
    "torch._dynamo",
    "torch._inductor",
    "sympy",
    "pycocotools",  # writes masks; photos-t has none
    "laconvnet.data",
    "laconvnet.training",
    "laconvnet.evaluation",
    "laconvnet.scenes",
    "laconvnet.bench",
)


def run_cold(*arguments: object) -> tuple[str, set[str]]:
    """Run the entry point in a process of its own: what it prints, and all modules that are loaded at its end."""
    program = (
        "import sys\n"
        "from laconvnet.cli import main\n"
        "try:\n"
        "    main()\n"
        "except SystemExit as stopped:\n"
        "    assert not stopped.code, stopped.code\n"
        "print(*sys.modules, sep='\\n', file=sys.stderr)\n"
    )
    command = [sys.executable, "-c", program, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout, set(done.stderr.splitlines())


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    pixels = np.random.default_rng(0).integers(0, 256, (60, 80, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "small.png")
    return tmp_path / "small.png"


def test_a_prediction_imports_what_it_needs(picture: Path) -> None:
    said, modules = run_cold("predict", picture, "a man in red", "--model", "photos-t")
    assert said.startswith("'a man in red'; box (")
    assert "torch" in modules and not modules & set(UNNEEDED)


def test_masks_and_answers_import_no_more(picture: Path) -> None:
    said, modules = run_cold("predict", picture, "the red cube", "is it red?", "--model", "scenes-t", "--json")
    assert '"answer"' in said and '"mask_pixels"' in said
    assert not modules & set(UNNEEDED)


@pytest.mark.parametrize("arguments", [["--help"], ["predict", "--help"], ["data", "--help"], ["--version"]])
def test_help_comes_without_torch(arguments: list[str]) -> None:
    said, modules = run_cold(*arguments)
    assert said and not modules & {"torch", "numpy", "PIL", "yaml", *UNNEEDED}
