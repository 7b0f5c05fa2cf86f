"""Compiles the CPU kernels into the wheel, where there is a compiler."""

import runpy
import sysconfig

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class NativeKernels(BuildHookInterface):
    """A wheel with the library belongs to a platform, one without it runs everywhere."""

    def initialize(self, version, build_data):
        """Called before the files of the wheel, editable or not, are gathered."""
        if self.target_name != "wheel":
            return
        build = runpy.run_path("src/laconvnet/ops/native/build.py")["build"]
        if reason := build():
            self.app.display_warning(f"laconvnet is installed without its CPU kernels: {reason}")
        else:
            build_data["pure_python"] = False
            build_data["tag"] = "py3-none-" + sysconfig.get_platform().replace("-", "_").replace(".", "_")
