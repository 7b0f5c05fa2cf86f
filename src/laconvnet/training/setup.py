"""Building what a run works on: data, vocabulary, network and task."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from laconvnet.data import ConcatDataset, ImageBatchSampler, Loader
from laconvnet.language import Vocabulary, embedding_matrix, load_word_vectors
from laconvnet.models import Preprocess, build_model, save_checkpoint
from laconvnet.tasks import Task, build_tasks
from laconvnet.training.card import model_card
from laconvnet.training.config import TrainConfig
from laconvnet.training.datasets import dataset_infos, eval_dataset, list_answers, list_words, load, train_dataset
from laconvnet.training.initial import start_from


@dataclass(frozen=True)
class Parts:
    """What a trainer moves.

    Attributes:
        model: the network, on the CPU.
        task: loss, decoding and metric.
        vocabulary: the words and their ids.
        train_loader: batches to learn from; this process's share.
        eval_loader: batches to evaluate on; this process's share, over all processes every sample once.
        export: writes a checkpoint folder of the network with the metrics it reached.
    """

    model: nn.Module
    task: Task
    vocabulary: Vocabulary
    train_loader: Loader
    eval_loader: Loader
    export: Callable[[Path, nn.Module, dict[str, float]], None]


def build_parts(
    config: TrainConfig, vocabulary: Vocabulary | None = None, *, rank: int = 0, world_size: int = 1
) -> Parts:
    """Build what a run works on, and say on stderr what `initial` gave to it.

    Args:
        config: the run's settings.
        vocabulary: words of a run that is resumed and brings its weights; None lists those of the training split.
        rank: number of this process.
        world_size: number of processes.

    Returns:
        The parts; the network's random weights depend on PyTorch's global seed only.
    """
    answers = list_answers(config)
    task = build_tasks(config.tasks, answers=answers)
    train_data, eval_data = train_dataset(config, task), eval_dataset(config, task)
    if "res" in task.heads and not {"res", "gres"} & {*config.tasks}:
        raise ValueError(f"tasks.vqa.mask_weight needs a mask head: add res or gres to {', '.join(config.tasks)}")
    is_resumed = vocabulary is not None
    if vocabulary is None:
        vocabulary = list_words(config, train_data)
    model = build_model(
        config.preset, tuple(config.tasks), vocabulary=vocabulary, **model_settings(config, task, answers)
    )
    model.set_grad_checkpointing(config.grad_checkpointing)
    initialise_embedding(
        model.text.embedding,
        vocabulary,
        config.vectors,
        standardize=config.standardize_vectors,
        freeze=config.freeze_embedding,
    )
    if config.initial is not None and not is_resumed:
        start = start_from(config.initial, model, vocabulary)
        if rank == 0:
            print(start, file=sys.stderr)

    data = config.data
    encode = partial(vocabulary.encode, max_length=config.words_kept)
    train_sampler = ImageBatchSampler(
        train_data,
        data.batch_size,
        sentences_per_image=data.sentences_per_image,
        shares=train_data.shares if isinstance(train_data, ConcatDataset) else (),
        seed=config.seed,
        rank=rank,
        world_size=world_size,
    )
    eval_sampler = ImageBatchSampler(eval_data, data.eval_batch_size, shuffle=False, rank=rank, world_size=world_size)
    preprocess = Preprocess(size=data.size, resize=data.resize, max_length=config.words_kept)
    infos = dataset_infos(config)

    def export(folder: Path, network: nn.Module, metrics: dict[str, float]) -> None:
        card = model_card(config, infos, metrics)
        save_checkpoint(folder, network, vocabulary=vocabulary, preprocess=preprocess, card=card)

    return Parts(
        model=model,
        task=task,
        vocabulary=vocabulary,
        train_loader=load(config, train_data, train_sampler, encode),
        eval_loader=load(config, eval_data, eval_sampler, encode),
        export=export,
    )


def model_settings(config: TrainConfig, task: Task, answers: Sequence[str]) -> dict[str, Any]:
    """The changes to the preset: those of the settings, the heads that the tasks ask for, and the answers."""
    head = {**config.model.get("head", {}), "no_target": "no_target" in task.heads}
    return {**config.model, "head": head, "answers": tuple(answers)}


def initialise_embedding(
    embedding: nn.Embedding, vocabulary: Vocabulary, vectors: Path | None, *, standardize: bool, freeze: bool
) -> None:
    """Put word vectors into a word embedding.

    Args:
        embedding: one row per word id.
        vocabulary: the word ids.
        vectors: GloVe text file; None takes the shipped table.
        standardize: give every number mean 0 and deviation 1 over the vocabulary.
        freeze: keep the rows as they are during training.

    Raises:
        ValueError: when the vectors of the embedding have another length than those of the table.
    """
    table = load_word_vectors(vectors, keep=frozenset(vocabulary.words))
    width = embedding.weight.shape[1]
    if table.dimension != width:
        raise ValueError(
            f"the network reads words of {width} numbers (model.language.embed_dim), "
            f"{vectors or 'the shipped table'} has {table.dimension}; change one of them"
        )
    with torch.no_grad():
        embedding.weight.copy_(embedding_matrix(vocabulary, table, standardize=standardize))
    embedding.weight.requires_grad_(not freeze)
