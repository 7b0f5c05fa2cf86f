"""Language-guided visual recognition: one compact network that reads the sentence from its first pixel on.

The names below are loaded on first use, so that `import laconvnet` is instant and imports no other package.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from laconvnet.language import Vocabulary
    from laconvnet.models import LaConvNet, build_model
    from laconvnet.predictor import Predictor

__all__ = ["LaConvNet", "Predictor", "Vocabulary", "__version__", "build_model"]

__version__ = "0.1.0"

_HOMES = {
    "LaConvNet": "laconvnet.models",
    "Predictor": "laconvnet.predictor",
    "Vocabulary": "laconvnet.language",
    "build_model": "laconvnet.models",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'laconvnet' has no attribute {name!r}; it offers {', '.join(__all__)}")
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
