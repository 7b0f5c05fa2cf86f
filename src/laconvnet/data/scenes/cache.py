"""A folder of drawn scenes: one PNG each, its transparency channel the instance map, its text the sentences."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from laconvnet.data.scenes.drawn import DrawnScene, scene_name
from laconvnet.files import replace_file
from laconvnet.processing.pictures import ImageError
from laconvnet.scenes import VERSION, SceneSource, Sentence, parse_program

_LABEL = "cache.json"
_GROUND = 255  # in the transparency channel; a world has at most 200 bodies
_PER_FOLDER = 1000


class SceneCache:
    """Keeps drawn scenes on disk; several processes may share it.

    A scene is written aside and then renamed, so that what is there is whole.

    Args:
        root: the folder, made if needed.
        source: whose scenes it holds.
        size: side of the pictures, pixels.

    Raises:
        ValueError: the folder holds something else, or scenes of another version or of other settings.
    """

    def __init__(self, root: Path, source: SceneSource, size: int) -> None:
        self.root = root
        settings = json.loads(json.dumps({"version": VERSION, "size": size, **source.describe()}))
        label = root / _LABEL
        if not label.is_file():
            if root.exists() and any(not path.name.startswith(_LABEL) for path in root.iterdir()):
                raise ValueError(f"{root} holds files but no {_LABEL}; choose an empty or a new folder for the cache")
            replace_file(label, lambda partial: partial.write_text(json.dumps(settings, indent=2) + "\n"))
        _compare(label, settings)

    def load(self, split: str, number: int) -> DrawnScene | None:
        """A scene, or None if it has not been kept yet.

        Raises:
            ImageError: the file is damaged; names it.
        """
        path = self._path(split, number)
        try:
            with Image.open(path) as picture:
                pixels, text = np.asarray(picture), picture.info["sentences"]
            instances = pixels[..., 3].astype(np.int16)
            instances[instances == _GROUND] = -1
            sentences = tuple(_sentence(**fields) for fields in json.loads(text))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError, SyntaxError) as error:
            raise ImageError(f"{path} is damaged ({error}); remove it, and it is drawn again") from error
        return DrawnScene(path.stem, pixels[..., :3], instances, sentences)

    def save(self, split: str, number: int, scene: DrawnScene) -> None:
        """Keeps a scene."""
        path = self._path(split, number)
        alpha = np.where(scene.instances < 0, _GROUND, scene.instances).astype(np.uint8)
        picture = Image.fromarray(np.dstack([scene.image, alpha]))
        info = PngInfo()
        info.add_text("sentences", json.dumps([_fields(sentence) for sentence in scene.sentences]))
        replace_file(
            path, lambda partial: picture.save(partial, format="png", pnginfo=info, compress_level=1), sync=False
        )

    def _path(self, split: str, number: int) -> Path:
        return self.root / str(number // _PER_FOLDER) / f"{scene_name(split, number)}.png"


def _compare(label: Path, settings: dict[str, Any]) -> None:
    try:
        found = json.loads(label.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{label} is not JSON: {error}; remove the cache") from None
    for name, value in settings.items():
        other = found.get(name) if isinstance(found, dict) else None
        if other != value:
            raise ValueError(
                f"{label}: these scenes were made with {name} {other!r}, and {value!r} is asked for; "
                "choose another folder for the cache, or remove this one"
            )


def _fields(sentence: Sentence) -> dict[str, Any]:
    fields = {name: getattr(sentence, name) for name in ("text", "group", "answer", "targets", "hops")}
    return {**fields, "program": str(sentence.program)}


def _sentence(text: str, program: str, group: str, answer: str | None, targets: list[int], hops: int) -> Sentence:
    return Sentence(text, parse_program(program), group, answer, tuple(targets), hops)
