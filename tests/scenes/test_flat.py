"""The flat world: reproducible, exactly boxed, never ambiguous, and impossible to answer blind."""

from __future__ import annotations

import subprocess
import sys
from collections import defaultdict
from functools import cache

import numpy as np
import pytest

from laconvnet.scenes import FlatObject, FlatScene, flat_scene
from laconvnet.scenes.flat import COLOURS, SHAPES, SIZES


@cache
def scenes(split: str, count: int = 400) -> list[FlatScene]:
    return [flat_scene(0, index, split=split) for index in range(count)]


def iou(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Overlap of every box of `a` (M, 4) with every box of `b` (N, 4)."""
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    overlap = (high - low).clip(min=0).prod(axis=2)
    area_a, area_b = ((box[:, 2:] - box[:, :2]).prod(axis=1) for box in (a, b))
    return overlap / (area_a[:, None] + area_b[None, :] - overlap)


def named_by(text: str, objects: tuple[FlatObject, ...]) -> list[int]:
    """Every object that the sentence is true of, read word by word."""
    article, *words, noun = text.split()
    assert article == "the"
    assert noun in (*SHAPES, "shape")
    found = [i for i, item in enumerate(objects) if noun in (item.shape, "shape")]
    for word in words:
        if word in SIZES:
            found = [i for i in found if objects[i].size == word]
        elif word in COLOURS:
            found = [i for i in found if objects[i].colour == word]
        else:
            assert word in ("leftmost", "rightmost")
    middle = {i: objects[i].box[0] + objects[i].box[2] for i in found}
    for word, best in (("leftmost", min), ("rightmost", max)):
        if word in words:
            assert len(found) > 1, f"{text!r} compares an object with itself"
            found = [i for i in found if middle[i] == best(middle.values())]
    return found


def test_a_scene_depends_on_its_arguments_alone() -> None:
    first, again = flat_scene(3, 7), flat_scene(3, 7)
    assert np.array_equal(first.image, again.image)
    assert (first.objects, first.expressions) == (again.objects, again.expressions)
    for other in (flat_scene(4, 7), flat_scene(3, 8), flat_scene(3, 7, split="val")):
        assert not np.array_equal(first.image, other.image)


def test_a_scene_is_the_same_in_another_process() -> None:
    script = "from laconvnet.scenes import flat_scene; print(flat_scene(0, 5).image.tobytes().hex())"
    other = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert bytes.fromhex(other.stdout) == flat_scene(0, 5).image.tobytes()


def test_noise_changes_the_picture_only() -> None:
    clean, noisy = flat_scene(0, 1, noise=0), flat_scene(0, 1, noise=20)
    assert (clean.objects, clean.expressions) == (noisy.objects, noisy.expressions)
    assert not np.array_equal(clean.image, noisy.image)


@pytest.mark.parametrize("size", [48, 96, 224])
def test_boxes_are_the_extent_of_the_drawn_pixels(size: int) -> None:
    for index in range(40):
        scene = flat_scene(1, index, size=size, noise=0)
        drawn = (scene.image != scene.image[0, 0]).any(axis=2)
        for item in scene.objects:
            x0, y0, x1, y1 = item.box
            inside = drawn[y0:y1, x0:x1]
            assert inside[[0, -1]].any(axis=1).all()
            assert inside[:, [0, -1]].any(axis=0).all()
            drawn[y0:y1, x0:x1] = False
        assert not drawn.any(), "a pixel outside every box was drawn"


def test_pictures_show_the_colour_and_the_size_that_the_object_is_given() -> None:
    palette = np.array(list(COLOURS.values()))
    for scene in scenes("train", 60):
        for item in scene.objects:
            x0, y0, x1, y1 = item.box
            middle = scene.image[(y0 + y1) // 2, (x0 + x1) // 2].astype(int)
            assert list(COLOURS)[np.abs(palette - middle).sum(axis=1).argmin()] == item.colour
            assert ((x1 - x0) / scene.image.shape[1] > 0.3) == (item.size == "large")


def test_every_sentence_names_exactly_its_target() -> None:
    for scene in scenes("train") + scenes("val"):
        for expression in scene.expressions:
            assert named_by(expression.text, scene.objects) == [expression.target], expression.text
            assert expression.box == scene.objects[expression.target].box
            assert ("most" in expression.text) == (expression.kind == "order")


def test_sentences_of_a_scene_name_different_objects() -> None:
    for scene in scenes("train"):
        assert 3 <= len(scene.objects) <= 5
        assert 3 <= len(scene.expressions) <= 4
        assert len({expression.target for expression in scene.expressions}) == len(scene.expressions)
        boxes = np.array([item.box for item in scene.objects], dtype=float)
        assert (iou(boxes, boxes) > 0).sum() == len(boxes), "two objects overlap"


def test_every_word_and_both_kinds_occur() -> None:
    words = {word for scene in scenes("train") for e in scene.expressions for word in e.text.split()}
    assert words == {"the", "shape", "leftmost", "rightmost", *COLOURS, *SHAPES, *SIZES}
    ordered = [e.kind == "order" for scene in scenes("train") for e in scene.expressions]
    assert 0.2 < np.mean(ordered) < 0.6


def test_no_fixed_box_is_often_right() -> None:
    boxes = np.array([e.box for scene in scenes("val") for e in scene.expressions], dtype=float)
    candidates = np.array([item.box for scene in scenes("train") for item in scene.objects], dtype=float)
    assert (iou(candidates, boxes) > 0.5).mean(axis=1).max() < 0.06


def test_the_sentence_alone_is_not_enough() -> None:
    """The best box for each sentence without its picture, chosen with the answers at hand."""
    by_hint = defaultdict(list)
    for scene in scenes("val"):
        for e in scene.expressions:
            hint = " ".join(w for w in e.text.split() if w in ("leftmost", "rightmost", *SIZES))
            by_hint[hint].append(e.box)
    hits = [
        (iou(group, group) > 0.5).sum(axis=1).max() for group in (np.array(boxes, float) for boxes in by_hint.values())
    ]
    assert sum(hits) / sum(map(len, by_hint.values())) < 0.12


def test_the_picture_alone_is_not_enough() -> None:
    """Whichever object is chosen, at most one of the three or four sentences of the picture meant it."""
    best = np.mean([1 / len(scene.expressions) for scene in scenes("val") for _ in scene.expressions])
    random_object = np.mean([1 / len(scene.objects) for scene in scenes("val") for _ in scene.expressions])
    assert 0.2 < random_object <= best < 0.31


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"seed": -1, "index": 0}, "seed=-1"),
        ({"seed": 0, "index": -2}, "index=-2"),
        ({"seed": 0, "index": 0, "size": 47}, "at least 48 pixels, got 47"),
        ({"seed": 0, "index": 0, "noise": float("nan")}, "noise must be at least 0, got nan"),
    ],
)
def test_arguments_out_of_range_are_named(arguments: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        flat_scene(**arguments)  # type: ignore[arg-type]
