"""The parameter generator: which pixels form a token, which words count."""

import pytest
import torch

from laconvnet.layers import ParameterGenerator

N, D, L = 2, 24, 5


def sentence(lengths=(5, 3)):
    text = torch.randn(N, L, D)
    mask = torch.arange(L)[None] >= torch.tensor(lengths)[:, None]
    return text, mask


def generator(**options):
    return ParameterGenerator(8, D, 16, num_heads=4, **{"packing": 2, **options}).eval()


@pytest.mark.parametrize("packing", [1, 2, 4])
def test_shapes(packing):
    layer, x = generator(packing=packing), torch.randn(N, 8, 8, 12)
    text, mask = sentence()
    assert layer(x, text, mask).shape == (N, 16, 8, 12)
    assert layer.attention(x, text, mask).shape == (N, 4, 8 * 12 // packing**2, L)


def test_attention_rows_sum_to_one_and_ignore_padding_exactly():
    attention = generator().attention(torch.randn(N, 8, 4, 4), *sentence())
    torch.testing.assert_close(attention.sum(-1), torch.ones(N, 4, 4))
    assert (attention[1, :, :, 3:] == 0).all() and (attention[1, :, :, :3] > 0).all()


def test_what_stands_at_padding_changes_nothing():
    layer, x = generator(), torch.randn(N, 8, 4, 4)
    text, mask = sentence()
    other = text.masked_fill(mask[..., None], 1e4)
    assert torch.equal(layer(x, text, mask), layer(x, other, mask))


def test_a_packed_token_reaches_its_own_square_only():
    """Without position code, changing one pixel changes the condition in its packing square alone."""
    layer, x = generator(packing=2, position="none"), torch.randn(1, 8, 6, 6)
    text, mask = sentence()
    changed = x.clone()
    changed[0, :, 3, 4] += 1.0
    difference = layer(changed, text[:1], mask[:1]) - layer(x, text[:1], mask[:1])
    where = difference[0].abs().sum(0).nonzero().tolist()
    assert where and all(row in (2, 3) and column in (4, 5) for row, column in where)


def test_position_code_tells_equal_pixels_apart():
    text, mask = sentence()
    x = torch.ones(N, 8, 8, 8)
    rows = generator(position="none").attention(x, text, mask)
    assert torch.allclose(rows, rows[:, :, :1])
    rows = generator(position="sine").attention(x, text, mask)
    assert not torch.allclose(rows, rows[:, :, :1], atol=1e-4)


def test_a_sentence_of_padding_alone_stays_finite():
    text, _ = sentence()
    assert generator()(torch.randn(N, 8, 4, 4), text, torch.ones(N, L, dtype=torch.bool)).isfinite().all()


def test_heads_must_divide_the_condition():
    with pytest.raises(ValueError, match="condition_dim 18 is not a multiple of num_heads 4"):
        ParameterGenerator(8, D, 18, num_heads=4)
