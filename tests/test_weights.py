"""The weights that ship with the package: small, described, and worth what is said of them."""

import re

import pytest

from laconvnet import Predictor
from laconvnet.data import generate, read_records
from laconvnet.data.readers import READERS, convert
from laconvnet.evaluation import learned_task, score, score_checkpoint, split_to_score
from laconvnet.models import Checkpoint, shipped_checkpoints
from laconvnet.scenes import WORLDS, SceneSource
from laconvnet.tasks import answers_of, build_tasks
from laconvnet.training import load_config

MEGABYTES = 15  # each, at most


def test_the_shipped_weights_are_the_documented_ones():
    assert set(shipped_checkpoints()) == {"photos-t", "scenes-t"}


@pytest.mark.parametrize("name", ["photos-t", "scenes-t"])
def test_each_is_small_described_and_complete(name, tmp_path):
    folder = shipped_checkpoints()[name]
    assert sum(path.stat().st_size for path in folder.iterdir()) < MEGABYTES * 1e6
    card = (folder / "README.md").read_text()
    for section in ("license:", "## Data", "Licence: ", "## Results", "## Settings", "## The runs", "## Limits"):
        assert section in card
    (tmp_path / "train.yaml").write_text(re.search(r"## Settings\n.*?```yaml\n(.*?)```", card, re.DOTALL)[1])
    config = load_config(tmp_path / "train.yaml")
    checkpoint = Checkpoint.load(name)
    network, processor = checkpoint.network, checkpoint.processor
    assert list(config.tasks) == list(checkpoint.tasks) and config.data.size == processor.preprocess.size
    assert config.preset == network.config.preset and len(processor.tokenizer) == network.config.vocabulary_size
    answers = answers_of(build_tasks(checkpoint.tasks))
    assert checkpoint.card == card and len(answers) == network.config.num_answers
    assert not any(source.root.is_absolute() for source in config.data.folders) and "/work/" not in card


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    """Scenes of a seed that nothing else uses."""
    root = tmp_path_factory.mktemp("scenes")
    for sort, count in (("rec", 4), ("gres", 4), ("vqa", 8)):
        generate(root / sort, SceneSource(77, WORLDS["near"], {sort: count}), {"test": 20}, size=128)
    return root


@pytest.mark.parametrize(
    ("task", "folder", "metric", "least"),
    [
        ("rec", "rec", "accuracy@0.5", 0.7),
        ("res", "rec", "mean_iou", 0.6),
        ("gres", "gres", "gIoU", 0.5),
        ("vqa", "vqa", "accuracy", 0.65),
    ],
)
def test_scenes_are_understood_and_other_sentences_not(scenes, task, folder, metric, least):
    found, control = (
        score_checkpoint("scenes-t", scenes / folder, "test", task=task, shuffle_sentences=shuffled)["metrics"][metric]
        for shuffled in (False, True)
    )
    assert found > least and control < found - 0.15


def test_a_predictor_of_a_name_answers(scenes):
    record = read_records(scenes / "rec" / "test.jsonl")[0]
    pointed, answered = Predictor.from_pretrained("scenes-t")(
        scenes / "rec" / record.image, [record.text, "How many things are there?"]
    )
    assert pointed.box is not None and pointed.mask is not None and not pointed.unknown_words
    assert answered.answer in {"3", "4"}


def test_photographs_are_understood(real_data, tmp_path):
    folder = real_data("flickr30k_entities")
    convert(READERS["flickr30k"](folder, None), tmp_path / "data", link="symlink")
    checkpoint = Checkpoint.load("photos-t")
    task = learned_task(checkpoint, "rec")
    dataset = split_to_score(checkpoint, tmp_path / "data", "val", task).select(range(400))
    assert score(checkpoint, dataset, task).values()["accuracy@0.5"] > 0.35
