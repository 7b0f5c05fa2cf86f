"""Lists in JSON files, read element by element."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from laconvnet.data.readers import streams
from laconvnet.data.readers.streams import stream_objects

ROWS = [{"a": [1, 2.5, -30], "text": 'a "quoted" ] } é\n'}, {}, {"b": {"c": None}}] * 20


@pytest.mark.parametrize("piece", [1, 7, 1 << 20])
@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("rows", [[], ROWS])
def test_what_json_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, piece: int, indent: int | None, rows: list[object]
) -> None:
    monkeypatch.setattr(streams, "_PIECE", piece)
    path = tmp_path / "a.json"
    path.write_text(json.dumps(rows, indent=indent), encoding="utf-8")
    assert list(stream_objects(path)) == rows
    path.write_text(json.dumps({"info": 1234567, "rows": rows, "more": [[]]}, indent=indent), encoding="utf-8")
    assert list(stream_objects(path, "rows")) == rows


@pytest.mark.parametrize("piece", [1, 1 << 20])
@pytest.mark.parametrize(
    ("text", "key", "message"),
    [
        ("", None, r"a\.json:1: .*'\[' is needed, got the end of the file"),
        ("{}", None, r"a\.json:1: .*'\[' is needed, got '{'"),
        ('[{"a": 1},\n{"a": ', None, r"a\.json:2: .*Expecting value"),
        ('[{"a": 1},\n{"a": 1}', None, r"a\.json:2: .*',' or ']' is needed, got the end of the file"),
        ('[{"a": 1},\n3]', None, r"a\.json:2: .*'{' is needed, got '3'"),
        ('[{"a": 1},\n]', None, r"a\.json:2: .*'{' is needed, got '\]'"),
        ('[{"a": 1}]\n\n[]', None, r"a\.json:3: .*more text after the end"),
        ('{"a": [{}], "b": []}', "c", r"a\.json: must be an object with a list of objects under 'c'"),
        ('{"c": [{}]', "c", r"a\.json:1: .*',' or '}' is needed, got the end of the file"),
        ('{"c": {}}', "c", r"a\.json:1: .*'\[' is needed, got '{'"),
    ],
)
def test_what_is_not_whole_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, piece: int, text: str, key: str | None, message: str
) -> None:
    monkeypatch.setattr(streams, "_PIECE", piece)
    path = tmp_path / "a.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        list(stream_objects(path, key))


def test_other_letters_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(b'[{"a": "\xff"}]')
    with pytest.raises(ValueError, match=r"a\.json: not JSON: .*utf-8"):
        list(stream_objects(path))
