"""Scoring a checkpoint folder on a dataset folder."""

import json

import pytest

from laconvnet.data import generate
from laconvnet.language import Vocabulary
from laconvnet.models import Preprocess, build_model, save_checkpoint
from laconvnet.scenes import WORLDS, SceneSource
from laconvnet.scoring import score_checkpoint


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


def test_shuffled_sentences_are_said_so(folders):
    result = score_checkpoint(folders / "model", folders / "world", "val", shuffle_sentences=True)
    assert result["shuffled_sentences"] is True


def test_a_head_the_checkpoint_lacks_is_refused(folders):
    with pytest.raises(ValueError, match="learned rec, not 'res'"):
        score_checkpoint(folders / "model", folders / "world", "val", task="res")
