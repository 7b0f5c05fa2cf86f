"""Datasets appear whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from laconvnet.data import DatasetInfo, DatasetWriter, Record, read_records

INFO = DatasetInfo("n", "s", "l", ("rec",))


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "a.png"
    Image.new("RGB", (4, 4)).save(path)
    return path


@pytest.mark.parametrize("link", ["copy", "hardlink", "symlink"])
def test_a_dataset_is_written(tmp_path: Path, source: Path, link: str) -> None:
    out = tmp_path / "out"
    with DatasetWriter(out, INFO, link=link) as writer:  # type: ignore[arg-type]
        name = writer.add_image(source)
        assert writer.write_split("val", [Record("r", name, 4, 4, "a dog")]) == 1
        assert not out.exists()
    assert read_records(out / "val.jsonl")[0].image == name == "images/a.png"
    assert DatasetInfo.load(out) == INFO
    copy = out / name
    assert copy.read_bytes() == source.read_bytes()
    assert copy.is_symlink() == (link == "symlink")
    assert copy.samefile(source) == (link != "copy")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png", "out"]


def test_a_failure_leaves_nothing(tmp_path: Path, source: Path) -> None:
    with pytest.raises(RuntimeError, match="stop"), DatasetWriter(tmp_path / "out", INFO) as writer:
        writer.add_image(source)
        raise RuntimeError("stop")
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


def test_the_rest_of_an_interrupted_run_is_replaced(tmp_path: Path) -> None:
    stale = tmp_path / "out.partial" / "old.jsonl"
    stale.parent.mkdir()
    stale.touch()
    with DatasetWriter(tmp_path / "out", INFO):
        pass
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["dataset.json", "images"]


def test_an_existing_folder_is_kept(tmp_path: Path) -> None:
    with pytest.raises(FileExistsError, match="choose another folder"):
        DatasetWriter(tmp_path, INFO)
    with pytest.raises(ValueError, match=r"\('copy', 'hardlink', 'symlink'\), got 'move'"):
        DatasetWriter(tmp_path / "out", INFO, link="move")  # type: ignore[arg-type]
