"""ViLT, from an extra."""

import sys

import pytest

from laconvnet.bench.load import Load
from laconvnet.bench.vilt import vilt_contender


def test_without_transformers_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(ImportError, match=r"pip install 'laconvnet\[hf\]'"):
        vilt_contender(Load())


def test_it_is_the_published_one():
    """ViLT-B/32: 111.6 million parameters, 23.4 of them word vectors; 145 patches beside the words."""
    pytest.importorskip("transformers")
    vilt = vilt_contender(Load(size=64, words=5))
    cost = vilt.cost()
    assert vilt.load.size == 384
    assert (cost.parameters, cost.embedding_parameters) == (111_595_008, 30_522 * 768)
    length = 5 + 145
    layer = 12 * 768**2 * length + 2 * 768 * length**2
    assert cost.macs == 12 * layer + 144 * 768 * 3 * 32**2 + 768**2
