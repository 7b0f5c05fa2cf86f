"""Scoring a checkpoint folder on a dataset folder."""

import json

import pytest

from laconvnet.data import FolderDataset, generate
from laconvnet.language import Vocabulary
from laconvnet.models import Preprocess, build_model, load_checkpoint, save_checkpoint
from laconvnet.scenes import WORLDS, SceneSource, answers
from laconvnet.scoring import score, score_checkpoint
from laconvnet.tasks import build_task


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("scoring")
    generate(root / "world", SceneSource(world=WORLDS["near"]), {"train": 10, "val": 6}, size=64)
    vocabulary = Vocabulary(["red", "circle", "the"], num_buckets=4)
    preprocess = Preprocess(size=64, resize="letterbox", max_length=15)
    model = build_model("n", vocabulary=vocabulary)
    save_checkpoint(root / "model", model, vocabulary=vocabulary, preprocess=preprocess, card="")
    return root


def test_scores_and_predictions(folders):
    path = folders / "predictions.jsonl"
    result = score_checkpoint(folders / "model", folders / "world", "val", save_predictions=path, blind_split="train")
    records = [json.loads(line) for line in (folders / "world" / "val.jsonl").read_text().splitlines()]
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert (result["task"], result["split"], result["n"]) == ("rec", "val", len(records))
    assert [line["id"] for line in lines] == [record["id"] for record in records]
    hits = [iou(line["box"], record["boxes"][0]) > 0.5 for line, record in zip(lines, records, strict=True)]
    assert result["metrics"]["accuracy@0.5"] == pytest.approx(sum(hits) / len(hits))
    assert set(result["blind"]) == {"whole image", "best constant box", "best constant box per last word"}


def iou(a, b):
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    both = max(width, 0) * max(height, 0)
    return both / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both)


def test_every_value_has_an_interval(folders):
    result = score_checkpoint(folders / "model", folders / "world", "val")
    assert result["intervals"].keys() == {"accuracy@0.25", "accuracy@0.5", "accuracy@0.75", "mean_iou"}
    assert all(low <= result["metrics"][name] <= high for name, (low, high) in result["intervals"].items())


def test_parts_of_a_score_make_up_the_whole(folders):
    network, vocabulary, preprocess = load_checkpoint(folders / "model")
    dataset = FolderDataset(folders / "world", "val", size=64)
    whole = score(network, vocabulary, preprocess, dataset, build_task("rec"))
    labels = [None if number == 0 else number % 3 for number in range(len(dataset))]
    parts = whole.by(labels)
    assert list(parts) == [0, 1, 2]
    assert sum(len(part.records) for part in parts.values()) == len(dataset) - 1
    assert parts[1].records[0] == dataset.records[1]
    hits = sum(part.values()["accuracy@0.25"] * len(part.records) for part in parts.values())
    first = whole.of([0]).values()["accuracy@0.25"]
    assert hits + first == pytest.approx(whole.values()["accuracy@0.25"] * len(dataset))


def test_shuffled_sentences_are_said_so(folders):
    result = score_checkpoint(folders / "model", folders / "world", "val", shuffle_sentences=True)
    assert result["shuffled_sentences"] is True


def test_a_head_the_checkpoint_lacks_is_refused(folders):
    with pytest.raises(ValueError, match="learned rec, not 'res'"):
        score_checkpoint(folders / "model", folders / "world", "val", task="res")


FOLDERS = {"rec": {"rec": 2}, "gres": {"gres": 2}, "vqa": {"vqa": 3}}
BASELINES = {
    "rec": {"whole image", "best constant box", "best constant box per last word"},
    "res": {"whole image", "best constant mask"},
    "gres": {"whole image", "best constant mask", "no target"},
    "vqa": {"most frequent answer", "most frequent answer per first two words", "words alone (linear)"},
}
SAID = {"rec": {"box", "score"}, "res": {"mask"}, "gres": {"mask", "no_target"}, "vqa": {"answer", "answer_score"}}
MAIN = {"rec": "accuracy@0.5", "res": "mean_iou", "gres": "gIoU", "vqa": "accuracy"}


@pytest.fixture(scope="module")
def four(tmp_path_factory):
    """A folder for each sort of sentences, and a network of every task."""
    root = tmp_path_factory.mktemp("four")
    for name, sentences in FOLDERS.items():
        generate(root / name, SceneSource(world=WORLDS["near"], sentences=sentences), {"train": 10, "val": 4}, size=64)
    vocabulary = Vocabulary(["red", "the", "is"], num_buckets=4)
    known = answers(WORLDS["near"].values)
    model = build_model("n", tuple(MAIN), vocabulary=vocabulary, answers=known, head={"no_target": True})
    preprocess = Preprocess(size=64, resize="letterbox", max_length=None)
    save_checkpoint(root / "model", model, vocabulary=vocabulary, preprocess=preprocess, card="")
    return root


@pytest.mark.parametrize(
    ("folder", "asked", "expected"),
    [("rec", None, "rec"), ("rec", "res", "res"), ("gres", None, "gres"), ("vqa", None, "vqa")],
)
def test_each_task_is_scored_beside_its_blind_baselines(four, folder, asked, expected):
    path = four / f"{folder}-{asked}.jsonl"
    result = score_checkpoint(
        four / "model", four / folder, task=asked, save_predictions=path, blind_split="train", batch_size=5
    )
    records = [json.loads(line) for line in (four / folder / "val.jsonl").read_text().splitlines()]
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert result["task"] == expected and result["n"] == len(records) == 4 * sum(FOLDERS[folder].values())
    assert 0 <= result["metrics"][MAIN[expected]] <= 1
    assert set(result["blind"]) == BASELINES[expected]
    assert all(0 <= scores[MAIN[expected]] <= 1 for scores in result["blind"].values())
    assert [(line["id"], line["text"]) for line in lines] == [(record["id"], record["text"]) for record in records]
    assert all(set(line) == {"id", "text"} | SAID[expected] for line in lines)
    if "mask" in SAID[expected]:
        assert all(line["mask"]["size"] == [64, 64] for line in lines)
    if expected == "gres":
        assert all(isinstance(line["no_target"], bool) for line in lines)
    if expected == "vqa":
        right = [line["answer"] == record["answer"] for line, record in zip(lines, records, strict=True)]
        assert result["metrics"]["accuracy"] == pytest.approx(sum(right) / len(right))


def test_every_task_of_a_mixed_folder_has_its_own_records(four):
    source = SceneSource(world=WORLDS["near"], sentences={"rec": 2, "vqa": 3})
    generate(four / "mixed", source, {"train": 10, "val": 4}, size=64)
    for task, own in {"rec": 2, "res": 2, "gres": 2, "vqa": 3}.items():
        result = score_checkpoint(four / "model", four / "mixed", task=task, blind_split="train")
        assert result["n"] == 4 * own and set(result["blind"]) == BASELINES[task]


@pytest.mark.parametrize(("folder", "task"), [("rec", "res"), ("gres", "gres")])
def test_masks_get_their_size_by_either_rule(four, folder, task):
    scores = [
        score_checkpoint(four / "model", four / folder, task=task, mask_rule=rule)["metrics"]
        for rule in ("interpolate", "dilate")
    ]
    assert scores[0].keys() == scores[1].keys()
    with pytest.raises(ValueError, match=r"mask_rule must be one of .*'dilate'.*, got 'grow'"):
        score_checkpoint(four / "model", four / folder, task=task, mask_rule="grow")
