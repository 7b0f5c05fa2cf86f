"""One file per public dataset: from the layout in which it is published to a dataset folder."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from laconvnet.data.readers.authors import open_authors
from laconvnet.data.readers.clevr import open_clevr
from laconvnet.data.readers.clevr_ref import open_clevr_ref
from laconvnet.data.readers.coco import open_coco
from laconvnet.data.readers.conversion import Conversion, Source, convert
from laconvnet.data.readers.flickr30k import open_flickr30k
from laconvnet.data.readers.odvg import open_odvg
from laconvnet.data.readers.refer import LAYOUTS, open_refer
from laconvnet.data.readers.snli_ve import open_snli_ve
from laconvnet.data.readers.visual_genome import open_visual_genome
from laconvnet.data.readers.vqav2 import open_vqav2

READERS: dict[str, Callable[[Path, Path | None], Source]] = {
    "authors": open_authors,
    "clevr": open_clevr,
    "clevr_ref+": open_clevr_ref,
    "coco": open_coco,
    "flickr30k": open_flickr30k,
    "odvg": open_odvg,
    "snli_ve": open_snli_ve,
    "visual_genome": open_visual_genome,
    "vqav2": open_vqav2,
    **{name: partial(open_refer, name) for name in LAYOUTS},
}
"""By dataset, what finds its raw download in a folder, with the pictures there or in a folder of their own."""

__all__ = ["READERS", "Conversion", "Source", "convert"]
