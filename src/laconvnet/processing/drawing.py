"""Pictures for people: boxes, masks and a caption on a photograph, and sheets of such pictures."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle

import numpy as np
from numpy.typing import ArrayLike
from PIL import Image, ImageDraw, ImageFont

from laconvnet.processing.pictures import to_rgb

# Bright enough to stand on a dark line, and apart from each other for most colour-blind readers.
COLOURS = ("#ff3b30", "#00d4ff", "#ffd60a", "#32e875", "#ff8cf0", "#ff9500", "#b4a0ff", "#ffffff")

_Patch = tuple[float, float, float, float]  # x0, y0, x1, y1, pixels
_INK, _PAPER, _SHEET = "#111111", "#ffffff", "#e9e9ee"
_SMALLEST = 360  # pixels; smaller pictures are enlarged, so that lines and letters have room


def annotate(
    picture: Image.Image | ArrayLike,
    boxes: Sequence[Sequence[float]] | ArrayLike = (),
    caption: str = "",
    *,
    labels: Sequence[str] = (),
    masks: Sequence[ArrayLike] = (),
    colours: Sequence[int] = (),
) -> Image.Image:
    """Draws what a sentence points at, legibly on any picture.

    Args:
        picture: a Pillow image, or uint8 (H, W, 3) RGB; pictures below 360 pixels are enlarged.
        boxes: (M, 4) half-open xyxy in the pixels of `picture`; each gets a colour and a dark edge.
        caption: written below the picture, wrapped to its width; may have several lines.
        labels: a short text for each box, such as a score; may be empty.
        masks: bool (H, W) each, laid over the picture in the colour of their number.
        colours: the number of the colour of each box; that of its own place unless given.

    Returns:
        a new RGB image; `picture` stays as it is.

    Raises:
        ValueError: labels are given but not one for each box.
    """
    image = to_rgb(picture) if isinstance(picture, Image.Image) else Image.fromarray(np.asarray(picture))
    corners = np.asarray(boxes, dtype=np.float64).reshape(-1, 4)
    if labels and len(labels) != len(corners):
        raise ValueError(f"{len(labels)} labels are given for {len(corners)} boxes")

    for mask, colour in zip(masks, cycle(COLOURS)):
        half = Image.fromarray(np.asarray(mask, dtype=np.uint8) * 128)
        image = Image.composite(Image.new("RGB", image.size, colour), image, half)
    scale = max(1.0, _SMALLEST / max(image.size))
    image = image.resize((max(1, round(image.width * scale)), max(1, round(image.height * scale))))
    canvas = Image.new("RGB", (max(image.width, _SMALLEST), image.height), _SHEET)
    left = (canvas.width - image.width) // 2
    canvas.paste(image, (left, 0))

    line = max(3, min(canvas.size) // 110)
    font = _font(max(14, canvas.width // 24))
    draw = ImageDraw.Draw(canvas)
    placed = corners * scale + (left, 0, left, 0)
    inks = [COLOURS[number % len(COLOURS)] for number in colours or range(len(placed))]
    for box, colour in zip(placed, inks, strict=True):
        _draw_box(draw, box, colour, line)
    patches: list[_Patch] = []
    for label, box, colour in zip(labels, placed, inks, strict=False):
        patches.append(_draw_label(draw, label, box, colour, font, canvas.size, patches))
    return _with_caption(canvas, caption, font) if caption else canvas


def enlarge(picture: ArrayLike, width: int) -> Image.Image:
    """Resizes uint8 (H, W, 3) RGB to a width in pixels, keeping the aspect."""
    image = Image.fromarray(np.asarray(picture))
    return image.resize((width, round(width / image.width * image.height)), Image.Resampling.BICUBIC)


def outline(picture: Image.Image, boxes: Sequence[Sequence[float]]) -> Image.Image:
    """Draws thin black frames around what is true, on a picture with answers; changes and returns it.

    Args:
        picture: RGB.
        boxes: half-open xyxy in its pixels.
    """
    draw = ImageDraw.Draw(picture)
    for x0, y0, x1, y1 in boxes:
        draw.rectangle((x0, y0, x1 - 1, y1 - 1), outline="black")
    return picture


def contact_sheet(pictures: Sequence[Image.Image], columns: int = 4, *, width: int = _SMALLEST) -> Image.Image:
    """Lays pictures out in rows.

    Args:
        pictures: at least one; each is scaled to the same width.
        columns: pictures of a row, at least 1.
        width: of one picture on the sheet, pixels.

    Raises:
        ValueError: no pictures, or no columns.
    """
    if not pictures or columns < 1:
        raise ValueError(f"a sheet needs pictures and columns, got {len(pictures)} and {columns}")
    columns = min(columns, len(pictures))
    gap = max(4, width // 30)
    cells = [picture.resize((width, max(1, picture.height * width // picture.width))) for picture in pictures]
    rows = [cells[begin : begin + columns] for begin in range(0, len(cells), columns)]
    heights = [max(cell.height for cell in row) for row in rows]
    size = (columns * (width + gap) + gap, sum(heights) + gap * (len(rows) + 1))
    sheet = Image.new("RGB", size, _SHEET)
    top = gap
    for row, height in zip(rows, heights, strict=True):
        for column, cell in enumerate(row):
            sheet.paste(cell, (gap + column * (width + gap), top))
        top += height + gap
    return sheet


def wrap(text: str, font: ImageFont.FreeTypeFont, width: float) -> list[str]:
    """Breaks a text into lines of at most `width` pixels, at spaces, and within words that are longer."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if font.getlength(longer) <= width:
            lines[-1] = longer
            continue
        if lines[-1]:
            lines.append("")
        for letter in word:
            if lines[-1] and font.getlength(lines[-1] + letter) > width:
                lines.append("")
            lines[-1] += letter
    return lines


def _font(size: int) -> ImageFont.FreeTypeFont:
    font = ImageFont.load_default(size)
    if not isinstance(font, ImageFont.FreeTypeFont):
        raise RuntimeError("this Pillow has no FreeType, so it cannot write text of a given size")
    return font


def _draw_box(draw: ImageDraw.ImageDraw, box: ArrayLike, colour: str, line: int) -> None:
    """Draws a coloured frame between two dark ones, inside the picture's edge."""
    x0, y0, x1, y1 = (round(float(value)) for value in np.asarray(box))
    # Half-open corners: the last pixel of the box is one before its end.
    x1, y1 = max(x0, x1 - 1), max(y0, y1 - 1)
    draw.rectangle((x0, y0, x1, y1), outline=_INK, width=line + 2)
    inner = (x0 + 1, y0 + 1, max(x0 + 1, x1 - 1), max(y0 + 1, y1 - 1))
    draw.rectangle(inner, outline=colour, width=line)


def _draw_label(
    draw: ImageDraw.ImageDraw,
    label: str,
    box: ArrayLike,
    colour: str,
    font: ImageFont.FreeTypeFont,
    size: tuple[int, int],
    taken: Sequence[_Patch],
) -> _Patch:
    """Writes a label on a patch of the box's colour at its upper left corner, inside the picture.

    A text that is wider than the picture is wrapped. Where the patch would cover others it moves down below them, if
    there is room.
    """
    label = "\n".join(wrap(label, font, size[0] - 10))
    left, top, right, bottom = draw.textbbox((0, 0), label, font=font)
    width, height = right - left + 8, bottom - top + 8
    x, y = np.asarray(box)[:2]
    x, start = max(0, min(x, size[0] - width)), max(0, min(y, size[1] - height))
    beside = [patch for patch in taken if patch[0] <= x + width and x <= patch[2]]
    y = start
    for _, above, _, below in sorted(beside, key=lambda patch: patch[1]):
        if above <= y + height and y <= below:
            y = below + 1
    if y + height > size[1]:
        y = start
    draw.rectangle((x, y, x + width, y + height), fill=colour, outline=_INK)
    draw.text((x + 4 - left, y + 4 - top), label, font=font, fill=_INK)
    return x, y, x + width, y + height


def _with_caption(picture: Image.Image, caption: str, font: ImageFont.FreeTypeFont) -> Image.Image:
    """Adds a white strip with the caption below a picture."""
    margin = max(6, picture.width // 50)
    lines = [line for part in caption.splitlines() for line in wrap(part, font, picture.width - 2 * margin)]
    ascent, descent = font.getmetrics()
    step = round((ascent + descent) * 1.15)
    page = Image.new("RGB", (picture.width, picture.height + step * len(lines) + 2 * margin), _PAPER)
    page.paste(picture, (0, 0))
    draw = ImageDraw.Draw(page)
    for number, line in enumerate(lines):
        draw.text((margin, picture.height + margin + number * step), line, font=font, fill=_INK)
    return page
