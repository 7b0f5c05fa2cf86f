"""Reading pictures of every kind."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from laconvnet.processing import ImageError, image_size, picture_format, read_image, save_picture, to_rgb

CORNERS = np.array(
    [[[255, 0, 0], [0, 255, 0], [0, 0, 255]], [[0, 0, 0], [128, 128, 128], [255, 255, 255]]], dtype=np.uint8
)


def test_rgb_is_read_as_it_is(tmp_path: Path) -> None:
    Image.fromarray(CORNERS).save(tmp_path / "a.png")
    image = read_image(tmp_path / "a.png")
    assert image.dtype == np.uint8
    np.testing.assert_array_equal(image, CORNERS)


def test_grey_is_repeated(tmp_path: Path) -> None:
    grey = np.arange(12, dtype=np.uint8).reshape(3, 4) * 20
    Image.fromarray(grey).save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), np.repeat(grey[:, :, None], 3, axis=2))


def test_one_bit(tmp_path: Path) -> None:
    Image.fromarray(np.array([[True, False]])).save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_image(tmp_path / "a.png")[0, :, 0], [255, 0])


@pytest.mark.parametrize("ending", ["png", "tif"])
def test_sixteen_bit_grey_is_scaled_not_cut(tmp_path: Path, ending: str) -> None:
    deep = np.array([[0, 257, 32768, 65535]], dtype=np.uint16)
    Image.fromarray(deep).save(tmp_path / f"a.{ending}")
    np.testing.assert_array_equal(read_image(tmp_path / f"a.{ending}")[0, :, 1], [0, 1, 128, 255])


def test_integer_pixels_beyond_16_bits_are_refused(tmp_path: Path) -> None:
    Image.fromarray(np.array([[0, 70000]], dtype=np.int32)).save(tmp_path / "a.tif")
    with pytest.raises(ImageError, match=r"a\.tif: pixel values of mode I must lie in 0\.\.65535, got 0\.\.70000"):
        read_image(tmp_path / "a.tif")


def test_floating_point_pixels_are_refused(tmp_path: Path) -> None:
    Image.fromarray(np.zeros((1, 2), dtype=np.float32)).save(tmp_path / "a.tif")
    with pytest.raises(ImageError, match="floating-point"):
        read_image(tmp_path / "a.tif")


def test_palette(tmp_path: Path) -> None:
    picture = Image.new("P", (2, 1))
    picture.putpalette([10, 20, 30, 40, 50, 60])
    picture.putpixel((1, 0), 1)
    picture.save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), [[[10, 20, 30], [40, 50, 60]]])


def test_transparent_pixels_lie_over_white(tmp_path: Path) -> None:
    palette = Image.new("P", (2, 1))
    palette.putpalette([10, 20, 30, 40, 50, 60])
    palette.putpixel((1, 0), 1)
    palette.save(tmp_path / "p.png", transparency=1)
    np.testing.assert_array_equal(read_image(tmp_path / "p.png"), [[[10, 20, 30], [255, 255, 255]]])
    rgba = np.array([[[200, 0, 0, 255], [200, 0, 0, 0], [0, 0, 0, 51]]], dtype=np.uint8)
    Image.fromarray(rgba).save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), [[[200, 0, 0], [255, 255, 255], [204, 204, 204]]])
    Image.fromarray(rgba).convert("LA").save(tmp_path / "la.png")
    assert read_image(tmp_path / "la.png")[0, 1].tolist() == [255, 255, 255]


def test_cmyk_jpeg(tmp_path: Path) -> None:
    Image.new("CMYK", (16, 16), (0, 255, 255, 0)).save(tmp_path / "a.jpg", quality=95)
    red, green, blue = read_image(tmp_path / "a.jpg")[8, 8]
    assert red > 245 and green < 10 and blue < 10


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(tmp_path: Path, orientation: int) -> None:
    upright = np.kron(CORNERS, np.ones((16, 16, 1), np.uint8))
    # What a camera held in this orientation stores, by the definition of the tag.
    stored = {
        1: lambda a: a,
        2: lambda a: a[:, ::-1],
        3: lambda a: a[::-1, ::-1],
        4: lambda a: a[::-1],
        5: lambda a: a.transpose(1, 0, 2),
        6: lambda a: np.rot90(a, 1),
        7: lambda a: np.rot90(a, 2).transpose(1, 0, 2),
        8: lambda a: np.rot90(a, -1),
    }[orientation](upright)
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(np.ascontiguousarray(stored)).save(tmp_path / "a.png", exif=exif)
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), upright)


def test_one_pixel(tmp_path: Path) -> None:
    Image.new("RGB", (1, 1), (1, 2, 3)).save(tmp_path / "a.png")
    assert read_image(tmp_path / "a.png", at_least=100).tolist() == [[[1, 2, 3]]]


@pytest.mark.parametrize("ending", ["jpg", "png"])
def test_a_20_megapixel_picture_is_shrunk_while_it_is_read(tmp_path: Path, ending: str) -> None:
    small = np.zeros((400, 500, 3), np.uint8)
    small[:200, 250:, 0] = 240
    Image.fromarray(small).resize((5000, 4000), Image.Resampling.NEAREST).save(
        tmp_path / f"a.{ending}", **({"compress_level": 1} if ending == "png" else {})
    )
    image = read_image(tmp_path / f"a.{ending}", at_least=448)
    assert 448 <= min(image.shape[:2]) < 2 * 448
    assert image.shape[1] / image.shape[0] == pytest.approx(1.25, abs=0.01)
    quarter = np.array(image.shape[:2]) // 4
    assert image[quarter[0], 3 * quarter[1], 0] > 230
    assert image[quarter[0], quarter[1]].max() < 10
    assert image[3 * quarter[0], 3 * quarter[1]].max() < 10


def test_missing_corrupt_and_truncated_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"nothing\.jpg: no such file"):
        read_image(tmp_path / "nothing.jpg")
    (tmp_path / "text.jpg").write_text("not a picture", encoding="utf-8")
    with pytest.raises(ImageError, match=r"cannot read picture .*text\.jpg"):
        read_image(tmp_path / "text.jpg")
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    for ending in ("jpg", "png", "gif", "webp"):
        whole, cut = tmp_path / f"whole.{ending}", tmp_path / f"cut.{ending}"
        Image.fromarray(noise).save(whole)
        cut.write_bytes(whole.read_bytes()[:1500])
        with pytest.raises(ImageError, match=rf"cannot read picture .*cut\.{ending}: "):
            read_image(cut)


def test_a_decompression_bomb_is_refused_with_advice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.new("RGB", (50, 50)).save(tmp_path / "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with pytest.raises(ImageError, match=r"a\.png: .*2500.*MAX_IMAGE_PIXELS"):
        read_image(tmp_path / "a.png")


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_size_is_that_of_the_picture_as_it_is_read(tmp_path: Path, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.new("RGB", (30, 20)).save(tmp_path / "a.png", exif=exif)
    height, width, _ = read_image(tmp_path / "a.png").shape
    assert image_size(tmp_path / "a.png") == (width, height) == ((20, 30) if orientation >= 5 else (30, 20))
    with pytest.raises(ImageError, match=r"nothing\.png: no such file"):
        image_size(tmp_path / "nothing.png")


@pytest.mark.parametrize(
    ("name", "expected"), [("a.png", "PNG"), ("a.JPG", "JPEG"), ("b/c.jpeg", "JPEG"), ("a.webp", "WEBP")]
)
def test_an_ending_says_the_format(tmp_path: Path, name: str, expected: str) -> None:
    assert picture_format(name) == expected
    path = tmp_path / "new" / name
    save_picture(Image.new("RGB", (8, 6), "red"), path)
    with Image.open(path) as picture:
        assert picture.format == expected and picture.size == (8, 6)
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("name", ["a.txt", "a", "a.json"])
def test_other_endings_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match=r"needs the ending of a picture, such as \.png or \.jpg, got "):
        save_picture(Image.new("RGB", (8, 6)), tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_a_failed_write_leaves_the_previous_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.png"
    save_picture(Image.new("RGB", (8, 6), "red"), path)
    before = path.read_bytes()

    def full(self: object, target: Path, **_options: object) -> None:
        Path(target).write_bytes(b"\x89PNG half of it")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("PIL.Image.Image.save", full)
    with pytest.raises(OSError, match="No space left"):
        save_picture(Image.new("RGB", (8, 6), "blue"), path)
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]


def test_a_picture_that_is_rgb_is_not_copied() -> None:
    picture = Image.new("RGB", (3, 2))
    assert to_rgb(picture) is picture and to_rgb(picture.convert("L")).mode == "RGB"
