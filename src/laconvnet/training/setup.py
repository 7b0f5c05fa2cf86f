"""Building what a run works on: data, vocabulary, network and task."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, cast

import torch
from torch import nn

from laconvnet.data import ConcatDataset, ImageBatchSampler, Loader
from laconvnet.files import write_json
from laconvnet.language import Vocabulary, embedding_matrix, load_word_vectors
from laconvnet.models import Checkpoint, LaConvNet, build_model
from laconvnet.models.checkpoint import TASK_SETTINGS
from laconvnet.models.transfer import start_from
from laconvnet.processing import Preprocess, Processor
from laconvnet.processing.processor import VOCABULARY
from laconvnet.settings import read_json
from laconvnet.tasks import MultiTask, Task, answers_of, build_tasks, check_fit, find_task, together
from laconvnet.training.card import model_card
from laconvnet.training.config import TrainConfig
from laconvnet.training.datasets import dataset_infos, eval_dataset, list_answers, list_words, load, train_dataset


@dataclass(frozen=True)
class Parts:
    """What a trainer moves.

    Attributes:
        model: the network, on the CPU.
        task: loss, decoding and metric.
        options: the settings of its tasks, answers included, as plain values.
        processor: how pictures and sentences reach the network.
        train_loader: batches to learn from; this process's share.
        eval_loader: batches to evaluate on; this process's share, over all processes every sample once.
        card: writes the model card of a network that reached some metrics.
    """

    model: nn.Module
    task: Task[Any] | MultiTask
    options: Mapping[str, Mapping[str, Any]]
    processor: Processor
    train_loader: Loader
    eval_loader: Loader
    card: Callable[[dict[str, float]], str]

    def export(self, folder: Path, network: nn.Module, metrics: dict[str, float]) -> None:
        """Write a checkpoint folder of the network with the metrics that it reached."""
        checkpoint = Checkpoint(cast(LaConvNet, network), self.processor, self.options, self.card(metrics))
        checkpoint.save(folder)


@dataclass(frozen=True)
class Begun:
    """What a run keeps that is resumed, whatever its data say by now.

    Attributes:
        vocabulary: the words and their ids.
        options: the settings of its tasks, answers included.
    """

    vocabulary: Vocabulary
    options: Mapping[str, Mapping[str, Any]]

    def save(self, folder: Path) -> None:
        """Write `vocabulary.json` and `tasks.json` into a folder."""
        self.vocabulary.save(folder / VOCABULARY)
        write_json(folder / TASK_SETTINGS, dict(self.options))

    @classmethod
    def load(cls, folder: Path) -> Begun:
        """Read what `save` wrote.

        Raises:
            ValueError: the run is of an older form.
        """
        if not (folder / TASK_SETTINGS).is_file():
            raise ValueError(
                f"{folder} has no {TASK_SETTINGS}: the run is of an older form and cannot go on; start a new one"
            )
        return cls(Vocabulary.load(folder / VOCABULARY), read_json(folder / TASK_SETTINGS))


def build_parts(config: TrainConfig, begun: Begun | None = None, *, rank: int = 0, world_size: int = 1) -> Parts:
    """Build what a run works on, and say on stderr what `initial` gave to it.

    Args:
        config: the run's settings.
        begun: words and answers of a run that is resumed and brings its weights; None lists those of its data.
        rank: number of this process.
        world_size: number of processes.

    Returns:
        The parts; the network's random weights depend on PyTorch's global seed only.
    """
    tasks = _build_tasks(config, begun)
    task = together(tasks)
    answers = answers_of(tasks)
    train_data, eval_data = train_dataset(config, tasks), eval_dataset(config, tasks)
    vocabulary = list_words(config, train_data) if begun is None else begun.vocabulary
    model = build_model(config.preset, task.heads, vocabulary=vocabulary, num_answers=len(answers), **config.model)
    model.set_grad_checkpointing(config.grad_checkpointing)
    initialise_embedding(
        model.text.embedding,
        vocabulary,
        config.vectors,
        standardize=config.standardize_vectors,
        freeze=config.freeze_embedding,
    )
    check_fit(tasks, model.config)
    if config.initial is not None and begun is None:
        start = start_from(config.initial, model, vocabulary, answers, answers_of=_answers_learned)
        if rank == 0:
            print(start, file=sys.stderr)

    data = config.data
    processor = Processor(Preprocess(size=data.size, resize=data.resize, max_length=config.words_kept), vocabulary)
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
    return Parts(
        model=model,
        task=task,
        options={each.name: each.options.model_dump(mode="json") for each in tasks},
        processor=processor,
        train_loader=load(config, train_data, train_sampler, processor.encode),
        eval_loader=load(config, eval_data, eval_sampler, processor.encode),
        card=partial(model_card, config, dataset_infos(config)),
    )


def _answers_learned(checkpoint: Checkpoint) -> tuple[str, ...]:
    """What the outputs of a checkpoint's answer head stand for."""
    return answers_of(build_tasks(checkpoint.tasks, stride=checkpoint.network.config.stride))


def _build_tasks(config: TrainConfig, begun: Begun | None) -> tuple[Task[Any], ...]:
    """The tasks, with the answers of a run that is resumed, or else those of the data."""
    options: dict[str, Any] = {}
    for name, given in config.tasks.items():
        if begun is None:
            options[name] = find_task(name).complete(given, partial(list_answers, config, name))
        else:
            options[name] = begun.options[name]
    return build_tasks(
        options, stride=max(config.network.backbone.strides), where=str(config.output / "last" / TASK_SETTINGS)
    )


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
