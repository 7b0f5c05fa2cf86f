"""What the room offers."""

import pytest

import laconvnet.bench


@pytest.mark.parametrize("name", laconvnet.bench.__all__)
def test_public_names_load_on_first_use(name):
    assert getattr(laconvnet.bench, name).__name__ == name


def test_every_name_has_a_home():
    assert sorted(laconvnet.bench._HOMES) == laconvnet.bench.__all__ == sorted(laconvnet.bench.__all__)


def test_an_unknown_name_is_answered_with_the_known_ones():
    with pytest.raises(AttributeError, match=r"no attribute 'bench_ops'; it offers .*bench_op"):
        laconvnet.bench.bench_ops  # noqa: B018
