"""tools/release_weights.py: a card that is true of the weights beside it."""

import re

import pytest

from laconvnet.data import generate
from laconvnet.evaluation import score_checkpoint
from laconvnet.models import Checkpoint
from laconvnet.scenes import WORLDS, SceneSource
from laconvnet.training import TrainConfig, train


@pytest.fixture(scope="module")
def tool(load_tool):
    return load_tool("release_weights")


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A run, and another one on other data that started from its weights."""
    root = tmp_path_factory.mktemp("release")
    for name, seed in (("first", 3), ("second", 4)):
        source = SceneSource(seed, WORLDS["near"], {"gres": 4})
        generate(root / f"data_{name}", source, {"train": 8, "val": 12}, size=64)
        config = TrainConfig(
            preset="n",
            tasks={"gres": {"no_target": "classifier"}},
            data={"root": root / f"data_{name}", "size": 64, "batch_size": 8, "num_workers": 0},
            initial=None if name == "first" else root / "first" / "final",
            device="cpu",
            keep_freed_memory=False,
            epochs=2,
            eval_every=1,
            output=root / name,
        )
        train(config)
    (root / "limits.md").write_text("It knows little.\n")
    return root


@pytest.mark.parametrize("dtype", ["float16", "int8"])
def test_the_card_tells_of_the_weights_beside_it(runs, tool, dtype):
    out = runs / dtype
    tool.release(runs / "second", out, runs / "limits.md", runs / "data_second", dtype, "5GB")
    card = (out / "README.md").read_text()
    found = score_checkpoint(out, runs / "data_second", "val")["metrics"]
    said = dict(re.findall(r"^\| (\S+) \| (\S+) \|$", card, flags=re.MULTILINE))
    for name in ("gIoU", "N-acc", "T-acc"):
        assert float(said[name]) == pytest.approx(found[name], abs=2e-4)
    assert abs(found["N-acc"] - found["T-acc"]) < 0.3 and "N-acc and T-acc are now" in card
    assert card.index("`first`, ") < card.index("`second`, ") and card.rstrip().endswith("It knows little.")
    assert '"seed": 3' in card and '"seed": 4' in card and "started from" not in card
    assert list(Checkpoint.load(out).tasks) == ["gres"] and Checkpoint.load(out).card == card


def test_what_cannot_be_balanced_is_refused_and_nothing_written(runs, tool):
    generate(runs / "boxes", SceneSource(5, WORLDS["near"], {"rec": 2}), {"val": 3}, size=64)
    with pytest.raises(
        ValueError, match=r"--balance needs sentences of both sorts: .*boxes has 0 without a target of 6"
    ):
        tool.release(runs / "second", runs / "none", runs / "limits.md", runs / "boxes", "float16", "5GB")
    assert not (runs / "none").exists()
