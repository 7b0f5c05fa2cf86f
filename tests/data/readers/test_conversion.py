"""What all readers share: whole or nothing, going on after Ctrl-C, and errors that name the place."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from laconvnet.data import DatasetInfo, Record, SchemaError, read_records
from laconvnet.data.readers import READERS, Source, convert
from laconvnet.data.readers.conversion import Entry, Skipped, field_of, find_picture, read_json, require

INFO = DatasetInfo("n", "s", "l", ("vqa",))


class Reader:
    """Two splits of two questions each; what happens on the way can be chosen."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.read = folder, list[str]()
        self.error: BaseException | None = None
        for split in ("train", "val"):
            (folder / split).mkdir(parents=True)
            Image.new("RGB", (4, 3)).save(folder / split / "a.png")

    def source(self, published: int = 5) -> Source:
        splits = {"train": self.split("train"), "val": self.split("val")}
        return Source(self.folder, INFO, splits, {"train": published}, "questions", folder_per_split=True)

    def split(self, name: str):  # type: ignore[no-untyped-def]
        def read(skipped: Skipped) -> Iterator[Entry]:
            self.read.append(name)
            for number in range(2):
                yield Entry(self.folder / name / "a.png", Record(f"{number}", "-", 4, 3, "what?", answer="yes"))
            skipped["without an answer"] += 1
            if name == "val" and self.error is not None:
                raise self.error

        return read


@pytest.fixture
def reader(tmp_path: Path) -> Reader:
    return Reader(tmp_path / "raw")


def test_a_dataset_with_its_counts(reader: Reader, tmp_path: Path) -> None:
    conversion = convert(reader.source(), tmp_path / "out", progress=False)
    assert str(conversion).splitlines() == [
        "train: 2 records of 1 images (published: 5)",
        "val: 2 records of 1 images",
        "skipped: 2 questions, without an answer",
    ]
    assert [record.image for record in read_records(tmp_path / "out" / "val.jsonl")] == ["images/val/a.png"] * 2
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "dataset.json", "images", "train.jsonl", "val.jsonl",
    ]  # fmt: skip


def test_a_folder_of_a_picture_lies_below_that_of_its_split(reader: Reader, tmp_path: Path) -> None:
    entry = Entry(tmp_path / "raw" / "val" / "a.png", Record("0", "-", 4, 3, "what?", answer="yes"), "far/away")
    for folder_per_split, image in ((True, "images/val/far/away/a.png"), (False, "images/far/away/a.png")):
        source = Source(reader.folder, INFO, {"val": lambda _: iter([entry])}, folder_per_split=folder_per_split)
        out = tmp_path / str(folder_per_split)
        convert(source, out, progress=False)
        (record,) = read_records(out / "val.jsonl")
        assert record.image == image and (out / image).is_file()


def test_what_was_interrupted_goes_on(reader: Reader, tmp_path: Path) -> None:
    reader.error = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        convert(reader.source(), tmp_path / "out", progress=False)
    assert not (tmp_path / "out").exists()
    reader.error = None
    conversion = convert(reader.source(), tmp_path / "out", progress=False)
    assert reader.read == ["train", "val", "val"]
    assert conversion.records == {"train": 2, "val": 2} and conversion.skipped == {"without an answer": 2}
    assert not (tmp_path / "out" / "unfinished.json").exists() and not (tmp_path / "out.partial").exists()


def test_with_other_arguments_it_starts_anew(reader: Reader, tmp_path: Path) -> None:
    reader.error = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        convert(reader.source(), tmp_path / "out", progress=False)
    reader.error = None
    convert(reader.source(), tmp_path / "out", link="symlink", progress=False)
    assert reader.read == ["train", "val", "train", "val"]
    assert (tmp_path / "out" / "images" / "train" / "a.png").is_symlink()


def test_a_failure_leaves_nothing(reader: Reader, tmp_path: Path) -> None:
    reader.error = ValueError("broken")
    with pytest.raises(ValueError, match="broken"):
        convert(reader.source(), tmp_path / "out", progress=False)
    assert [path.name for path in tmp_path.iterdir()] == ["raw"]


def test_what_was_written_is_looked_at(reader: Reader, tmp_path: Path) -> None:
    (reader.folder / "val" / "a.png").write_bytes(b"no picture")
    with pytest.raises(SchemaError, match=r"val\.jsonl:1: cannot read picture .*a\.png"):
        convert(reader.source(), tmp_path / "out", progress=False)
    assert [path.name for path in tmp_path.iterdir()] == ["raw"]


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    (tmp_path / "b").touch()
    assert require(tmp_path, "layout", ("a", "b")) == [tmp_path / "b"]
    with pytest.raises(FileNotFoundError, match=r"lacks c, d \(or e or f\); the layout"):
        require(tmp_path, "the layout", ("b",), ("c",), ("d", "e", "f"))
    with pytest.raises(FileNotFoundError, match=r"q\.json: no picture .*x\.jpg or .*y\.jpg"):
        find_picture([tmp_path], ["x.jpg", "y.jpg"], "q.json")


@pytest.mark.parametrize("text", ['{"rows": [{}', "[]", '{"rows": {}}', '{"rows": [1]}', '{"row": []}'])
def test_other_json_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.json"
    path.write_text(text)
    with pytest.raises(
        ValueError, match=r"a\.json: (not JSON: .*line 1|must be an object with a list of objects under)"
    ):
        read_json(path, "rows")


def test_a_missing_field_is_named() -> None:
    with pytest.raises(ValueError, match="here: no 'answer' among question, id"):
        field_of({"question": 1, "id": 2}, "answer", "here")


@pytest.mark.parametrize("name", READERS)
def test_an_empty_folder_is_told_the_layout(name: str, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"lacks .*; expected layout:"):
        READERS[name](tmp_path, None)


def test_a_split_that_is_gone_is_read_again(reader: Reader, tmp_path: Path) -> None:
    reader.error = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        convert(reader.source(), tmp_path / "out", progress=False)
    (tmp_path / "out.partial" / "train.jsonl").unlink()
    reader.error = None
    assert convert(reader.source(), tmp_path / "out", progress=False).records == {"train": 2, "val": 2}
    assert reader.read == ["train", "val", "train", "val"]


def test_work_that_cannot_be_put_in_place_is_kept(
    reader: Reader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError("no")

    with monkeypatch.context() as context:
        context.setattr("laconvnet.data.folder.writer.os.rename", fail)
        with pytest.raises(OSError, match="no"):
            convert(reader.source(), tmp_path / "out", progress=False)
    convert(reader.source(), tmp_path / "out", progress=False)
    assert reader.read == ["train", "val"]
