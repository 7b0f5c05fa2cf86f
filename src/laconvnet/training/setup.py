"""Building what a run works on: data, vocabulary, network and task."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader

from laconvnet.data import (
    Augmentation,
    Collator,
    DatasetInfo,
    FolderDataset,
    ImageBatchSampler,
    Record,
    build_loader,
)
from laconvnet.language import Vocabulary, embedding_matrix, load_word_vectors
from laconvnet.models import Preprocess, build_model, save_checkpoint
from laconvnet.tasks import Task, build_task
from laconvnet.training.card import model_card
from laconvnet.training.config import TrainConfig


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
    train_loader: DataLoader[dict[str, Any]]
    eval_loader: DataLoader[dict[str, Any]]
    export: Callable[[Path, nn.Module, dict[str, float]], None]


def build_parts(
    config: TrainConfig, vocabulary: Vocabulary | None = None, *, rank: int = 0, world_size: int = 1
) -> Parts:
    """Build what a run works on.

    Args:
        config: the run's settings.
        vocabulary: words of a run that is resumed; None lists those of the training split.
        rank: number of this process.
        world_size: number of processes.

    Returns:
        The parts; the network's random weights depend on PyTorch's global seed only.
    """
    task = build_task(config.task, **config.task_options)
    train_data, eval_data = _train_dataset(config), _eval_dataset(config)
    if vocabulary is None:
        texts = (record.text for record in train_data.records)
        vocabulary = Vocabulary.from_texts(texts, config.data.min_count, config.data.num_buckets)
    model = build_model(config.preset, tasks=(config.task,), vocabulary=vocabulary, **config.model)
    initialise_embedding(
        model.text.embedding,
        vocabulary,
        config.vectors,
        standardize=config.standardize_vectors,
        freeze=config.freeze_embedding,
    )

    data = config.data
    collator = Collator(partial(vocabulary.encode, max_length=data.max_length))
    load = partial(build_loader, pin_memory=config.device == "auto" and torch.cuda.is_available())
    train_sampler = ImageBatchSampler(
        train_data,
        data.batch_size,
        sentences_per_image=data.sentences_per_image,
        seed=config.seed,
        rank=rank,
        world_size=world_size,
    )
    eval_sampler = ImageBatchSampler(eval_data, data.eval_batch_size, shuffle=False, rank=rank, world_size=world_size)
    preprocess = Preprocess(size=data.size, resize=data.resize, max_length=data.max_length)
    info = DatasetInfo.load(data.root)

    def export(folder: Path, network: nn.Module, metrics: dict[str, float]) -> None:
        card = model_card(config, info, metrics)
        save_checkpoint(folder, network, vocabulary=vocabulary, preprocess=preprocess, card=card)

    return Parts(
        model=model,
        task=task,
        vocabulary=vocabulary,
        train_loader=load(train_data, train_sampler, collator, data.num_workers),
        eval_loader=load(eval_data, eval_sampler, collator, data.num_workers),
        export=export,
    )


def _train_dataset(config: TrainConfig) -> FolderDataset:
    data = config.data
    augment = Augmentation(
        flip=data.flip, color_jitter=data.color_jitter, hue=data.hue, crop=data.crop, aspect=data.aspect
    )
    dataset = FolderDataset(
        data.root, data.train_split, size=data.size, resize=data.resize, augment=augment, seed=config.seed
    )
    if data.shuffle_sentences in (True, "train"):
        dataset.records = shuffled_sentences(dataset.records, config.seed)
    return dataset


def _eval_dataset(config: TrainConfig) -> FolderDataset:
    data = config.data
    dataset = FolderDataset(data.root, data.val_split, size=data.size, resize=data.resize, seed=config.seed)
    if data.shuffle_sentences in (True, "val"):
        dataset.records = shuffled_sentences(dataset.records, config.seed)
    dataset.records = dataset.records[: data.val_limit]
    return dataset


def shuffled_sentences(records: Sequence[Record], seed: int) -> list[Record]:
    """Permute the sentences among the images, the control that shows whether a network reads them.

    Args:
        records: the records of a split.
        seed: seed of the permutation.

    Returns:
        The records in their order, each with the text and group of another one. No sentence stays with its
        own image, unless one image holds more than half of them.
    """
    rng = np.random.default_rng(seed)
    by_image: dict[str, list[int]] = {}
    for index in rng.permutation(len(records)):
        by_image.setdefault(records[index].image, []).append(int(index))
    # The images stand one after the other; a shift by the longest of them leaves no sentence in its place.
    order = [index for indices in by_image.values() for index in indices]
    shift = max(map(len, by_image.values()), default=0)
    shuffled = list(records)
    for place, index in enumerate(order):
        donor = records[order[(place + shift) % len(order)]]
        shuffled[index] = replace(records[index], text=donor.text, group=donor.group)
    return shuffled


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
