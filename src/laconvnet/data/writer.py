"""Writing a dataset folder so that a half-written one is never taken for whole."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Literal, Self, get_args

from laconvnet.data.schema import DatasetInfo, Record, write_records

Link = Literal["copy", "hardlink", "symlink"]


class DatasetWriter:
    """Writes a dataset into `<out>.partial` and renames it to `out` when the block ends without an error.

    Args:
        out: the folder to make; must not exist.
        info: what `dataset.json` shall say.
        link: how pictures get in: "copy", "hardlink" (same file system, no space), or "symlink" (no space,
            but the dataset breaks when the source moves).

    Raises:
        FileExistsError: `out` exists.
    """

    def __init__(self, out: str | os.PathLike[str], info: DatasetInfo, *, link: Link = "copy") -> None:
        if link not in get_args(Link):
            raise ValueError(f"link must be one of {get_args(Link)}, got {link!r}")
        self.out = Path(out)
        if self.out.exists():
            raise FileExistsError(f"{self.out} exists; choose another folder or remove it first")
        self.aside = self.out.with_name(self.out.name + ".partial")
        self.info, self.link = info, link

    def __enter__(self) -> Self:
        # Left behind by a run that was interrupted.
        shutil.rmtree(self.aside, ignore_errors=True)
        (self.aside / "images").mkdir(parents=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.info.save(self.aside)
            os.rename(self.aside, self.out)
        else:
            shutil.rmtree(self.aside, ignore_errors=True)

    def add_image(self, source: Path) -> str:
        """Brings a picture in under its own name and returns its path for `Record.image`."""
        name = f"images/{source.name}"
        target = self.aside / name
        if self.link == "copy":
            shutil.copyfile(source, target)
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
