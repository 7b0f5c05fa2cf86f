"""Number formats of weights in files: what is rounded, what is kept, and what is refused."""

import pytest
import torch

from laconvnet.models.storage import as_computed, as_stored

INF, NAN = float("inf"), float("nan")


def weights():
    return {
        "matrix": torch.randn(4, 3, 5, 5),
        "rows": torch.randn(6, 8),
        "narrow": torch.randn(6, 7),
        "bias": torch.randn(40),
        "number": torch.tensor(0.5),
        "count": torch.tensor(3),
    }


def test_no_format_changes_nothing():
    given = weights()
    assert as_stored(given, None) is given
    back = as_computed(given)
    assert back.keys() == given.keys() and all(torch.equal(back[name], value) for name, value in given.items())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_floating_point_formats_leave_counters_alone(dtype):
    given = weights()
    stored = as_stored(given, dtype)
    assert {name: value.dtype for name, value in stored.items()} == dict.fromkeys(
        ("matrix", "rows", "narrow", "bias", "number"), dtype
    ) | {"count": torch.int64}
    back = as_computed(stored)
    assert back["count"].dtype == torch.int64 and int(back["count"]) == 3
    for name in ("matrix", "rows", "narrow", "bias", "number"):
        assert back[name].dtype == torch.float32
        assert torch.equal(back[name], given[name].to(dtype).float()), name


def test_eight_bits_take_the_long_rows_and_leave_the_rest_in_half_precision():
    given = weights()
    stored = as_stored(given, torch.int8)
    assert {name: value.dtype for name, value in stored.items()} == {
        "matrix": torch.int8,
        "matrix.row_scale": torch.float32,
        "rows": torch.int8,
        "rows.row_scale": torch.float32,
        "narrow": torch.float16,
        "bias": torch.float16,
        "number": torch.float16,
        "count": torch.int64,
    }
    assert stored["matrix"].shape == (4, 3, 5, 5) and stored["matrix.row_scale"].shape == (4,)
    back = as_computed(stored)
    assert back.keys() == given.keys()
    for name in ("matrix", "rows"):
        largest = given[name].flatten(1).abs().amax(1, keepdim=True)
        assert ((back[name] - given[name]).flatten(1).abs() <= largest / 253).all()
        # The largest number of a row is -127 or 127, which no other part of the range wastes.
        assert (stored[name].flatten(1).abs().amax(1) == 127).all()
        torch.testing.assert_close(back[name].flatten(1).abs().amax(1, keepdim=True), largest)


def test_rows_of_zeros_and_of_tiny_numbers_come_back():
    rows = torch.zeros(3, 8)
    rows[1] = torch.arange(8) * 1e-30
    rows[2, 0] = 1e38
    back = as_computed(as_stored({"w": rows}, torch.int8))["w"]
    assert torch.equal(back[0], rows[0])
    torch.testing.assert_close(back[1], rows[1], rtol=0, atol=7e-30 / 250)
    torch.testing.assert_close(back[2], rows[2])


def test_eight_bits_of_eight_bits_are_the_same():
    once = as_stored({"w": torch.randn(5, 9)}, torch.int8)
    twice = as_stored(as_computed(once), torch.int8)
    assert torch.equal(once["w"], twice["w"])
    torch.testing.assert_close(once["w.row_scale"], twice["w.row_scale"])


def test_what_a_format_cannot_hold_is_refused():
    with pytest.raises(ValueError, match=r"1 weights hold numbers too large for torch\.float16, such as b"):
        as_stored({"a": torch.ones(2), "b": torch.tensor([1e6])}, torch.float16)
    with pytest.raises(ValueError, match=r"1 weights hold numbers too large for torch\.int8, such as b"):
        as_stored({"a": torch.ones(2, 8), "b": torch.tensor([1e6])}, torch.int8)
    assert as_stored({"b": torch.tensor([1e6])}, torch.bfloat16)["b"].isfinite().all()
    for value in (NAN, INF):
        with pytest.raises(ValueError, match=r"1 weights are not finite, which torch\.int8 cannot hold, such as a"):
            as_stored({"a": torch.full((2, 8), value), "b": torch.ones(1)}, torch.int8)


@pytest.mark.parametrize("value", [NAN, INF, -INF])
def test_numbers_that_are_not_finite_are_refused_on_reading(value):
    with pytest.raises(ValueError, match="2 weights hold numbers that are not finite, such as a"):
        as_computed({"a": torch.tensor([1.0, value]), "b": torch.ones(1), "c": torch.full((2, 2), value).half()})
    stored = as_stored({"w": torch.ones(2, 8)}, torch.int8)
    stored["w.row_scale"][1] = value
    with pytest.raises(ValueError, match="1 weights hold numbers that are not finite, such as w"):
        as_computed(stored)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.pop("w.row_scale"), r"w is torch\.int8 of shape \(2, 8\) and has no scales of its rows"),
        (lambda s: s.update({"w.row_scale": torch.ones(3)}), r"has scales of shape \(3,\) of its rows"),
        (lambda s: s.update(w=torch.ones(2, 8)), r"w is torch\.float32 .* has scales of shape \(2,\) of its rows"),
    ],
)
def test_bytes_and_scales_belong_together(change, message):
    stored = as_stored({"w": torch.ones(2, 8)}, torch.int8)
    change(stored)
    with pytest.raises(ValueError, match=message):
        as_computed(stored)


def test_scales_of_nothing_stay_for_the_network_to_refuse():
    assert set(as_computed({"gone.row_scale": torch.ones(2)})) == {"gone.row_scale"}
