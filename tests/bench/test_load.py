"""What networks are given."""

import pytest
import torch

from laconvnet.bench.load import Load


@pytest.mark.parametrize(
    ("settings", "message"),
    [({"size": 100}, "multiple of 32, got 100"), ({"dtype": "int8"}, "got 'int8'"), ({"batch": 0}, "got 0 and 15")],
)
def test_impossible_loads_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        Load(**settings)


def test_inputs_are_always_the_same():
    load = Load(size=32, batch=2, words=3)
    images, tokens = load.inputs(50)
    assert images.shape == (2, 3, 32, 32) and tokens.shape == (2, 3) and tokens.min() >= 1
    assert all(map(torch.equal, (images, tokens), load.inputs(50)))
