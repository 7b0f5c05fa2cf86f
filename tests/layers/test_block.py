"""LaConvBlock against Eq. 5 written out."""

import pytest
import torch
from torch.nn.functional import silu

from laconvnet.layers import LaConv, LaConvBlock, LanguageConv, Sentence


def test_equation_5():
    block = LaConvBlock(LaConv(8, 12, kernel_size=3, groups=4), 8).eval()
    words, mask = torch.randn(2, 4, 12), torch.zeros(2, 4, dtype=torch.bool)
    x = torch.randn(2, 8, 6, 6)
    guided = silu(x + block.norm(block.conv(x, block.conv.read(words, mask))))
    expected = silu(guided + block.mlp(guided))
    assert torch.equal(block(x, block.read(Sentence(words, mask))), expected)


def test_a_block_on_the_pooled_sentence_needs_one():
    block = LaConvBlock(LanguageConv(8, 12, kernel_size=3, groups=4), 8).eval()
    words, mask = torch.randn(2, 4, 12), torch.zeros(2, 4, dtype=torch.bool)
    x = torch.randn(2, 8, 6, 6)
    assert block(x, block.read(Sentence(words, mask, words.mean(1)))).shape == x.shape
    with pytest.raises(ValueError, match="encoder that pools"):
        block.read(Sentence(words, mask))
