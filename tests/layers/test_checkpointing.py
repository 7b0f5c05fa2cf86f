"""Gradient checkpointing: the same gradients and state from less that is kept."""

from contextlib import suppress

import pytest
import torch
from torch import nn
from torch.autograd.graph import saved_tensors_hooks

from laconvnet.layers import LaConv, LaConvBlock, LanguageConv, Sentence
from laconvnet.layers.checkpointing import checkpointed, hold_statistics

WORDS = torch.randn(2, 4, 12, generator=torch.Generator().manual_seed(1))
SENTENCE = Sentence(WORDS, torch.zeros(2, 4, dtype=torch.bool), WORDS.mean(1))


def run(conv, grad_checkpointing):
    """Gradients, state and kept bytes of a training step of a block that drops weights and kernels."""
    torch.manual_seed(0)
    block = LaConvBlock(conv(8, 12, kernel_size=3, groups=4), 8)
    block.grad_checkpointing = grad_checkpointing
    x = torch.randn(2, 8, 16, 16, requires_grad=True)
    kept = {}
    with saved_tensors_hooks(lambda t: (kept.update({t.untyped_storage().data_ptr(): t.nbytes}), t)[1], lambda t: t):
        out = block(x, block.read(SENTENCE))
    out.square().sum().backward()
    following = torch.rand(())
    gradients = {"x": x.grad, **{name: parameter.grad for name, parameter in block.named_parameters()}}
    return gradients, {**block.state_dict(), "following": following}, sum(kept.values())


@pytest.mark.parametrize("conv", [LaConv, LanguageConv])
def test_the_same_gradients_and_state_from_less_memory(conv):
    gradients, state, kept = run(conv, False)
    others, other_state, less = run(conv, True)
    torch.testing.assert_close(others, gradients)
    # Not counted twice, and the next random numbers are those of a plain step.
    torch.testing.assert_close(other_state, state, rtol=0, atol=0)
    assert less < 0.6 * kept


def test_nothing_is_kept_where_nothing_will_be_differentiated():
    block = LaConvBlock(LaConv(8, 12, kernel_size=3, groups=4), 8)
    block.grad_checkpointing = True
    with torch.no_grad():
        assert not block(torch.randn(2, 8, 4, 4), block.read(SENTENCE)).requires_grad


def test_held_statistics_count_again_after_an_error():
    norms = nn.Sequential(nn.BatchNorm2d(2), nn.BatchNorm2d(2, track_running_stats=False))
    before = {name: value.clone() for name, value in norms.state_dict().items()}
    with suppress(ZeroDivisionError), hold_statistics(norms):
        norms(torch.randn(2, 2, 3, 3))
        raise ZeroDivisionError
    torch.testing.assert_close(dict(norms.state_dict()), before, rtol=0, atol=0)
    norms(torch.randn(2, 2, 3, 3))
    assert norms[0].num_batches_tracked == 1


def test_the_second_call_ends_at_the_last_step_that_is_needed():
    calls = []

    def function(x):
        y = x.exp()
        calls.append(y)
        return y.sin()

    owner, x = nn.Identity(), torch.ones(3, requires_grad=True)
    owner.grad_checkpointing = True
    checkpointed(owner, function, x).sum().backward()
    assert len(calls) == 2
    torch.testing.assert_close(x.grad, x.detach().exp().cos() * x.detach().exp())
