"""LaConv: kernels from the sentence, one per group and position."""

import pytest
import torch

from laconvnet.layers import LaConv, LanguageConv
from laconvnet.ops import dynamic_conv2d


def sentence(batch=2, words=4, dim=12):
    return torch.randn(batch, words, dim), torch.zeros(batch, words, dtype=torch.bool)


def test_is_the_operator_on_the_generated_kernels():
    layer = LaConv(8, 12, kernel_size=5, groups=4, packing=2, condition_dim=16).eval()
    x, (text, mask) = torch.randn(2, 8, 6, 6), sentence()
    kernels = layer.kernels(x, layer.read(text, mask))
    assert kernels.shape == (2, 4, 25, 6, 6)
    torch.testing.assert_close(layer(x, layer.read(text, mask)), dynamic_conv2d(x, kernels))


def test_group_layout_is_passed_on():
    x, (text, mask) = torch.randn(2, 8, 6, 6), sentence()
    torch.manual_seed(0)
    one = LaConv(8, 12, kernel_size=3, groups=4, num_heads=4).eval()
    torch.manual_seed(0)
    other = LaConv(8, 12, kernel_size=3, groups=4, num_heads=4, group_layout="contiguous").eval()
    assert not torch.allclose(one(x, one.read(text, mask)), other(x, other.read(text, mask)))


def test_the_sentence_changes_the_kernels():
    layer = LaConv(8, 12, kernel_size=3, groups=4).eval()
    x, (text, mask) = torch.randn(2, 8, 6, 6), sentence()
    assert not torch.allclose(
        layer.kernels(x, layer.read(text, mask)), layer.kernels(x, layer.read(text.flip(0), mask)), atol=1e-4
    )


def test_one_sentence_serves_a_batch_of_pictures():
    layer = LaConv(8, 12, kernel_size=3, groups=4, packing=2).eval()
    x, (text, mask) = torch.randn(3, 8, 6, 6), sentence(batch=1)
    each = layer(x, layer.read(text.expand(3, -1, -1), mask.expand(3, -1)))
    torch.testing.assert_close(layer(x, layer.read(text, mask)), each)
    pooled = LanguageConv(8, 12, kernel_size=3, groups=4).eval()
    torch.testing.assert_close(pooled(x, text[:, 0]), pooled(x, text[:, 0].expand(3, -1)))


def test_an_empty_batch():
    layer = LaConv(8, 12, kernel_size=3, groups=4, packing=2).eval()
    assert layer(torch.zeros(0, 8, 6, 6), layer.read(*sentence(batch=0))).shape == (0, 8, 6, 6)


def test_kernel_dropout_acts_in_training_only():
    layer = LaConv(8, 12, kernel_size=3, groups=4, attention_dropout=0.0, kernel_dropout=0.5)
    layer.generator.norm.eval()
    x, (text, mask) = torch.randn(2, 8, 6, 6), sentence()
    assert not torch.equal(layer(x, layer.read(text, mask)), layer(x, layer.read(text, mask)))
    layer.eval()
    assert torch.equal(layer(x, layer.read(text, mask)), layer(x, layer.read(text, mask)))


def test_language_conv_uses_one_kernel_at_every_position():
    layer = LanguageConv(4, 12, kernel_size=3, groups=2).eval()
    x, pooled = torch.randn(2, 4, 7, 7), torch.randn(2, 12)
    shifted = torch.roll(x, (1, 1), (2, 3))
    inner = slice(2, -2)
    expected = torch.roll(layer(x, pooled), (1, 1), (2, 3))
    torch.testing.assert_close(layer(shifted, pooled)[..., inner, inner], expected[..., inner, inner])


@pytest.mark.parametrize(
    ("options", "message"),
    [({"kernel_size": 4}, "kernel_size is 4; allowed: odd"), ({"groups": 3}, "groups 3 does not divide dim 8")],
)
def test_bad_arguments_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        LaConv(8, 12, **options)
