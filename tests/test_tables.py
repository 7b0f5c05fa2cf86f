"""Tables: their alignment, their numbers, and what is left out."""

import pytest

from laconvnet.tables import markdown, number, percent, text, with_interval

ROWS = [{"name": "a", "amount": 12345, "share": "7.2 %", "gone": None}, {"name": "bcd", "amount": 0.5}]


def test_text_has_words_to_the_left_and_numbers_to_the_right():
    assert text(ROWS) == "name  amount  share\na     12,345  7.2 %\nbcd      0.5      –"


def test_markdown_says_on_which_side_a_column_stands():
    assert markdown(ROWS) == (
        "| name | amount | share |\n| --- | ---: | ---: |\n| a | 12,345 | 7.2 % |\n| bcd | 0.5 | – |"
    )


def test_columns_are_chosen_and_ordered_and_those_without_values_left_out():
    assert text(ROWS, ["amount", "gone", "nowhere", "name"]).splitlines()[0].split() == ["amount", "name"]


def test_without_rows_the_names_stand_alone():
    assert markdown([], ["a", "b"]) == "| a | b |\n| --- | --- |"
    assert text([], ["a", "b"]) == "a  b"
    assert markdown([]) == text([]) == ""


@pytest.mark.parametrize("cell", ["−3", "+2.0 %", "**12.0 % [11.0, 13.0]**", "1.25 [1, 1.5]", 7, 0.1])
def test_what_begins_as_a_number_stands_to_the_right(cell):
    assert markdown([{"x": cell}]).splitlines()[1] == "| ---: |"


@pytest.mark.parametrize(
    ("value", "written"),
    [(7, "7"), (12345, "12,345"), (6121.4, "6,121"), (999.6, "1,000"), (27.81, "27.8"), (0.0042, "0.0042")],
)
def test_numbers_are_short(value, written):
    assert number(value) == written


def test_shares_are_percent_and_missing_ones_a_dash():
    assert percent(0.1234) == "12.3 %" and percent(1.0) == "100.0 %"
    assert percent(None) == percent(float("nan")) == with_interval(None, (None, None)) == "–"
    assert with_interval(0.5, (0.25, None)) == "50.0 % [25.0, –]"
