"""Changes of sentences and of pictures that leave their meaning, or take some of it away."""

from __future__ import annotations

import io
import re
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Final, TypeAlias

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter

from laconvnet.data import Augmentation, Compose, Sample
from laconvnet.processing import UInt8Array
from laconvnet.scenes.lexicon import ENDS, PLACES, THINGS, WORDS, plural, with_article, words_for
from laconvnet.scenes.scene import SHAPES
from laconvnet.tasks import is_question

SentenceChange: TypeAlias = Callable[[str], str | None]
"""Gives the changed sentence, or None where the change does not apply."""

PictureChange: TypeAlias = Callable[[UInt8Array, np.random.Generator], UInt8Array]
"""Gives the changed picture, uint8 (H, W, 3) as the first one."""

_NOUNS: Final = {
    "cube": ("box", "boxes"),
    "block": ("box", "boxes"),
    "sphere": ("orb", "orbs"),
    "ball": ("orb", "orbs"),
    "cylinder": ("tube", "tubes"),
    "thing": ("item", "items"),
    "object": ("item", "items"),
}
_ADJECTIVES: Final = {
    "large": "huge",
    "big": "huge",
    "small": "little",
    "tiny": "little",
    "rubber": "dull",
    "matte": "dull",
    "metal": "chrome",
    "metallic": "chrome",
    "shiny": "chrome",
}
_COLOURS: Final = {
    "gray": "grey",
    "red": "crimson",
    "blue": "navy",
    "green": "emerald",
    "brown": "chestnut",
    "purple": "violet",
    "cyan": "turquoise",
    "yellow": "golden",
}
_SMALL_WORDS: Final = frozenset({"the", "a", "an", "that", "which", "is", "are", "of", "to"})
_SHORTEST_TYPO: Final = 4  # letters


def _synonyms() -> dict[str, str]:
    """For every word of the scenes' language that has others of its meaning, the next of these."""
    nouns = (*map(words_for, SHAPES), THINGS)
    plurals = [tuple(map(plural, words)) for words in nouns]
    choices = (*WORDS.values(), THINGS, *plurals, *PLACES.values(), *ENDS.values())
    return {word: words[(place + 1) % len(words)] for words in choices for place, word in enumerate(words)}


def _exchange(words: Mapping[str, str], text: str) -> str | None:
    """Put other words in the place of some, "a" and "an" as they need it."""
    longest_first = sorted(words, key=len, reverse=True)
    changed = re.sub(rf"\b({'|'.join(longest_first)})\b", lambda match: words[match[0]], text)
    if changed == text:
        return None
    return re.sub(r"\ban? (\w+)", lambda match: with_article(match[1]), changed)


def _please(text: str) -> str:
    if is_question(text):
        return f"please tell me, {text[0].lower()}{text[1:]}"
    return f"please show me {text}"


def _can_you_find(text: str) -> str | None:
    return None if is_question(text) else f"can you find {text}"


def _lengthen(clause: str, text: str) -> str:
    return f"{text[:-1]} {clause}?" if is_question(text) else f"{text} {clause}"


def _leave_out_small_words(text: str) -> str | None:
    words = text.split()
    kept = [word for word in words if word.lower().strip(",:?") not in _SMALL_WORDS]
    return " ".join(kept) if 0 < len(kept) < len(words) else None


def _drop_a_letter(text: str) -> str | None:
    """Drop the middle letter of the longest word, of several as long that of the first."""
    longest = max(re.finditer(r"[^\W\d_]+", text), key=lambda word: len(word[0]), default=None)
    if longest is None or len(longest[0]) < _SHORTEST_TYPO:
        return None
    place = (longest.start() + longest.end()) // 2
    return text[:place] + text[place + 1 :]


def _shuffle_words(text: str) -> str | None:
    """Put the words in an order that the text itself decides; None where chance leaves them as they were."""
    words = text.rstrip("?").split()
    order = np.random.default_rng(zlib.crc32(text.encode())).permutation(len(words))
    shuffled = [words[place] for place in order]
    return None if shuffled == words else " ".join(shuffled) + "?" * is_question(text)


SENTENCE_CHANGES: Final[dict[str, SentenceChange]] = {
    "other known words": partial(_exchange, _synonyms()),
    "unknown nouns, sizes, materials": partial(
        _exchange,
        _ADJECTIVES
        | {noun: one for noun, (one, _) in _NOUNS.items()}
        | {plural(noun): many for noun, (_, many) in _NOUNS.items()},
    ),
    "unknown colours": partial(_exchange, _COLOURS),
    "please ...": _please,
    "can you find ...": _can_you_find,
    "longer": partial(_lengthen, "in this picture of several things that stand on the ground"),
    "small words left out": _leave_out_small_words,
    "a letter dropped": _drop_a_letter,
    "words in random order": _shuffle_words,
}
"""Changes of a sentence about a scene. Training knows "other known words" and never meets the unknown ones."""

PHOTOGRAPH_SENTENCE_CHANGES: Final[dict[str, SentenceChange]] = {
    "please ...": _please,
    "can you find ...": _can_you_find,
    "longer": partial(_lengthen, "in this photograph that somebody took with a camera"),
    "small words left out": _leave_out_small_words,
    "a letter dropped": _drop_a_letter,
    "words in random order": _shuffle_words,
}
"""Changes of a sentence about a photograph."""


def _with_pillow(change: Callable[[Image.Image], Image.Image]) -> PictureChange:
    return lambda picture, rng: np.asarray(change(Image.fromarray(picture)))


def _turn_hue(turn: float, image: Image.Image) -> Image.Image:
    """Turn the hue by a share of the whole circle."""
    hue, saturation, value = image.convert("HSV").split()
    turned = Image.fromarray(np.asarray(hue) + np.uint8(round(256 * turn)))  # modulo 256, once around
    return Image.merge("HSV", (turned, saturation, value)).convert("RGB")


def _compress(quality: int, image: Image.Image) -> Image.Image:
    """Compress as JPEG of a quality from 1 to 95, and decompress."""
    file = io.BytesIO()
    image.save(file, "JPEG", quality=quality)
    return Image.open(file).convert("RGB")


def _add_noise(deviation: float, picture: UInt8Array, rng: np.random.Generator) -> UInt8Array:
    """Add Gaussian noise of a standard deviation in levels of 255."""
    noisy = picture + rng.normal(0, deviation, picture.shape)
    return noisy.round().clip(0, 255).astype(np.uint8)


PICTURE_CHANGES: Final[dict[str, PictureChange]] = {
    "brightness × 0.6": _with_pillow(lambda image: ImageEnhance.Brightness(image).enhance(0.6)),
    "brightness × 1.5": _with_pillow(lambda image: ImageEnhance.Brightness(image).enhance(1.5)),
    "contrast × 0.5": _with_pillow(lambda image: ImageEnhance.Contrast(image).enhance(0.5)),
    "no colour": _with_pillow(lambda image: image.convert("L").convert("RGB")),
    "hue turned by 0.1": _with_pillow(partial(_turn_hue, 0.1)),
    "blur of 1 pixel": _with_pillow(lambda image: image.filter(ImageFilter.GaussianBlur(1))),
    "blur of 2 pixels": _with_pillow(lambda image: image.filter(ImageFilter.GaussianBlur(2))),
    "JPEG of quality 30": _with_pillow(partial(_compress, 30)),
    "JPEG of quality 10": _with_pillow(partial(_compress, 10)),
    "noise of deviation 15": partial(_add_noise, 15.0),
}
"""Changes of a picture as it is read, before it is resized; the random generator serves the noise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Always(Augmentation):
    """The same change of every picture, where training has random ones."""

    change: PictureChange

    def build(self) -> Compose:
        def transform(sample: Sample, rng: np.random.Generator) -> Sample:
            return replace(sample, image=self.change(sample.image, rng))

        return Compose([transform])
