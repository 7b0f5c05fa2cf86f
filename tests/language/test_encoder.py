"""The text encoder: padding is exact, the norm is the authors'."""

import pytest
import torch

from laconvnet.language.encoder import AttentivePooling, TextEncoder, UnbiasedLayerNorm


def encoder(rnn="gru"):
    return TextEncoder(50, embed_dim=10, dim=16, rnn=rnn, num_heads=4, hidden_dim=32).eval()


@pytest.mark.parametrize("rnn", ["gru", "lstm"])
def test_more_padding_changes_nothing(rnn):
    model, tokens = encoder(rnn), torch.tensor([[3, 7, 4], [9, 2, 0]])
    padded = torch.nn.functional.pad(tokens, (0, 6))
    words, mask, pooled = model(tokens)
    longer, longer_mask, same = model(padded)
    torch.testing.assert_close(longer[:, :3][~mask], words[~mask], rtol=0, atol=1e-6)
    torch.testing.assert_close(same, pooled, rtol=0, atol=1e-6)
    assert longer_mask.tolist() == [[False] * 3 + [True] * 6, [False] * 2 + [True] * 7]


def test_words_and_their_order_matter():
    model = encoder()
    pooled = model(torch.tensor([[3, 7, 4], [4, 7, 3], [3, 7, 5]]))[2]
    assert torch.cdist(pooled, pooled).add(torch.eye(3)).min() > 1e-3


def test_unbiased_layer_norm_by_hand():
    norm = UnbiasedLayerNorm(4)
    x = torch.tensor([[1.0, 2.0, 3.0, 6.0]])
    deviation = ((4 + 1 + 0 + 9) / 3) ** 0.5
    expected = (x - 3) / (deviation + 1e-6)
    torch.testing.assert_close(norm(x), expected)


def test_pooling_is_a_weighted_mean_of_the_words():
    pooling = AttentivePooling(6, hidden_dim=4, out_dim=6, dropout=0.0)
    with torch.no_grad():
        pooling.merge.weight.copy_(torch.eye(6))
        pooling.merge.bias.zero_()
    x = torch.randn(1, 1, 6).expand(1, 5, 6)
    mask = torch.tensor([[False, False, True, True, True]])
    torch.testing.assert_close(pooling(x, mask), x[:, 0])


def test_heads_must_divide_the_width():
    with pytest.raises(ValueError, match="dim 16 is not a multiple of num_heads 3"):
        TextEncoder(50, dim=16, num_heads=3)
