"""The parts of a real run: which splits are shuffled, the word embedding, what follows the settings."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
import torch
from torch import nn
from toy_world import toy_config

from laconvnet.data import read_records
from laconvnet.language import Vocabulary, load_word_vectors
from laconvnet.layers import LaConvBlock
from laconvnet.models.backbone import ConvNormAct
from laconvnet.training.setup import Begun, build_parts, initialise_embedding


@pytest.mark.parametrize("which", [False, True, "train", "val"])
def test_the_control_reaches_the_splits_it_names(world: Path, tmp_path: Path, which: bool | str) -> None:
    parts = build_parts(toy_config(world, tmp_path, preset="n", data={"shuffle_sentences": which}))
    for split, loader in (("train", parts.train_loader), ("val", parts.eval_loader)):
        before = [record.text for record in read_records(world / f"{split}.jsonl")]
        after = [record.text for record in loader.dataset.records]  # type: ignore[attr-defined]
        assert (before != after) == (which in (True, split))
        assert Counter(before) == Counter(after)


def test_parts_follow_the_settings(world: Path, tmp_path: Path) -> None:
    config = toy_config(world, tmp_path, preset="n", data={"val_limit": 3, "max_length": 2, "size": 64})
    parts = build_parts(config)
    batch = next(iter(parts.train_loader))
    assert batch["images"].shape == (4, 3, 64, 64) and batch["images"].dtype == torch.uint8
    assert batch["tokens"].shape == (4, 2)
    assert len(parts.eval_loader.dataset) == 3  # type: ignore[arg-type]
    vocabulary = parts.processor.tokenizer
    assert isinstance(vocabulary, Vocabulary) and "red" in vocabulary and vocabulary.num_buckets == 32
    resumed = build_parts(config, Begun(Vocabulary(["other"]), parts.options))
    assert resumed.processor.tokenizer == Vocabulary(["other"])


@pytest.mark.parametrize("enable", [True, False])
def test_layers_learn_whether_memory_is_short(world: Path, tmp_path: Path, enable: bool) -> None:
    model = build_parts(toy_config(world, tmp_path, preset="n", grad_checkpointing=enable)).model
    layers = [module for module in model.modules() if isinstance(module, LaConvBlock | ConvNormAct)]
    assert {layer.grad_checkpointing for layer in layers} == {enable}


def test_the_embedding_takes_the_word_vectors() -> None:
    vocabulary = Vocabulary(["dog", "zzyzxq"], num_buckets=2)
    embedding = nn.Embedding(len(vocabulary), 100, padding_idx=0)
    initialise_embedding(embedding, vocabulary, None, standardize=False, freeze=True)
    expected = torch.from_numpy(load_word_vectors()["dog"].copy())
    assert torch.equal(embedding.weight[vocabulary.id("dog")], expected)
    assert torch.equal(embedding.weight[0], torch.zeros(100))
    assert not embedding.weight.requires_grad
    initialise_embedding(embedding, vocabulary, None, standardize=False, freeze=False)
    assert embedding.weight.requires_grad


def test_vectors_of_another_width_are_refused(tmp_path: Path) -> None:
    table = tmp_path / "glove.txt"
    table.write_text("dog 1 2 3\n")
    vocabulary = Vocabulary(["dog"])
    with pytest.raises(ValueError, match=r"words of 100 numbers .*glove\.txt has 3"):
        initialise_embedding(nn.Embedding(len(vocabulary), 100), vocabulary, table, standardize=False, freeze=True)
