"""A step of learning to measure, as a run makes it: forward, loss, backward, clipping, Adam, running average."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import cast

import torch

from laconvnet.bench.load import Load
from laconvnet.bench.networks import Contender, Network
from laconvnet.bench.operator_case import on_backend
from laconvnet.data import Batch, to_device
from laconvnet.tasks import build_task
from laconvnet.training import EMAConfig, ExponentialMovingAverage, OptimizerConfig
from laconvnet.training.memory import keep_freed_memory
from laconvnet.training.optimizer import build_optimizer


def training_step(network: Network, load: Load, *, checkpoints: bool = False, keeps_memory: bool = True) -> Contender:
    """A step in which a network learns to point.

    Args:
        network: it; its head is "rec".
        load: what it is given.
        checkpoints: keep less for the backward pass, see `LaConvNet.set_grad_checkpointing`.
        keeps_memory: on a CPU, as `TrainConfig.keep_freed_memory`; once a step does, all of the process do.

    Raises:
        ValueError: the load is one of float16.
    """
    if load.dtype == "float16":
        raise ValueError("a training step runs in float32 or bfloat16; float16 needs its loss scaled")
    name = network.name_on(load) + (" checkpointed" if checkpoints else "")
    build = partial(_build, network, load, checkpoints, keeps_memory)
    return Contender(name, load, build, partial(network.cost, load), passes=3, backend=network.backend)


def _build(settings: Network, load: Load, checkpoints: bool, keeps_memory: bool) -> Callable[[], None]:
    if keeps_memory and load.device == "cpu":
        keep_freed_memory()
    network = settings.fresh().to(load.device)
    network.text.embedding.requires_grad_(False)
    network.set_grad_checkpointing(checkpoints)
    images, tokens = load.inputs(settings.vocabulary_size)
    corners = torch.rand(load.batch, 2, 2, generator=torch.Generator().manual_seed(0)).sort(1).values
    boxes = (corners * load.size).flatten(1).to(load.device)
    given = {"images": (255 * images).byte(), "tokens": tokens, "target_boxes": boxes}  # as a loader gives them
    task, config, decay = build_task("rec"), OptimizerConfig(), EMAConfig().decay
    optimizer = build_optimizer(network, config)
    average = ExponentialMovingAverage(network, decay or 0.0)
    trainable = [parameter for parameter in network.parameters() if parameter.requires_grad]

    def step() -> None:
        batch = to_device(cast(Batch, given), torch.device(load.device))
        with on_backend(settings.backend):
            with load.autocast():
                outputs = network(batch["images"], batch["tokens"])
            # As accelerate does: the loss is computed in float32.
            loss = task.loss({name: value.float() for name, value in outputs.items()}, batch)["loss"]
            loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(trainable, config.clip_grad_norm or float("inf"))
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        average.update()

    return step
