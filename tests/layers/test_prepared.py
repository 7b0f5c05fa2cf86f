"""Layers made ready for predicting answer as those they are made from."""

import pytest
import torch
from torch import nn

from laconvnet.layers import LaConv, LaConvBlock, LanguageConv, PointwiseSiLU, PreparedBlock, Sentence

WORDS = torch.randn(2, 4, 12, generator=torch.Generator().manual_seed(1))
MASK = torch.tensor([[False] * 4, [False, False, True, True]])
SENTENCE = Sentence(WORDS, MASK, WORDS.mean(1))


def learned(module):
    """With norms that have seen something, some of them falling, and biases."""
    torch.manual_seed(0)
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            nn.init.uniform_(part.weight, -0.5, 1.5)
            nn.init.uniform_(part.bias, -0.5, 0.5)
            nn.init.uniform_(part.running_mean, -0.5, 0.5)
            nn.init.uniform_(part.running_var, 0.5, 2)
        elif isinstance(part, nn.Conv2d | nn.Linear) and part.bias is not None:
            nn.init.uniform_(part.bias, -0.5, 0.5)
    return module.eval()


def prepare(conv):
    block = learned(LaConvBlock(conv, 8))
    return block, PreparedBlock(block).eval()


@pytest.mark.parametrize("packing", [1, 2, 4])
@pytest.mark.parametrize("position", ["sine", "sine_normalized", "none"])
@torch.no_grad()
def test_a_block(packing, position):
    block, prepared = prepare(
        LaConv(8, 12, kernel_size=3, groups=4, packing=packing, position=position, condition_dim=24)
    )
    memory, own = block.read(SENTENCE), prepared.read(SENTENCE)
    # Another size of the same area too: what is kept of positions must not be taken for it.
    for size in [(8, 16), (16, 8), (8, 8)]:
        x = torch.randn(2, 8, *size)
        torch.testing.assert_close(prepared(x.clone(), own), block(x, memory), rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_the_input_stays_as_it_is():
    _, prepared = prepare(LaConv(8, 12, kernel_size=3, groups=4))
    x = torch.randn(2, 8, 6, 6)
    before = x.clone()
    prepared(x, prepared.read(SENTENCE))
    assert torch.equal(x, before)


@torch.no_grad()
def test_one_sentence_for_all_pictures_and_no_picture():
    block, prepared = prepare(LaConv(8, 12, kernel_size=3, groups=4, packing=2))
    one = Sentence(WORDS[:1], MASK[:1])
    x = torch.randn(3, 8, 6, 6)
    torch.testing.assert_close(prepared(x, prepared.read(one)), block(x, block.read(one)), rtol=1e-4, atol=1e-5)
    assert prepared(x[:0], prepared.read(one)).shape == (0, 8, 6, 6)


@torch.no_grad()
def test_a_block_on_the_pooled_sentence():
    block, prepared = prepare(LanguageConv(8, 12, kernel_size=3, groups=4))
    x = torch.randn(2, 8, 6, 6)
    expected = block(x, block.read(SENTENCE))
    torch.testing.assert_close(prepared(x, prepared.read(SENTENCE)), expected, rtol=1e-4, atol=1e-5)
    with pytest.raises(ValueError, match="encoder that pools"):
        prepared.read(Sentence(WORDS, MASK))


@pytest.mark.parametrize("bias", [True, False])
@torch.no_grad()
def test_a_pointwise_convolution(bias):
    layers = learned(nn.Sequential(nn.Conv2d(6, 10, 1, bias=bias), nn.BatchNorm2d(10)))
    x, residual = torch.randn(2, 6, 5, 7), torch.randn(2, 10, 5, 7)
    pointwise = PointwiseSiLU(*layers)
    torch.testing.assert_close(pointwise(x), nn.functional.silu(layers(x)), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(pointwise(x, residual), nn.functional.silu(layers(x) + residual), rtol=1e-4, atol=1e-5)
