"""Writing a dataset folder so that a half-written one is never taken for whole."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self, get_args

from laconvnet.data.folder.schema import DatasetInfo, Record, write_records
from laconvnet.files import replace_file

Link = Literal["copy", "hardlink", "symlink"]


class DatasetWriter:
    """Writes a dataset into `<out>.partial` and renames it to `out` when the block ends without an error.

    Args:
        out: the folder to make; must not exist.
        info: what `dataset.json` shall say.
        link: how pictures get in: "copy", "hardlink" (same file system, no space), or "symlink" (no space,
            but the dataset breaks when the source moves).
        source: names what the dataset is made from. When the block ends by Ctrl-C, what is there stays, and a writer
            with the same source, info and link goes on from there; without a name, it starts anew.

    Attributes:
        done: what `mark_done` was told of each split that is complete.

    Raises:
        FileExistsError: `out` exists.
    """

    def __init__(
        self, out: str | os.PathLike[str], info: DatasetInfo, *, link: Link = "copy", source: str | None = None
    ) -> None:
        if link not in get_args(Link):
            raise ValueError(f"link must be one of {get_args(Link)}, got {link!r}")
        self.out = Path(out)
        if os.path.lexists(self.out):
            raise FileExistsError(f"{self.out} exists; choose another folder or remove it first")
        self.aside = self.out.with_name(self.out.name + ".partial")
        self.info, self.link = info, link
        self.done: dict[str, Any] = {}
        self._source = source
        self._state = self.aside / "unfinished.json"
        self._pictures: dict[str, Path] = {}

    def __enter__(self) -> Self:
        self.done = self._left_behind()
        if not self.done:
            self._remove()
        (self.aside / "images").mkdir(parents=True, exist_ok=True)
        self.info.save(self.aside)
        return self

    def _left_behind(self) -> dict[str, Any]:
        """The splits that an interrupted run of the same conversion has completed."""
        try:
            state = json.loads(self._state.read_text(encoding="utf-8"))
            same = self._source is not None and state["of"] == self._identity()
            done = state["done"] if same else {}
            return {split: told for split, told in done.items() if (self.aside / f"{split}.jsonl").is_file()}
        except (OSError, ValueError, KeyError, TypeError):
            return {}

    def _identity(self) -> list[str | None]:
        return [self._source, self.info.name, self.link]

    def mark_done(self, split: str, summary: Mapping[str, Any]) -> None:
        """Note that a split is complete, with what JSON can say of it."""
        self.done[split] = dict(summary)
        text = json.dumps({"of": self._identity(), "done": self.done})
        replace_file(self._state, lambda path: path.write_text(text, encoding="utf-8"))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            os.rename(self.aside, self.out)
            (self.out / self._state.name).unlink(missing_ok=True)
        elif not (isinstance(error, KeyboardInterrupt) and self.done):
            self._remove()

    def _remove(self) -> None:
        """First what a later run would trust, should this be cut short."""
        self._state.unlink(missing_ok=True)
        shutil.rmtree(self.aside, ignore_errors=True)

    def add_image(self, source: Path, folder: str = "") -> str:
        """Brings a picture in under its own name, once, and returns its path for `Record.image`.

        Args:
            source: the picture.
            folder: part of images/ to put it in, where pictures of different parts share names.

        Raises:
            ValueError: another picture of that name is there already.
        """
        name = f"images/{folder}/{source.name}" if folder else f"images/{source.name}"
        target = self.aside / name
        first = self._pictures.setdefault(name, source)
        if first != source:
            raise ValueError(f"two pictures are named {source.name}: {first} and {source}")
        if target.exists():
            return name
        target.parent.mkdir(parents=True, exist_ok=True)
        if self.link == "copy":
            replace_file(target, lambda path: shutil.copyfile(source, path), sync=False)
        elif self.link == "symlink":
            target.symlink_to(source.resolve())
        else:
            try:
                os.link(source.resolve(), target)
            except OSError as error:
                if error.errno != errno.EXDEV:
                    raise
                raise OSError(
                    errno.EXDEV, f"{source} lies on another file system than {self.out}; use link='copy'"
                ) from error
        return name

    def write_split(self, split: str, records: Iterable[Record]) -> int:
        """Writes one split and returns the number of records."""
        return write_records(self.aside / f"{split}.jsonl", records)
