"""The position code, against its formula."""

import math

import pytest
import torch

from laconvnet.layers import sine_position


@pytest.mark.parametrize("normalize", [False, True])
def test_follows_the_formula(normalize):
    dim, height, width = 8, 3, 5
    code = sine_position(dim, height, width, normalize=normalize)
    assert code.shape == (1, dim, height, width)
    for channel in range(dim):
        half, index = divmod(channel, dim // 2)
        wavelength = 10000 ** (2 * (index // 2) / (dim // 2))
        wave = math.sin if index % 2 == 0 else math.cos
        for i in range(height):
            for j in range(width):
                position = (i + 1, j + 1)[half]
                if normalize:
                    position *= 2 * math.pi / (height, width)[half]
                assert code[0, channel, i, j] == pytest.approx(wave(position / wavelength), abs=1e-6)


def test_cells_differ():
    code = sine_position(16, 6, 6)[0].flatten(1)
    distance = torch.cdist(code.T, code.T) + torch.eye(36)
    assert distance.min() > 1e-3


def test_refuses_half_pairs():
    with pytest.raises(ValueError, match="dim is 6; allowed: a multiple of 4"):
        sine_position(6, 2, 2)
