"""One file per public dataset: from the layout in which it is published to a dataset folder."""

from laconvnet.data.readers.flickr30k import Conversion, convert_flickr30k

__all__ = ["Conversion", "convert_flickr30k"]
