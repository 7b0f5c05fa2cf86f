"""Pictures for people."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageColor, ImageFont

from laconvnet.processing.drawing import COLOURS, annotate, contact_sheet, wrap

LONG = "the tall man in the red jacket who stands left of the yellow bus near the fountain and waves"


@pytest.mark.parametrize("background", [0, 127, 255])
def test_a_box_is_seen_on_any_picture_and_lies_where_it_should(background: int) -> None:
    picture = np.full((400, 500, 3), background, np.uint8)
    drawn = np.asarray(annotate(picture, [[100, 50, 300, 200]])).astype(int)
    assert drawn.shape == picture.shape
    changed = np.abs(drawn - background).max(axis=2) > 60
    rows, columns = np.nonzero(changed)
    assert np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]) == pytest.approx(
        [100, 50, 300, 200], abs=1
    )
    assert not changed[80:170, 130:270].any()
    assert (drawn == ImageColor.getrgb(COLOURS[0])).all(axis=2).any()
    assert (picture == background).all()


def test_small_pictures_are_enlarged_with_their_boxes() -> None:
    drawn = annotate(np.zeros((18, 36, 3), np.uint8), [[18, 9, 36, 18]])
    assert drawn.size == (360, 180)
    rows, columns = np.nonzero(np.asarray(drawn).max(axis=2) > 100)
    assert columns.min() == pytest.approx(181, abs=2) and rows.min() == pytest.approx(91, abs=2)


@pytest.mark.parametrize("size", [(1, 1), (1, 900), (900, 1), (5000, 4000)])
def test_any_size_can_be_drawn_on(size: tuple[int, int]) -> None:
    width, height = size
    drawn = annotate(Image.new("RGB", size), [[0, 0, width, height]], LONG, labels=["0.87"])
    assert drawn.width >= 360 and drawn.height > 20


def test_boxes_may_share_a_colour() -> None:
    black = np.zeros((400, 400, 3), np.uint8)
    boxes = [[10, 10, 100, 100], [200, 10, 300, 100], [10, 200, 100, 300]]

    def colours_of(drawn: Image.Image) -> list[set[str]]:
        return [
            {name for name in COLOURS if (np.asarray(drawn.crop(tuple(box))) == ImageColor.getrgb(name)).all(2).any()}
            for box in boxes
        ]

    assert colours_of(annotate(black, boxes)) == [{COLOURS[0]}, {COLOURS[1]}, {COLOURS[2]}]
    shared = annotate(black, boxes, colours=[1, 1, len(COLOURS)])
    assert colours_of(shared) == [{COLOURS[1]}, {COLOURS[1]}, {COLOURS[0]}]


def test_a_label_that_is_wider_than_the_picture_is_wrapped() -> None:
    black = Image.new("RGB", (400, 300))
    patch = np.all(np.asarray(annotate(black, [[0, 0, 400, 300]], labels=[LONG])) == ImageColor.getrgb(COLOURS[0]), 2)
    short = np.all(np.asarray(annotate(black, [[0, 0, 400, 300]], labels=["a"])) == ImageColor.getrgb(COLOURS[0]), 2)
    assert patch[:, 8:392].any(1).sum() > short[:, 8:392].any(1).sum() + 20
    assert not patch[100:250, 20:380].any()


def test_a_caption_stands_below_and_needs_more_lines_when_long() -> None:
    picture = Image.new("RGB", (400, 300), "navy")
    short, long = annotate(picture, caption="a dog"), annotate(picture, caption=LONG)
    assert picture.size == (400, 300) == short.crop((0, 0, 400, 300)).size
    assert 320 < short.height < long.height
    assert short.crop((0, 0, 400, 300)).tobytes() == picture.tobytes()
    strip = np.asarray(short.crop((0, 300, 400, short.height)).convert("L"))
    assert strip.min() < 60 and (strip[:, -40:] == 255).all() and (strip[0] == 255).all()


def test_wrapping_keeps_every_letter_within_the_width() -> None:
    font = ImageFont.load_default(20)
    assert isinstance(font, ImageFont.FreeTypeFont)
    text = "a dog Donaudampfschifffahrtsgesellschaft runs"
    lines = wrap(text, font, 120)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")
    assert len(lines) > 3 and all(font.getlength(line) <= 120 for line in lines)
    assert wrap("a dog", font, 500) == ["a dog"]


def test_masks_colour_their_pixels_only() -> None:
    mask = np.zeros((400, 400), bool)
    mask[100:200, 100:200] = True
    drawn = np.asarray(annotate(np.full((400, 400, 3), 50, np.uint8), masks=[mask]))
    assert ((drawn != 50).any(axis=2) == mask).all()


def test_labels_of_boxes_that_begin_together_stand_below_each_other() -> None:
    def colours(boxes: list[list[int]], height: int) -> list[bool]:
        drawn = annotate(Image.new("RGB", (400, height)), boxes, labels=["two dogs", "a dog", "a cat"][: len(boxes)])
        pixels = np.asarray(drawn)
        return [
            bool(((pixels == ImageColor.getrgb(colour)).all(axis=2)).sum() > 400)  # more than a box's edge
            for colour in COLOURS[: len(boxes)]
        ]

    assert colours([[20, 20, 60, 40], [22, 24, 60, 40], [21, 22, 60, 40]], 300) == [True, True, True]
    assert colours([[20, 2, 60, 20], [22, 4, 60, 20]], 30)[1], "without room the last one wins"


def test_other_modes_and_wrong_labels() -> None:
    assert annotate(Image.new("L", (400, 400))).mode == "RGB"
    with pytest.raises(ValueError, match="2 labels are given for 1 boxes"):
        annotate(Image.new("RGB", (4, 4)), [[0, 0, 2, 2]], labels=["a", "b"])


def test_a_contact_sheet_places_pictures_row_by_row() -> None:
    pictures = [Image.new("RGB", (60 + i, 40), (40 * i, 0, 0)) for i in range(5)]
    sheet = contact_sheet(pictures, 2, width=60)
    found = [sheet.getpixel((4 + 64 * (i % 2) + 30, 4 + 43 * (i // 2) + 15)) for i in range(5)]
    assert found == [(40 * i, 0, 0) for i in range(5)]
    assert contact_sheet(pictures[:1], 9, width=60).width == 60 + 2 * 4
    for wrong in (([], 2), (pictures, 0)):
        with pytest.raises(ValueError, match="needs pictures and columns"):
            contact_sheet(*wrong)
