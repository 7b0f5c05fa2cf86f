"""The authors' word table, rebuilt from their annotation file: it is not stored in their checkpoints."""

import json
import os
from pathlib import Path

from laconvnet.language import Vocabulary, tokenize

_PLACEHOLDER = "<cls>"  # their row 2, which no sentence uses


def official_vocabulary(annotations: str | os.PathLike[str]) -> Vocabulary:
    """List the words in the order of their first occurrence over all splits, as the authors number them.

    Row 0 is padding, row 1 every unknown word, row 2 a placeholder, then the words.

    Args:
        annotations: their JSON, ``{split: [{"refs": [sentence, ...], ...}, ...]}``.

    Returns:
        The vocabulary; its length is the number of rows of a checkpoint trained on that file.

    Raises:
        ValueError: the file is not of that form.
    """
    path = Path(annotations)
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is no JSON: {error}") from None
    words: dict[str, None] = {_PLACEHOLDER: None}
    try:
        for split in data.values():
            for item in split:
                for sentence in item["refs"]:
                    words |= dict.fromkeys(tokenize(sentence))
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError(
            f'{path} is not the authors\' annotation file, {{split: [{{"refs": [sentence, ...]}}]}}: {error!r}'
        ) from None
    return Vocabulary(list(words), num_buckets=1)
