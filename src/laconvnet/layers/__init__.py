"""LaConv and the block built on it."""

from laconvnet.layers.block import LaConvBlock, Sentence
from laconvnet.layers.generator import ParameterGenerator
from laconvnet.layers.laconv import LaConv, LanguageConv
from laconvnet.layers.position import sine_position

__all__ = ["LaConv", "LaConvBlock", "LanguageConv", "ParameterGenerator", "Sentence", "sine_position"]
