"""Examples to batches."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import torch

from laconvnet.data import Collator, Example, Record, Sample, to_device, union_box
from laconvnet.data.batch import Asked, Batch, start_batch
from laconvnet.processing.masks import encode_mask


def encode(text: str) -> list[int]:
    ids = [len(word) for word in text.split() if word.isalpha()]
    if not ids:
        raise ValueError(f"{text!r} has no words")
    return ids


def example(index: int, text: str, boxes: list[list[float]], masks: list[np.ndarray] | None = None) -> Example:
    image = np.full((4, 4, 3), index, np.uint8)
    image[0, 1] = (10, 20, 30)
    record = Record(f"r{index}", "images/a.png", 40 + index, 20, "as in the file", group="people" if index else None)
    sample = Sample(image, np.array(boxes, np.float32).reshape(-1, 4), text, (2.0, 3.0, index, 1.0), masks)
    return Example(index, record, sample)


def test_a_batch_has_every_part() -> None:
    batch = Collator(encode)([example(0, "a dog", [[0, 1, 2, 3], [1, 0, 3, 2]]), example(7, "the big dog there", [])])
    assert set(batch) == {
        "images", "tokens", "target_boxes", "frames", "sizes", "ids", "groups", "indices", "texts", "tasks", "answer",
        "answers",
    }  # fmt: skip
    assert batch["images"].dtype == torch.uint8 and batch["images"].shape == (2, 3, 4, 4)
    assert batch["images"].is_contiguous()
    assert batch["images"][:, :, 0, 1].tolist() == [[10, 20, 30]] * 2
    assert batch["images"][1, :, 3, 3].tolist() == [7, 7, 7]
    assert batch["tokens"].tolist() == [[1, 3, 0, 0], [3, 3, 3, 5]]
    assert batch["tokens"].dtype == torch.int64
    assert batch["target_boxes"].dtype == torch.float32
    assert batch["target_boxes"][0].tolist() == [0, 0, 3, 3]
    assert batch["target_boxes"][1].isnan().all()
    assert batch["frames"].tolist() == [[2, 3, 0, 1], [2, 3, 7, 1]]
    assert batch["sizes"].tolist() == [[40, 20], [47, 20]]
    assert batch["ids"] == ["r0", "r7"] and batch["indices"] == [0, 7]
    assert batch["groups"] == [None, "people"]
    assert batch["texts"] == ["a dog", "the big dog there"]


def test_the_union_holds_all_boxes() -> None:
    boxes = np.array([[5, 6, 7, 8], [1, 7, 2, 9], [3, 2, 4, 3]], np.float32)
    assert union_box(boxes).tolist() == [1, 2, 7, 9]
    assert union_box(boxes).dtype == np.float32
    assert np.isnan(union_box(np.zeros((0, 4), np.float32))).all()


def test_masks_are_joined() -> None:
    left, right = np.zeros((4, 4), bool), np.zeros((4, 4), bool)
    left[:, 0], right[:, 3] = True, True
    batch = Collator(encode)([example(0, "a dog", [], [left, right]), example(1, "a dog", [], [])])
    assert batch["target_masks"].dtype == torch.bool
    assert batch["target_masks"][0, 2].tolist() == [True, False, False, True]
    assert not batch["target_masks"][1].any()


def test_a_text_that_cannot_be_encoded_names_its_record() -> None:
    with pytest.raises(ValueError, match="record 'r3': '123' has no words"):
        Collator(encode)([example(0, "a dog", []), example(3, "123", [])])


def labelled(
    index: int, *, mirrored: bool = False, masks: list[np.ndarray] | None = None, encodings: Any = None, **labels: Any
) -> Example:
    record = Record(f"r{index}", "images/a.png", 4, 4, "a dog", masks=encodings, **labels)
    frame = (-1.0, 1.0, 4.0, 0.0) if mirrored else (1.0, 1.0, 0.0, 0.0)
    sample = Sample(np.zeros((4, 4, 3), np.uint8), np.zeros((0, 4), np.float32), "a dog", frame, masks)
    return Example(index, record, sample, ("vqa",) if "answer" in labels else ("res", "gres"))


def test_answers_and_their_scores() -> None:
    scores = {"yes": 1.0, "no": 0.3}
    batch = Collator(encode)(
        [
            labelled(0, answer="yes"),
            labelled(1, answer="yes", answers=scores),
            labelled(2, answer="no", answers={}),
            labelled(3),
        ]
    )
    assert batch["answer"] == ["yes", "yes", "no", None]
    assert batch["answers"] == [{"yes": 1.0}, scores, {}, {}]
    assert batch["tasks"] == [("vqa",)] * 3 + [("res", "gres")]


@pytest.mark.parametrize("mirrored", [True, False])
def test_left_and_right_change_places_in_answers_about_a_mirrored_picture(mirrored: bool) -> None:
    scores: Mapping[str, float] = {"left": 0.9, "right": 0.3, "top right": 0.6, "bright": 1.0}
    left, right = ("right", "left") if mirrored else ("left", "right")
    batch = Collator(encode)(
        [
            labelled(0, mirrored=mirrored, answer="left", answers=scores),
            labelled(1, mirrored=mirrored, answer="on the Right"),
            labelled(2, mirrored=mirrored, answer="upright"),
            labelled(3, answer="left"),
        ]
    )
    assert batch["answer"] == [left, f"on the {right.capitalize()}", "upright", "left"]
    assert batch["answers"] == [
        {left: 0.9, right: 0.3, f"top {right}": 0.6, "bright": 1.0},
        {f"on the {right.capitalize()}": 1.0},
        {"upright": 1.0},
        {"left": 1.0},
    ]
    assert scores == {"left": 0.9, "right": 0.3, "top right": 0.6, "bright": 1.0}


def test_samples_with_and_without_masks_share_a_batch() -> None:
    mask, other = np.eye(4, dtype=bool), np.zeros((4, 4), bool)
    other[0] = True
    encodings = (encode_mask(mask), encode_mask(other))
    batch = Collator(encode)(
        [labelled(0, answer="yes"), labelled(1, masks=[mask, other], encodings=encodings), labelled(2, masks=[])]
    )
    assert batch["target_masks"].shape == (3, 4, 4) and batch["target_masks"].dtype == torch.bool
    assert torch.equal(batch["target_masks"][1], torch.from_numpy(mask | other))
    assert not batch["target_masks"][[0, 2]].any()
    assert batch["record_masks"] == [None, encodings, None]


def test_without_masks_there_are_no_targets() -> None:
    """Run-length encodings in the records are not enough: somebody must have asked for masks."""
    batch = Collator(encode)([labelled(0, encodings=(encode_mask(np.eye(4, dtype=bool)),))])
    assert "target_masks" not in batch and "record_masks" not in batch


def test_a_batch_on_a_device_has_its_pictures_as_the_network_takes_them() -> None:
    batch = Collator(encode)([example(0, "a dog", [[0, 1, 2, 3]]), example(7, "a dog", [])])
    moved = to_device(batch, torch.device("cpu"))
    assert moved.keys() == batch.keys()
    assert moved["images"].dtype == torch.float32 and batch["images"].dtype == torch.uint8
    assert torch.equal(moved["images"], batch["images"].float() / 255)
    for name in set(batch) - {"images"}:
        assert moved[name] is batch[name], name  # type: ignore[literal-required]
    again = to_device(moved, torch.device("cpu"))
    assert torch.equal(again["images"], moved["images"]), "pictures that are drawn in [0, 1] stay"
    elsewhere = to_device(batch, torch.device("meta"))
    assert {value.device.type for value in elsewhere.values() if isinstance(value, torch.Tensor)} == {"meta"}


def test_a_batch_begins_with_what_is_asked() -> None:
    """All but the pictures and what lies in their pixels, in the form that the finished batch has."""
    examples = [example(0, "a dog", []), labelled(3, mirrored=True, answer="left")]
    asked = [Asked(e.index, e.record, e.sample.text, e.sample.frame, e.tasks) for e in examples]
    begun, whole = start_batch(asked, encode), Collator(encode)(examples)
    assert set(whole) - set(begun) == {"images", "target_boxes"} and set(begun) < set(whole)
    for name, value in begun.items():
        same = torch.equal(value, whole[name]) if isinstance(value, torch.Tensor) else value == whole[name]  # type: ignore[literal-required]
        assert same, name
    with pytest.raises(ValueError, match="record 'r0': '1' has no words"):
        start_batch([Asked(0, examples[0].record, "1", (1.0, 1.0, 0.0, 0.0), ())], encode)


def test_every_key_of_a_batch_is_declared() -> None:
    mask = np.eye(4, dtype=bool)
    batch = Collator(encode)([labelled(1, masks=[mask], encodings=(encode_mask(mask),))])
    assert set(batch) == set(Batch.__annotations__)
