"""Compiles the CPU kernels into the wheel, where there is a compiler, and adds the configurations."""

import runpy
import sysconfig
from pathlib import Path

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class NativeKernels(BuildHookInterface):
    """A wheel with the library belongs to a platform, one without it runs everywhere."""

    def initialize(self, version, build_data):
        """Called before the files of the wheel, editable or not, are gathered."""
        if self.target_name != "wheel":
            return
        if version != "editable":  # an editable installation reads those of the clone
            build_data["force_include"]["configs"] = "laconvnet/configs"
        native = Path(self.root, "src", "laconvnet", "ops", "native")
        build = runpy.run_path(str(native / "build.py"))
        if reason := build["build"]():
            self.app.display_warning(f"laconvnet is installed without its CPU kernels: {reason}")
            build_data["artifacts"].append("src/laconvnet/ops/native/not_built.txt")
        else:
            build_data["artifacts"].append(f"src/laconvnet/ops/native/{build['LIBRARY'].name}")
            build_data["pure_python"] = False
            build_data["tag"] = "py3-none-" + sysconfig.get_platform().replace("-", "_").replace(".", "_")
