"""The parameter generator: which pixels form a token, which words count."""

import pytest
import torch
from torch.nn.functional import pixel_shuffle, pixel_unshuffle, scaled_dot_product_attention

from laconvnet.layers import ParameterGenerator, sine_position

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
    assert layer(x, layer.read(text, mask)).shape == (N, 16, 8, 12)
    assert layer.attention(x, layer.read(text, mask)).shape == (N, 4, L, 8 * 12 // packing**2)


def test_attention_sums_to_one_over_words_and_ignores_padding_exactly():
    layer = generator()
    attention = layer.attention(torch.randn(N, 8, 4, 4), layer.read(*sentence()))
    torch.testing.assert_close(attention.sum(2), torch.ones(N, 4, 4))
    assert (attention[1, :, 3:] == 0).all() and (attention[1, :, :3] > 0).all()


def test_what_stands_at_padding_changes_nothing():
    layer, x = generator(), torch.randn(N, 8, 4, 4)
    text, mask = sentence()
    other = text.masked_fill(mask[..., None], 1e4)
    assert torch.equal(layer(x, layer.read(text, mask)), layer(x, layer.read(other, mask)))


def test_a_packed_token_reaches_its_own_square_only():
    """Without position code, changing one pixel changes the condition in its packing square alone."""
    layer, x = generator(packing=2, position="none"), torch.randn(1, 8, 6, 6)
    text, mask = sentence()
    changed = x.clone()
    changed[0, :, 3, 4] += 1.0
    difference = layer(changed, layer.read(text[:1], mask[:1])) - layer(x, layer.read(text[:1], mask[:1]))
    where = difference[0].abs().sum(0).nonzero().tolist()
    assert where and all(row in (2, 3) and column in (4, 5) for row, column in where)


def test_position_code_tells_equal_pixels_apart():
    text, mask = sentence()
    x = torch.ones(N, 8, 8, 8)
    layer = generator(position="none")
    attention = layer.attention(x, layer.read(text, mask))
    assert torch.allclose(attention, attention[..., :1])
    layer = generator(position="sine")
    attention = layer.attention(x, layer.read(text, mask))
    assert not torch.allclose(attention, attention[..., :1], atol=1e-4)


def test_a_sentence_of_padding_alone_stays_finite():
    text, _ = sentence()
    layer = generator()
    memory = layer.read(text, torch.ones(N, L, dtype=torch.bool))
    assert layer(torch.randn(N, 8, 4, 4), memory).isfinite().all()


@pytest.mark.parametrize("packing", [1, 2])
def test_equations_3_and_4_written_out(packing):
    """With the layers as they are named: pixels packed, positions attend to words, pixels unpacked."""
    layer, x = generator(packing=packing), torch.randn(N, 8, 4, 6)
    text, mask = sentence()
    code = sine_position(8, 4, 6)
    query = layer.query(pixel_unshuffle(x + code, packing)).flatten(2).transpose(1, 2)
    heads = [t.unflatten(2, (4, -1)).transpose(1, 2) for t in (query, layer.key(text), layer.value(text))]
    read = scaled_dot_product_attention(*heads, attn_mask=~mask[:, None, None])
    read = read.transpose(1, 2).flatten(2).transpose(1, 2).unflatten(2, (4 // packing, 6 // packing))
    expected = layer.norm(pixel_shuffle(layer.merge(read).relu(), packing)).relu()
    torch.testing.assert_close(layer(x, layer.read(text, mask)), expected)


def test_the_position_code_is_kept_for_maps_of_one_size_and_usable_in_training():
    layer, memory = generator(), generator().read(*sentence())
    with torch.inference_mode():
        layer(torch.randn(N, 8, 4, 4), memory)
    code = layer._code
    layer(torch.randn(N, 8, 4, 4, requires_grad=True), memory).sum().backward()
    assert layer._code is code
    layer(torch.randn(N, 8, 8, 4), memory)
    assert layer._code.shape == (1, 8, 8, 4)


def test_heads_must_divide_the_condition():
    with pytest.raises(ValueError, match="condition_dim 18 is not a multiple of num_heads 4"):
        ParameterGenerator(8, D, 18, num_heads=4)
