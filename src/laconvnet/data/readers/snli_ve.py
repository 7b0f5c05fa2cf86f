"""SNLI-VE (Xie et al. 2019): statements that follow from a Flickr30k photograph, contradict it, or do neither."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from laconvnet.data.folder.schema import DatasetInfo, Record, has_word
from laconvnet.data.readers.conversion import (
    Entry,
    Pictures,
    Skipped,
    Source,
    field_of,
    read_json_lines,
    require,
    text_of,
)
from laconvnet.data.readers.flickr30k import IMAGE_FOLDERS

ANSWERS = ("entailment", "neutral", "contradiction")
FILES = {"train": "snli_ve_train.jsonl", "val": "snli_ve_dev.jsonl", "test": "snli_ve_test.jsonl"}

INFO = DatasetInfo(
    name="SNLI-VE",
    source="Xie et al., Visual Entailment, 2019; statements of SNLI (Bowman et al. 2015), photographs of Flickr30k",
    licence="statements CC BY-SA 4.0; the photographs for non-commercial research and education, of their authors",
    tasks=("vqa",),
)

_LAYOUT = f"""expected layout:
  {", ".join(FILES.values())}    (at least one of them)
  {" or ".join(f"{name}/<id>.jpg" for name in IMAGE_FOLDERS)}    (the Flickr30k photographs, or name their folder)"""


def open_snli_ve(folder: Path, pictures: Path | None = None) -> Source:
    """Find SNLI-VE in its official layout.

    One record per statement: `text` is the hypothesis, `answer` one of `ANSWERS`, `id` the pair's id, or the
    photograph's where it has none, with "_2", "_3" and so on where a file repeats it. The split "dev" becomes "val".

    Args:
        folder: with the lists of statements.
        pictures: the folder of photographs, if not within.

    Raises:
        FileNotFoundError: something is missing; names it and the expected layout.
    """
    found = {split: folder / name for split, name in FILES.items() if (folder / name).is_file()}
    parts = [*([] if found else [tuple(FILES.values())]), *([] if pictures else [IMAGE_FOLDERS])]
    located = require(folder, _LAYOUT, *parts)
    photographs = pictures or located[-1]
    splits = {split: partial(_statements, path, photographs) for split, path in found.items()}
    published = {"train": 529_527, "val": 17_858, "test": 17_901}
    return Source(folder, INFO, splits, published, "statements", pictures=pictures)


def _statements(path: Path, photographs: Path, skipped: Skipped) -> Iterator[Entry]:
    rows = [(str(field_of(row, "Flickr30K_ID", where)), where, row) for _, where, row in read_json_lines(path)]
    pictures = Pictures([photographs])
    repeated: Counter[str] = Counter()
    # Statements about one photograph side by side, so that it is decoded once.
    for image, where, row in sorted(rows, key=lambda entry: entry[0]):
        answer, text = field_of(row, "gold_label", where), text_of(row, "sentence2", where)
        if answer == "-":
            skipped["on which the annotators did not agree"] += 1
        elif answer not in ANSWERS:
            raise ValueError(f"{where}: gold_label is {answer!r}, allowed: {', '.join(ANSWERS)} or '-'")
        elif not has_word(text):
            skipped["without a word"] += 1
        else:
            pair = str(row.get("pairID") or image)
            repeated[pair] += 1
            name = pair if repeated[pair] == 1 else f"{pair}_{repeated[pair]}"
            picture, size = pictures.find((f"{image}.jpg",), where)
            yield Entry(picture, Record(name, picture.name, *size, text, answer=answer))
