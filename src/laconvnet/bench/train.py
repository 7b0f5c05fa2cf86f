"""How long a training step takes, and how much memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product

import torch
from torch import Tensor
from tqdm import tqdm

from laconvnet.bench.machine import use_threads
from laconvnet.bench.memory import measure_memory
from laconvnet.bench.model import baseline_of, draw_rows
from laconvnet.bench.networks import LaConvNetwork, Load
from laconvnet.bench.operator_case import DEFAULT, PASSES, check_backends, on_backend
from laconvnet.bench.report import Report, Row
from laconvnet.bench.timing import compare
from laconvnet.models import LaConvNet
from laconvnet.tasks import build_task
from laconvnet.training import EMAConfig, ExponentialMovingAverage, OptimizerConfig, to_model_input
from laconvnet.training.memory import keep_freed_memory
from laconvnet.training.optimizer import build_optimizer

COLUMNS = (
    *("batch", "contender", "size", "dtype", "median_ms", "times_faster", "sentences_per_second"),
    *("memory_before_mib", "peak_memory_mib", "share_of_memory"),
)


@dataclass(frozen=True)
class TrainingStep:
    """A step of learning to point: forward, loss, backward, clipping, Adam, running average.

    Attributes:
        preset: the network.
        load: what it is given.
        vocabulary_size: rows of its frozen word-vector table.
        backend: of the operator, by name, or `DEFAULT`.
        grad_checkpointing: keep less for the backward pass, see `LaConvNet.set_grad_checkpointing`.
        keep_freed_memory: on a CPU, as `TrainConfig.keep_freed_memory`; once a step does, all of the process do.
    """

    preset: str
    load: Load
    vocabulary_size: int = 10_000
    backend: str = DEFAULT
    grad_checkpointing: bool = False
    keep_freed_memory: bool = True

    def __post_init__(self) -> None:
        if self.load.dtype == "float16":
            raise ValueError("a training step runs in float32 or bfloat16; float16 needs its loss scaled")

    @property
    def name(self) -> str:
        """Preset, the backend that runs, and whether it checkpoints."""
        return f"{self._network.name}{' checkpointed' if self.grad_checkpointing else ''}"

    @property
    def device(self) -> str:
        """Where it runs."""
        return self.load.device

    @property
    def _network(self) -> LaConvNetwork:
        return LaConvNetwork(self.preset, self.load, ("rec",), self.vocabulary_size, self.backend)

    def _ready(self) -> tuple[LaConvNet, dict[str, Tensor]]:
        """The network, and a batch as a loader gives it."""
        network = self._network.network()
        network.text.embedding.requires_grad_(False)
        network.set_grad_checkpointing(self.grad_checkpointing)
        images, tokens = self.load.inputs(self.vocabulary_size)
        corners = torch.rand(self.load.batch, 2, 2, generator=torch.Generator().manual_seed(0)).sort(1).values
        boxes = (corners * self.load.size).flatten(1).to(self.device)
        return network, {"images": (255 * images).byte(), "tokens": tokens, "target_boxes": boxes}

    def build(self) -> Callable[[], None]:
        """Fresh weights, optimiser and batch; the function is one step."""
        if self.keep_freed_memory and self.device == "cpu":
            keep_freed_memory()
        network, raw = self._ready()
        task, settings, decay = build_task("rec"), OptimizerConfig(), EMAConfig().decay
        optimizer = build_optimizer(network, settings)
        average = ExponentialMovingAverage(network, decay or 0.0)
        trainable = [parameter for parameter in network.parameters() if parameter.requires_grad]

        def step() -> None:
            batch = to_model_input(raw, torch.device(self.device))
            with on_backend(self.backend):
                with self.load.autocast():
                    outputs = network(batch["images"], batch["tokens"])
                # As accelerate does: the loss is computed in float32.
                loss = task.loss({name: value.float() for name, value in outputs.items()}, batch)["loss"]
                loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(trainable, settings.clip_grad_norm or float("inf"))
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            average.update()

        return step


def bench_train(
    preset: str,
    *,
    size: int = 416,
    batches: Sequence[int] = (8,),
    words: int = 15,
    vocabulary_size: int = 10_000,
    dtypes: Sequence[str] = ("float32",),
    backends: Sequence[str] = (DEFAULT,),
    grad_checkpointing: bool = False,
    keep_freed_memory: bool = True,
    device: str = "cpu",
    threads: int | None = None,
    repeats: int = 5,
    memory: bool = True,
    progress: bool = False,
) -> Report:
    """Time and weigh a training step of REC on backends in turn.

    Args:
        preset: the network.
        size: side of the square pictures, a multiple of 32.
        batches: sentences together.
        words: words per sentence.
        vocabulary_size: rows of the word-vector table.
        dtypes: "float32", "bfloat16".
        backends: of the operator, by name; "default" is its own choice.
        grad_checkpointing: also time each with gradient checkpointing.
        keep_freed_memory: on a CPU, as a run does, keep freed memory in this process from now on.
        device: where to run.
        threads: CPU threads; None leaves PyTorch's.
        repeats: timed rounds.
        memory: also run each in a fresh process, for the peak of its memory.
        progress: show a bar.

    Returns:
        A row per batch, number format, backend and way to keep activations; "times_faster" and "share_of_memory" are
        against the reference backend, or against the first row of the batch if that is not asked for.

    Raises:
        ParityError: a backend disagrees with the reference.
        ValueError: an unknown preset, backend or number format.
    """
    rows: list[Row] = []
    with use_threads(threads):
        for batch in tqdm(batches, desc="train", unit="batch", disable=None if progress else True):
            steps: dict[str, TrainingStep] = {}
            for dtype in dtypes:
                load = Load(size, batch, words, dtype, device)
                ways = (False, True) if grad_checkpointing else (False,)
                own = [
                    TrainingStep(preset, load, vocabulary_size, backend, way, keep_freed_memory)
                    for backend, way in product(backends, ways)
                ]
                check_backends(backends, preset, size=size, batch=batch, dtype=dtype, device=device, pass_=PASSES[1])
                for step in own:
                    steps[step.name if dtype == "float32" else f"{step.name} {dtype}"] = step
            rows += _bench_batch(steps, repeats, memory)
        settings: dict[str, object] = {"preset": preset, "words": words, "device": device, "repeats": repeats}
        settings["keep_freed_memory"] = keep_freed_memory
        return Report("train", settings, rows, columns=COLUMNS, draw=partial(draw_rows, rows=rows))


def _bench_batch(steps: dict[str, TrainingStep], repeats: int, memory: bool) -> list[Row]:
    # Before anything is built here: on a GPU both share the memory.
    peaks = {name: measure_memory(step) for name, step in steps.items()} if memory else {}
    times = compare({name: step.build() for name, step in steps.items()}, repeats=repeats)
    first = baseline_of(steps)
    rows: list[Row] = []
    for name, step in steps.items():
        row: Row = {
            "batch": step.load.batch,
            "contender": name,
            "size": step.load.size,
            "words": step.load.words,
            "dtype": step.load.dtype,
            **times[name].row(),
            "times_faster": round(times[first].median / times[name].median, 2),
            "sentences_per_second": round(1e3 * step.load.batch / times[name].median, 2),
        }
        if memory:
            row |= peaks[name].row()
            row["share_of_memory"] = round(peaks[name].peak / peaks[first].peak, 3)
        rows.append(row)
    return rows
