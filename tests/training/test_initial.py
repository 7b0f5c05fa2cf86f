"""Runs that start from the weights of another one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from fresh import differing
from toy_world import SIZE, toy_config, write_world

from laconvnet.language import Vocabulary
from laconvnet.models import Checkpoint, LaConvNet
from laconvnet.training import train
from laconvnet.training.setup import build_parts


@pytest.fixture
def first(world: Path, tmp_path: Path) -> Path:
    """A short run on boxes; returns its final weights."""
    train(toy_config(world, tmp_path / "run1", preset="n", data={"size": 64}, max_steps=2, eval_every=0))
    return tmp_path / "run1" / "final"


def test_a_run_starts_from_another_ones_weights(
    first: Path, world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    checkpoint = Checkpoint.load(first)
    learned, vocabulary = checkpoint.network, checkpoint.processor.tokenizer
    assert isinstance(vocabulary, Vocabulary)
    capsys.readouterr()
    config = toy_config(
        world, tmp_path / "run2", preset="n", data={"size": 64}, max_steps=2, eval_every=0, initial=first
    )
    model = build_parts(config).model
    assert isinstance(model, LaConvNet) and differing(model, learned) == set()
    said = capsys.readouterr().err
    assert said.count("start from") == 1 and f"{len(vocabulary.words)} words are taken over" in said
    assert build_parts(config, rank=1, world_size=2).processor.tokenizer == vocabulary
    assert "start from" not in capsys.readouterr().err
    results = train(config)
    assert results["step"] == 2
    said = capsys.readouterr().err
    assert said.count("start from") == 1
    # A run that goes on has its own weights, and needs the folder no more.
    first.rename(tmp_path / "gone")
    more = config.model_copy(update={"max_steps": 3})
    assert train(more, resume=True)["step"] == 3
    assert "start from" not in capsys.readouterr().err


def test_a_word_that_the_first_run_did_not_know_has_its_own_vector(first: Path, tmp_path: Path) -> None:
    root = write_world(tmp_path / "more")
    lines = [json.loads(line) for line in (root / "train.jsonl").read_text().splitlines()]
    lines[0]["text"] = "the blue dog"
    (root / "train.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    options = {"preset": "n", "data": {"size": 2 * SIZE}}
    plain = build_parts(toy_config(root, tmp_path / "plain", **options))
    started = build_parts(toy_config(root, tmp_path / "started", initial=first, **options))
    known = Checkpoint.load(first).processor.tokenizer
    assert isinstance(known, Vocabulary)
    assert "dog" in plain.processor.tokenizer and "dog" not in known
    for parts in (plain, started):
        assert isinstance(parts.model, LaConvNet) and not parts.model.text.embedding.weight.requires_grad
    row = plain.processor.tokenizer.id("dog")
    weights = [parts.model.text.embedding.weight[row] for parts in (plain, started)]  # type: ignore[union-attr, operator, index]
    assert torch.equal(*weights)
