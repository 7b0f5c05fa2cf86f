"""The operator: convolution with a kernel of its own at every position of the picture."""

from laconvnet.ops.backends import BACKENDS, explain, use_backend
from laconvnet.ops.dynamic_conv2d import dynamic_conv2d
from laconvnet.ops.reference import GroupLayout

__all__ = ["BACKENDS", "GroupLayout", "dynamic_conv2d", "explain", "use_backend"]
