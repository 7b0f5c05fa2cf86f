"""One file per public dataset: from the layout in which it is published to a dataset folder."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from laconvnet.data.readers.clevr import open_clevr
from laconvnet.data.readers.conversion import Conversion, Source, convert
from laconvnet.data.readers.flickr30k import open_flickr30k
from laconvnet.data.readers.refer import LAYOUTS, open_refer
from laconvnet.data.readers.snli_ve import open_snli_ve
from laconvnet.data.readers.vqav2 import open_vqav2

READERS: dict[str, Callable[[Path, Path | None], Source]] = {
    "clevr": open_clevr,
    "flickr30k": open_flickr30k,
    "snli_ve": open_snli_ve,
    "vqav2": open_vqav2,
    **{name: partial(open_refer, name) for name in LAYOUTS},
}
"""By dataset, what finds its raw download in a folder, with the pictures there or in a folder of their own."""

__all__ = ["READERS", "Conversion", "Source", "convert"]
