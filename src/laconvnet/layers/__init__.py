"""LaConv and the block built on it."""

from laconvnet.layers.block import LaConvBlock, Memory, Sentence
from laconvnet.layers.generator import ParameterGenerator, TextMemory
from laconvnet.layers.laconv import LaConv, LanguageConv
from laconvnet.layers.position import sine_position
from laconvnet.layers.prepared import PointwiseSiLU, PreparedBlock, PreparedSiLU

__all__ = [
    "LaConv",
    "LaConvBlock",
    "LanguageConv",
    "Memory",
    "ParameterGenerator",
    "PointwiseSiLU",
    "PreparedBlock",
    "PreparedSiLU",
    "Sentence",
    "TextMemory",
    "sine_position",
]
