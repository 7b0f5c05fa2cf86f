"""Files and folders that are at any moment absent, old, or complete."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import pytest

from laconvnet import files
from laconvnet.files import check_writable, replace_file, replace_folder, replacing, to_json, write_json


def test_a_file_is_written_with_its_folders(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "c.txt"
    replace_file(path, lambda partial: partial.write_text("one"))
    replace_file(path, lambda partial: partial.write_text("two"), sync=False)
    assert path.read_text() == "two" and list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()])
@pytest.mark.parametrize("before", [None, "old"])
def test_a_failure_leaves_the_previous_file(tmp_path: Path, error: BaseException, before: str | None) -> None:
    path = tmp_path / "c.txt"
    if before is not None:
        path.write_text(before)

    def write(partial: Path) -> None:
        partial.write_text("half of")
        raise error

    with pytest.raises(type(error)):
        replace_file(path, write)
    assert [each.name for each in tmp_path.iterdir()] == ([] if before is None else ["c.txt"])
    assert before is None or path.read_text() == before


def test_processes_that_write_one_file_do_not_share_a_partial_one(tmp_path: Path) -> None:
    seen: list[str] = []
    replace_file(tmp_path / "c.txt", lambda partial: (seen.append(partial.name), partial.write_text("x")))
    assert seen == [f"c.txt.{os.getpid()}.partial"]


def folder(path: Path, content: str) -> Path:
    path.mkdir()
    (path / f"{content}.txt").write_text(content)
    return path


def names(path: Path) -> list[str]:
    return sorted(each.name for each in path.iterdir())


def test_a_folder_takes_a_free_place_or_that_of_another(tmp_path: Path) -> None:
    target = tmp_path / "out"
    replace_folder(folder(tmp_path / "first", "one"), target)
    assert names(target) == ["one.txt"] and names(tmp_path) == ["out"]
    replace_folder(folder(tmp_path / "second", "two"), target)
    assert names(target) == ["two.txt"] and names(tmp_path) == ["out"]


def test_a_previous_folder_that_a_crash_left_is_no_obstacle(tmp_path: Path) -> None:
    target = folder(tmp_path / "out", "old")
    folder(tmp_path / "out.previous", "older")
    replace_folder(folder(tmp_path / "new", "new"), target)
    assert names(target) == ["new.txt"] and names(tmp_path) == ["out"]


def test_a_folder_that_cannot_be_moved_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target, partial = folder(tmp_path / "out", "old"), folder(tmp_path / "new", "new")
    move = os.replace

    def fail(source: Path, to: Path) -> None:
        if source == partial:
            raise OSError(errno.EACCES, "Permission denied")
        move(source, to)

    monkeypatch.setattr(files.os, "replace", fail)
    with pytest.raises(OSError, match="Permission denied"):
        replace_folder(partial, target)
    assert names(target) == ["old.txt"] and names(tmp_path) == ["new", "out"]


def test_numbers_that_are_not_finite_are_null() -> None:
    values = {"a": float("nan"), "b": [1.5, float("inf"), (-float("inf"), 2)], "c": {"d": float("nan")}, "e": "NaN"}
    text = to_json(values)
    assert json.loads(text) == {"a": None, "b": [1.5, None, [None, 2]], "c": {"d": None}, "e": "NaN"}
    assert "\n" not in text and to_json({"a": "größer"}) == '{"a": "größer"}'
    assert to_json({"a": [1]}, indent=2) == '{\n  "a": [\n    1\n  ]\n}'
    assert to_json([True, None, 0]) == "[true, null, 0]"


def test_json_is_written_indented_in_utf_8(tmp_path: Path) -> None:
    write_json(tmp_path / "a" / "x.json", {"größe": float("nan")})
    assert (tmp_path / "a" / "x.json").read_bytes() == '{\n  "größe": null\n}\n'.encode()
    with pytest.raises(TypeError):
        write_json(tmp_path / "a" / "x.json", {"set": {1}})
    assert json.loads((tmp_path / "a" / "x.json").read_text(encoding="utf-8")) == {"größe": None}
    assert names(tmp_path / "a") == ["x.json"]


def test_a_path_that_can_be_written_is_left_as_it_is(tmp_path: Path) -> None:
    check_writable(tmp_path / "a" / "new.txt")
    assert names(tmp_path) == ["a"] and names(tmp_path / "a") == []
    (tmp_path / "old.txt").write_text("old")
    check_writable(tmp_path / "old.txt")
    assert (tmp_path / "old.txt").read_text() == "old" and names(tmp_path) == ["a", "old.txt"]


def test_a_path_that_cannot_be_written_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(IsADirectoryError, match="is a folder; a file is to be written there"):
        check_writable(tmp_path)
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(OSError, match="file"):
        check_writable(tmp_path / "file" / "new.txt")

    def fail(path: Path) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(Path, "touch", fail)
    with pytest.raises(OSError, match=r"new\.txt cannot be written: Read-only file system"):
        check_writable(tmp_path / "new.txt")


def test_lines_are_put_in_place_when_the_block_ends(tmp_path: Path) -> None:
    path = tmp_path / "a" / "lines.txt"
    with replacing(path) as lines:
        lines.write("größe\n")
        assert not path.exists()
    assert path.read_bytes() == "größe\n".encode()
    with pytest.raises(KeyboardInterrupt), replacing(path) as lines:
        lines.write("half of")
        raise KeyboardInterrupt
    assert path.read_bytes() == "größe\n".encode() and names(path.parent) == ["lines.txt"]
