"""The embedded world: pictures and sentences made from a seed, with exact boxes."""

from laconvnet.scenes.flat import FlatExpression, FlatObject, FlatScene, flat_scene

__all__ = ["FlatExpression", "FlatObject", "FlatScene", "flat_scene"]
