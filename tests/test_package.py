"""The package from outside: its public names, its version, and how little importing it costs."""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys
from pathlib import Path

import pytest

import laconvnet

HEAVY = {"PIL", "accelerate", "matplotlib", "pycocotools", "torchmetrics", "transformers", "typer"}


def modules_after(statement: str) -> set[str]:
    """The top-level modules that a fresh interpreter holds after the statement."""
    script = f"import sys; {statement}; print(*{{name.split('.')[0] for name in sys.modules}})"
    output = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    return set(output.split())


def test_public_names() -> None:
    assert laconvnet.__all__ == ["LaConvNet", "Predictor", "Vocabulary", "__version__", "build_model"]
    assert set(laconvnet.__all__) <= set(dir(laconvnet))


@pytest.mark.parametrize("name", laconvnet.__all__)
def test_public_names_load_on_first_use(name: str) -> None:
    assert getattr(laconvnet, name) is getattr(laconvnet, name)


def test_an_unknown_name_is_answered_with_the_known_ones() -> None:
    with pytest.raises(AttributeError, match=r"no attribute 'build_modle'; it offers .*build_model"):
        laconvnet.build_modle  # noqa: B018


def test_version_is_the_installed_one() -> None:
    assert laconvnet.__version__ == importlib.metadata.version("laconvnet")


def test_importing_the_package_imports_no_other() -> None:
    added = modules_after("import laconvnet") - modules_after("pass")
    assert "laconvnet" in added
    assert not added & {"torch", "numpy", "pydantic", *HEAVY}


def test_building_a_model_needs_torch_and_little_else() -> None:
    loaded = modules_after("import laconvnet; laconvnet.build_model")
    assert "torch" in loaded
    assert not loaded & (HEAVY - {"PIL"})  # a checkpoint says how pictures are resized


def test_the_package_is_marked_as_typed_and_ships_its_data() -> None:
    package = Path(laconvnet.__file__).parent
    assert (package / "py.typed").is_file()
    assert (package / "language" / "glove_100d.npz").is_file()
    assert (package / "weights" / "photos-t" / "model.safetensors").is_file()
