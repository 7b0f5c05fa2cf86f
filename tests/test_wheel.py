"""What goes into a wheel besides the package: the configurations, which a clone keeps beside it."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture
def hook(monkeypatch: pytest.MonkeyPatch) -> type[Any]:
    """The build hook, without the compiler and without hatchling, which only builds have."""
    name = "hatchling.builders.hooks.plugin.interface"
    for part in range(1, name.count(".") + 2):
        package = ".".join(name.split(".")[:part])
        monkeypatch.setitem(sys.modules, package, ModuleType(package))
    monkeypatch.setattr(sys.modules[name], "BuildHookInterface", SimpleNamespace, raising=False)
    hook: type[Any] = runpy.run_path(str(ROOT / "hatch_build.py"))["NativeKernels"]
    native = {"build": lambda: "no compiler", "LIBRARY": Path("native.so")}
    monkeypatch.setattr(runpy, "run_path", lambda path: native)
    return hook


@pytest.mark.parametrize(("version", "included"), [("standard", {"configs": "laconvnet/configs"}), ("editable", {})])
def test_a_wheel_has_the_configurations_unless_it_is_editable(
    hook: type[Any], version: str, included: dict[str, str]
) -> None:
    data: dict[str, Any] = {"force_include": {}, "artifacts": []}
    app = SimpleNamespace(display_warning=lambda message: None)
    hook(target_name="wheel", root=str(ROOT), app=app).initialize(version, data)
    assert data["force_include"] == included and len(data["artifacts"]) == 1
