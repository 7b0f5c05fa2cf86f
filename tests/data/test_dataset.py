"""A dataset folder as examples."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import laconvnet.data.dataset
from laconvnet.data import Augmentation, FolderDataset, SchemaError, shuffled_sentences
from laconvnet.processing import ImageError
from laconvnet.processing.masks import encode_mask
from laconvnet.tasks import build_task

Make = Callable[..., Path]
Learn = Callable[..., Any]
MakeRecord = Callable[..., dict[str, Any]]
ALL = Augmentation(flip=0.5, color_jitter=0.4, hue=0.1, crop=(0.3, 1.0))


def rectangle(width: int, height: int, box: tuple[int, int, int, int]) -> np.ndarray:
    image = np.zeros((height, width, 3), np.uint8)
    image[box[1] : box[3], box[0] : box[2], 0] = 255
    return image


def test_a_resized_copy_scales_the_boxes(make_dataset: Make, record: MakeRecord) -> None:
    # The frame is 40 x 20; the file is stretched to 80 x 80.
    image = rectangle(80, 80, (8, 8, 24, 40))
    root = make_dataset({"val": [record(boxes=[[4, 2, 12, 10]])]}, {"a.png": image})
    dataset = FolderDataset(root, "val", size=160, resize="stretch")
    sample = dataset[0].sample
    assert sample.boxes.tolist() == [[16, 16, 48, 80]]
    assert sample.frame == (4.0, 8.0, 0.0, 0.0)
    rows, columns = np.nonzero(sample.image[..., 0] > 127)
    assert [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1] == [16, 16, 48, 80]


def test_examples_carry_index_and_record(make_dataset: Make, record: MakeRecord) -> None:
    root = make_dataset({"val": [record(0), record(1, text="a cat", boxes=[])]}, {"a.png": (40, 20)})
    dataset = FolderDataset(root, "val", size=32)
    assert len(dataset) == 2
    first, second = dataset.__getitems__([1, 0])
    assert (first.index, first.record.id, first.sample.text) == (1, "r1", "a cat")
    assert (second.index, second.record.id) == (0, "r0")
    assert first.sample.boxes.shape == (0, 4)
    assert first.sample.image.shape == (32, 32, 3)


def test_every_picture_is_decoded_once_a_batch(
    make_dataset: Make, record: MakeRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ["a", "b", "a", "a", "b"]
    records = [record(i, image=f"images/{name}.png") for i, name in enumerate(names)]
    root = make_dataset({"val": records}, {"a.png": (40, 20), "b.png": (40, 20)})
    reads: list[str] = []
    original = laconvnet.data.dataset.read_image
    monkeypatch.setattr(
        laconvnet.data.dataset,
        "read_image",
        lambda path, at_least: (reads.append(Path(path).name), original(path, at_least))[1],
    )
    FolderDataset(root, "val", size=32).__getitems__(range(5))
    assert reads == ["a.png", "b.png"]


def test_randomness_depends_on_seed_epoch_and_index_alone(make_dataset: Make, record: MakeRecord) -> None:
    root = make_dataset({"train": [record(i) for i in range(6)]}, {"a.png": (40, 20)})

    def look(dataset: FolderDataset, index: int) -> tuple[bytes, tuple[float, ...], str]:
        sample = dataset[index].sample
        return sample.image.tobytes(), sample.frame, sample.text

    one, two = (FolderDataset(root, "train", size=32, augment=ALL, seed=3) for _ in range(2))
    two.__getitems__([5, 3, 1])
    assert [look(one, i) for i in range(6)] == [look(two, i) for i in reversed(range(6))][::-1]
    assert len({look(one, i) for i in range(6)}) == 6
    before = look(one, 0)
    one.set_epoch(1)
    assert one.epoch == 1 and two.epoch == 0
    assert look(one, 0) != before
    one.set_epoch(0)
    assert look(one, 0) == before
    assert look(FolderDataset(root, "train", size=32, augment=ALL, seed=4), 0) != before
    assert look(pickle.loads(pickle.dumps(one)), 0) == before


def test_sentences_of_one_picture_are_augmented_apart_and_the_picture_stays(
    make_dataset: Make, record: MakeRecord
) -> None:
    root = make_dataset({"train": [record(i) for i in range(8)]}, {"a.png": (40, 20)})
    dataset = FolderDataset(root, "train", size=32, augment=ALL)
    together = dataset.__getitems__(range(8))
    for index, example in enumerate(together):
        np.testing.assert_array_equal(example.sample.image, dataset[index].sample.image)


def test_masks_move_with_the_picture(make_dataset: Make, record: MakeRecord, learner: Learn) -> None:
    box = (4, 2, 12, 10)
    mask = rectangle(40, 20, box)[..., 0] > 0
    image = np.asarray(Image.fromarray(rectangle(40, 20, box)).resize((80, 80), Image.Resampling.NEAREST))
    labelled = record(masks=[encode_mask(mask)])
    root = make_dataset({"train": [labelled]}, {"a.png": image})
    task = learner("res", labels=("boxes", "masks"))
    dataset = FolderDataset(root, "train", size=64, augment=Augmentation(0.5, crop=(0.2, 1.0)), tasks=[task])
    flips = set()
    for epoch in range(12):
        dataset.set_epoch(epoch)
        sample = dataset[0].sample
        assert sample.masks is not None and sample.masks[0].shape == (64, 64)
        rows, columns = np.nonzero(sample.masks[0])
        found = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
        assert found == pytest.approx(sample.boxes[0].tolist(), abs=1.1)
        agreement = (sample.masks[0] == (sample.image[..., 0] > 127)) | (sample.image[..., 1] == 127)
        assert agreement.mean() > 0.93
        flips.add((sample.text, sample.frame[0] < 0))
    assert flips == {("the left dog", False), ("the right dog", True)}
    assert FolderDataset(root, "train", size=64)[0].sample.masks is None
    assert FolderDataset(root, "train", size=64, tasks=[learner("rec", labels=("boxes",))])[0].sample.masks is None
    assert FolderDataset(root, "train", size=64, tasks=[task], with_masks=False)[0].sample.masks is None
    (asked_for,) = FolderDataset(root, "train", size=64, with_masks=True)[0].sample.masks or ()
    assert asked_for.any()


def test_uncompressed_runs_are_masks_too_and_wrong_ones_name_the_record(make_dataset: Make, record: MakeRecord) -> None:
    good = {"size": [20, 40], "counts": [20, 20, 760]}
    bad = {"size": [20, 40], "counts": [5]}
    root = make_dataset({"val": [record(0, masks=[good]), record(1, masks=[bad])]}, {"a.png": (40, 20)})
    dataset = FolderDataset(root, "val", size=40, with_masks=True)
    masks = dataset[0].sample.masks
    assert masks is not None
    # Runs go down the columns: the second column is the object.
    assert np.flatnonzero(masks[0].any(axis=0)).tolist() == [1]
    with pytest.raises(SchemaError, match=r"val\.jsonl:2: record 'r1', masks\[0\]: .*sum to 800 pixels.*the sum is 5"):
        dataset[1]


def test_a_missing_or_corrupt_picture_names_file_record_and_line(make_dataset: Make, record: MakeRecord) -> None:
    records = [record(0), record(1, image="images/gone.png"), record(2, image="images/bad.png")]
    root = make_dataset({"val": records}, {"a.png": (40, 20)})
    (root / "images" / "bad.png").write_bytes((root / "images" / "a.png").read_bytes()[:300])
    dataset = FolderDataset(root, "val", size=32)
    with pytest.raises(ImageError, match=r"val\.jsonl:2: record 'r1': .*gone\.png: no such file"):
        dataset.__getitems__([0, 1])
    with pytest.raises(ImageError, match=r"val\.jsonl:3: record 'r2': .*bad\.png"):
        dataset[2]


def test_labels_that_a_task_needs_must_be_there(make_dataset: Make, record: MakeRecord, learner: Learn) -> None:
    root = make_dataset({"val": [record(0), record(1, boxes=...)]}, {"a.png": (40, 20)})
    with pytest.raises(SchemaError, match=r"val\.jsonl:2: record 'r1' has no 'boxes'"):
        FolderDataset(root, "val", size=32, tasks=[learner("rec", labels=("boxes",))])
    whole = FolderDataset(root, "val", size=32)
    assert len(whole) == 2 and whole[1].sample.boxes.shape == (0, 4) and whole[1].tasks == ()


def test_expressions_and_questions_of_one_folder_serve_their_tasks(
    make_dataset: Make, record: MakeRecord, learner: Learn
) -> None:
    mask = encode_mask(rectangle(40, 20, (4, 2, 12, 10))[..., 0] > 0)
    expression = record(0, masks=[mask])
    question = {key: value for key, value in record(1, masks=[mask], answer="yes").items() if key != "boxes"}
    both = record(2, masks=[mask], answers={"red": 1.0})
    root = make_dataset({"val": [expression, question, both], "asked": [question]}, {"a.png": (40, 20)})
    res, rec = learner("res", labels=("masks",)), learner("rec", labels=("boxes",))
    vqa, scored = (learner("vqa", labels=(label,), asks=True) for label in ("masks", "answers"))

    def kept(*tasks: Any) -> list[tuple[str, tuple[str, ...]]]:
        dataset = FolderDataset(root, "val", size=32, tasks=tasks)
        return [(example.record.id, example.tasks) for example in dataset.__getitems__(range(len(dataset)))]

    assert kept(res) == [("r0", ("res",)), ("r2", ("res",))], "a question's masks name nothing"
    assert kept(vqa) == [("r1", ("vqa",)), ("r2", ("vqa",))]
    assert kept(rec, vqa) == [("r0", ("rec",)), ("r1", ("vqa",)), ("r2", ("rec", "vqa"))]
    with pytest.raises(SchemaError, match=r"val\.jsonl:2: record 'r1' has no 'answers'"):
        kept(rec, scored)
    with pytest.raises(SchemaError, match=r"asked\.jsonl: none of its 1 records serves gres$"):
        FolderDataset(root, "asked", size=32, tasks=[vqa, learner("gres", labels=("masks",))])


def test_the_tasks_of_the_library_take_their_records(make_dataset: Make, record: MakeRecord) -> None:
    question = {key: value for key, value in record(1, answer="yes").items() if key != "boxes"}
    root = make_dataset({"val": [record(0), question]}, {"a.png": (40, 20)})
    tasks = [build_task("rec"), build_task("vqa", {"answers": ["yes", "no"]})]
    dataset = FolderDataset(root, "val", size=32, tasks=tasks)
    assert [example.tasks for example in dataset.__getitems__([0, 1])] == [("rec",), ("vqa",)]
    assert dataset.tasks_of(dataset.records[1]) == ("vqa",)
    with pytest.raises(SchemaError, match=r"val\.jsonl:1: record 'r0' has no 'masks'"):
        FolderDataset(root, "val", size=32, tasks=[build_task("res")])


def test_some_records_make_a_dataset_of_their_own(make_dataset: Make, record: MakeRecord) -> None:
    records = [record(i, image=f"images/{name}.png", text=f"dog {i}") for i, name in enumerate("abba")]
    root = make_dataset({"val": [*records, record(4, image="images/gone.png")]}, {"a.png": (40, 20), "b.png": (9, 9)})
    dataset = FolderDataset(root, "val", size=32, augment=ALL, seed=2)
    some = dataset.select(iter([4, 2, 0]))
    assert [r.id for r in some.records] == ["r4", "r2", "r0"] and len(some) == 3 and len(dataset) == 5
    assert some.groups == [[0], [1], [2]] and dataset.groups == [[0, 3], [1, 2], [4]]
    example = some[1]
    assert (example.index, example.record.id) == (1, "r2")
    with pytest.raises(ImageError, match=r"val\.jsonl:5: record 'r4': .*gone\.png"):
        some[0]
    dataset.set_epoch(3)
    assert some.epoch == 3
    assert len(dataset.select([])) == 0 and [r.id for r in dataset.select([1, 1]).records] == ["r1", "r1"]
    with pytest.raises(IndexError):
        dataset.select([5])


def test_shuffled_sentences_are_those_of_other_pictures(make_dataset: Make, record: MakeRecord) -> None:
    records = [record(i, image=f"images/{i // 2}.png", text=f"dog {i}", boxes=[[i, 2, 12, 10]]) for i in range(8)]
    root = make_dataset({"val": records}, {f"{i}.png": (40, 20) for i in range(4)})
    dataset = FolderDataset(root, "val", size=32)
    shuffled = dataset.with_shuffled_sentences(seed=1)
    assert list(shuffled.records) == shuffled_sentences(dataset.records, 1)
    assert [r.text for r in dataset.records] == [f"dog {i}" for i in range(8)]
    for index in range(8):
        plain, other = dataset[index], shuffled[index]
        np.testing.assert_array_equal(other.sample.image, plain.sample.image)
        np.testing.assert_array_equal(other.sample.boxes, plain.sample.boxes)
        assert other.sample.text == other.record.text
        assert int(other.sample.text.split()[1]) // 2 != index // 2
    assert dataset.with_shuffled_sentences().records == shuffled_sentences(dataset.records, 0)


def test_a_bad_line_is_told_when_the_dataset_is_made(make_dataset: Make, record: MakeRecord) -> None:
    root = make_dataset({"val": [record(0), record(1, boxes=[[0, 0, 41, 5]])], "empty": []})
    with pytest.raises(SchemaError, match=r"val\.jsonl:2: boxes\[0\] .* leaves the frame"):
        FolderDataset(root, "val", size=32)
    with pytest.raises(SchemaError, match="holds no records"):
        FolderDataset(root, "empty", size=32)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"size": 0}, "at least 1 pixel, got 0"),
        ({"resize": "crop"}, "'crop'"),
        ({"seed": -1}, "-1"),
    ],
)
def test_wrong_settings_are_refused(
    make_dataset: Make, record: MakeRecord, arguments: dict[str, Any], message: str
) -> None:
    root = make_dataset({"val": [record()]})
    with pytest.raises(ValueError, match=message):
        FolderDataset(root, "val", **{"size": 32, **arguments})


def test_one_pixel_and_20_megapixels_in_one_batch(make_dataset: Make, record: MakeRecord) -> None:
    big = np.zeros((4000, 5000, 3), np.uint8)
    big[1000:2000, 500:1500] = 200
    records = [
        record(0, image="images/dot.png", width=1, height=1, boxes=[[0, 0, 1, 1]]),
        record(1, image="images/big.jpg", width=5000, height=4000, boxes=[[500, 1000, 1500, 2000]]),
    ]
    root = make_dataset({"train": records}, {"dot.png": (1, 1), "big.jpg": big})
    dataset = FolderDataset(root, "train", size=64, augment=Augmentation(1.0, 0.1, crop=(0.5, 1.0)))
    dot, large = dataset.__getitems__([0, 1])
    assert dot.sample.boxes.tolist() == [[0, 0, 64, 64]]
    x0, y0, x1, y1 = large.sample.boxes[0]
    inside = large.sample.image[int(y0) + 2 : int(y1) - 2, int(x0) + 2 : int(x1) - 2]
    assert inside.size and inside.min() > 140
