"""Flickr30k Entities, from its official layout."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from laconvnet.data import DatasetInfo, FolderDataset, read_records
from laconvnet.data.folder.validate import validate
from laconvnet.data.readers import convert
from laconvnet.data.readers.flickr30k import open_flickr30k

XML = """<annotation>
  <filename>101.jpg</filename>
  <size><width>100</width><height>50</height><depth>3</depth></size>
  <object><name>7</name>
    <bndbox><xmin>1</xmin><ymin>1</ymin><xmax>100</xmax><ymax>50</ymax></bndbox></object>
  <object><name>8</name><name>9</name>
    <bndbox><xmin>11</xmin><ymin>21</ymin><xmax>20</xmax><ymax>30</ymax></bndbox></object>
  <object><name>8</name>
    <bndbox><xmin>31</xmin><ymin>21</ymin><xmax>120</xmax><ymax>30</ymax></bndbox></object>
  <object><name>10</name><scene>1</scene><nobndbox>0</nobndbox></object>
  <object><name>11</name><scene>0</scene><nobndbox>1</nobndbox></object>
</annotation>
"""
SENTENCES = """[/EN#7/people A child] of [/EN#8/clothing/people two left men] on [/EN#10/scene a hill] .
[/EN#0/notvisual It] has [/EN#9/other a ball] , [/EN#11/other air] and [/EN#12/other a thing] .
Nothing here .
[/EN#7/people ...] or [/EN#7/people the "boy"] .
"""


def write_tree(root: Path, folder: str = "images", images: tuple[str, ...] = ("101",)) -> Path:
    for name in ("Annotations", "Sentences", folder):
        (root / name).mkdir(parents=True)
    for image in images:
        (root / "Annotations" / f"{image}.xml").write_text(XML, encoding="utf-8")
        (root / "Sentences" / f"{image}.txt").write_text(SENTENCES, encoding="utf-8")
        Image.new("RGB", (20, 20)).save(root / folder / f"{image}.jpg")
    (root / "val.txt").write_text("\n".join(images) + "\n", encoding="utf-8")
    return root


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return write_tree(tmp_path / "flickr")


def test_phrases_become_records(tree: Path, tmp_path: Path) -> None:
    conversion = convert(open_flickr30k(tree), tmp_path / "out", progress=False)
    found = [(r.id, r.text, r.group, r.boxes) for r in read_records(tmp_path / "out" / "val.jsonl")]
    # The corners of the XML are counted from 1 and inclusive; those beyond the picture are clipped.
    child, ball, rest = (0.0, 0.0, 100.0, 50.0), (10.0, 20.0, 20.0, 30.0), (30.0, 20.0, 100.0, 30.0)
    assert found == [
        ("101_0_0", "A child", "people", (child,)),
        ("101_0_1", "two left men", "clothing", (ball, rest)),
        ("101_1_1", "a ball", "other", (ball,)),
        ("101_3_1", 'the "boy"', "people", (child,)),
    ]
    assert conversion.records == {"val": 4} and conversion.images == {"val": 1}
    assert conversion.skipped == {"not visual": 1, "without a box": 3, "without a word": 1}
    assert str(conversion).splitlines()[0] == "val: 4 records of 1 images"
    assert DatasetInfo.load(tmp_path / "out").name == "Flickr30k Entities"
    assert validate(tmp_path / "out").problems == []


def test_the_result_can_be_loaded(tree: Path, tmp_path: Path) -> None:
    convert(open_flickr30k(tree), tmp_path / "out", link="symlink", progress=False)
    example = FolderDataset(tmp_path / "out", "val", size=64, resize="stretch")[1]
    assert example.record.width == 100
    assert example.sample.boxes[0].tolist() == pytest.approx([6.4, 25.6, 12.8, 38.4])


@pytest.mark.parametrize("folder", ["flickr30k_images", "flickr30k-images"])
def test_other_names_of_the_photograph_folder(tmp_path: Path, folder: str) -> None:
    tree = write_tree(tmp_path / "flickr", folder, ("101", "102"))
    (tree / "test.txt").write_text("102", encoding="utf-8")
    (tree / "val.txt").write_text("101", encoding="utf-8")
    conversion = convert(open_flickr30k(tree), tmp_path / "out", progress=False)
    assert conversion.records == {"val": 4, "test": 4}
    assert sorted(path.name for path in (tmp_path / "out" / "images").iterdir()) == ["101.jpg", "102.jpg"]


def test_missing_parts_are_named_with_the_layout(tree: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with pytest.raises(FileNotFoundError, match=r"lacks Annotations, Sentences, images .*, train\.txt") as error:
        open_flickr30k(tmp_path / "nowhere")
    assert "Sentences/<id>.txt" in str(error.value)
    for part in ("Sentences/101.txt", "images/101.jpg", "Annotations/101.xml"):
        (tree / part).unlink()
        with pytest.raises(FileNotFoundError, match=rf"{part} is missing; expected layout"):
            convert(open_flickr30k(tree), out, progress=False)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["flickr"]


@pytest.mark.parametrize(
    ("part", "text", "message"),
    [
        ("Annotations/101.xml", "<annotation>", r"101\.xml: not an annotation of Flickr30k Entities: "),
        ("Annotations/101.xml", "<annotation/>", r"no <size/width> in <annotation>"),
        ("Annotations/101.xml", XML.replace("<xmin>11<", "<xmin>many<"), r"101\.xml: .*'many'"),
        ("Sentences/101.txt", "a dog .\n[/EN#7/people A child", r"101\.txt:2: 1 phrases are opened but 0 "),
    ],
)
def test_broken_files_are_named(tree: Path, tmp_path: Path, part: str, text: str, message: str) -> None:
    (tree / part).write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=message):
        convert(open_flickr30k(tree), tmp_path / "out", progress=False)
    assert not (tmp_path / "out").exists()


def test_the_validation_part_of_the_real_data(real_data: object, tmp_path: Path) -> None:
    source = real_data("flickr30k_entities")  # type: ignore[operator]
    tree = tmp_path / "flickr"
    tree.mkdir()
    for name in ("Annotations", "Sentences", "images", "val.txt"):
        (tree / name).symlink_to(source / name)
    conversion = convert(open_flickr30k(tree), tmp_path / "out", link="symlink", progress=False)
    assert conversion.records == {"val": 3239} and conversion.images == {"val": 247}
    assert len(read_records(tmp_path / "out" / "val.jsonl")) == 3239
