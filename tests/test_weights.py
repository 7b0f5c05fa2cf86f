"""The weights that ship with the package: small, described, and worth what is said of them."""

import pytest

from laconvnet import Predictor
from laconvnet.data import FolderDataset, generate, read_records
from laconvnet.data.readers import READERS, convert
from laconvnet.models import load_checkpoint, shipped_checkpoints
from laconvnet.scenes import WORLDS, SceneSource
from laconvnet.scoring import learned_task, score, score_checkpoint
from laconvnet.training import load_config

MEGABYTES = 15  # each, at most


def test_the_shipped_weights_are_the_documented_ones():
    assert set(shipped_checkpoints()) == {"photos-t", "scenes-t"}


@pytest.mark.parametrize("name", ["photos-t", "scenes-t"])
def test_each_is_small_described_and_complete(name):
    folder = shipped_checkpoints()[name]
    assert sum(path.stat().st_size for path in folder.iterdir()) < MEGABYTES * 1e6
    card = (folder / "README.md").read_text()
    for section in ("license:", "## Data", "Licence: ", "## Results", "## The run", "## Limits"):
        assert section in card
    config = load_config(folder / "train.yaml")
    network, vocabulary, preprocess = load_checkpoint(name)
    assert tuple(config.tasks) == network.config.tasks and config.data.size == preprocess.size
    assert config.preset == network.config.preset and len(vocabulary) == network.config.vocabulary_size
    assert "/" != str(config.output)[0] and all(str(source.root)[0] != "/" for source in config.data.folders)


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
    network, vocabulary, preprocess = load_checkpoint("photos-t")
    dataset = FolderDataset(tmp_path / "data", "val", size=preprocess.size, resize=preprocess.resize)
    dataset.records = dataset.records[:400]
    task = learned_task("rec", network.config, dataset.path, "interpolate")
    assert score(network, vocabulary, preprocess, dataset, task).values()["accuracy@0.5"] > 0.35
