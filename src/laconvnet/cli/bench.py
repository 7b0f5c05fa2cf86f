"""`laconvnet bench`: measure operator, networks, training and loading on this machine."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from laconvnet.cli.common import Device, JsonFlag

if TYPE_CHECKING:
    from laconvnet.bench.report import Report


app = typer.Typer(help="Measure on this machine.", no_args_is_help=True)

Preset = Annotated[str, typer.Argument(help="n, t, s, b, s_paper or b_paper.")]
Size = Annotated[int, typer.Option(help="Side of the picture, a multiple of 32.")]
Batch = Annotated[str, typer.Option(metavar="N,N", help="Pictures together.")]
Words = Annotated[int, typer.Option(min=1, help="Words per sentence.")]
VocabularySize = Annotated[int, typer.Option(min=2, help="Rows of the word-vector table.")]
Dtype = Annotated[str, typer.Option(metavar="NAME,NAME", help="Number formats: float32, bfloat16, float16.")]
Backends = Annotated[
    str, typer.Option(metavar="NAME,NAME", help="Of the operator; default lets it choose, plain is PyTorch alone.")
]
Memory = Annotated[bool, typer.Option(help="Also run each in a process of its own, for its peak of memory.")]
Threads = Annotated[int | None, typer.Option(min=1, help="CPU threads; PyTorch's number unless given.")]
Repeats = Annotated[int, typer.Option(min=2, help="Timed rounds.")]
Out = Annotated[Path | None, typer.Option(help="Folder for a CSV, a JSON and a PNG file.")]
Plot = Annotated[bool, typer.Option(help="Make the PNG file; needs the extra plots.")]


@app.command("op")
def bench_op(
    preset: Annotated[str, typer.Option(help="Whose convolutions: n, t, s, b, s_paper or b_paper.")] = "s",
    size: Size = 416,
    stage: Annotated[str, typer.Option(metavar="N,N", help="Stages of the network.")] = "1,2,3,4,5",
    batch: Batch = "1,8",
    dtype: Dtype = "float32",
    backend: Annotated[str | None, typer.Option(metavar="NAME,NAME", help="Backends; all unless given.")] = None,
    compiled: Annotated[
        bool, typer.Option("--compile", help="Also time what torch.compile makes of plain PyTorch; takes minutes.")
    ] = False,
    threads: Threads = None,
    repeats: Repeats = 7,
    device: Device = "cpu",
    out: Out = None,
    plot: Plot = True,
    as_json: JsonFlag = False,
) -> None:
    """The operator's backends against plain PyTorch and the machine's limits; what is wrong is not timed."""
    from laconvnet.bench import op
    from laconvnet.bench.operator_case import stage_shapes

    _measure(
        lambda: op.bench_op(
            stage_shapes(preset, size, _numbers("--stage", stage)),
            batches=_numbers("--batch", batch),
            dtypes=_names(dtype),
            backends=_names(backend) or None,
            compiled=compiled,
            device=device,
            threads=threads,
            repeats=repeats,
            progress=True,
        ),
        out,
        plot,
        as_json,
    )


@app.command("model")
def bench_model(
    preset: Preset = "s",
    head: Annotated[
        list[str] | None, typer.Option(help="What it says, repeatable: rec, res, no_target, answer; rec unless given.")
    ] = None,
    size: Size = 416,
    batch: Batch = "1",
    words: Words = 15,
    vocabulary_size: VocabularySize = 10000,
    dtype: Dtype = "float32",
    backend: Backends = "default",
    compiled: Annotated[
        bool, typer.Option("--compile", help="Also time what torch.compile makes of it; takes a minute.")
    ] = False,
    against: Annotated[str | None, typer.Option(metavar="NAME,NAME", help="Others: vilt, resnet50.")] = None,
    grows: Annotated[bool, typer.Option("--growth", help="Instead: how time grows with pixels, batch, words.")] = False,
    memory: Memory = True,
    threads: Threads = None,
    repeats: Repeats = 10,
    device: Device = "cpu",
    out: Out = None,
    plot: Plot = True,
    as_json: JsonFlag = False,
) -> None:
    """Parameters, multiply-accumulates, time and peak memory of a preset's forward pass, with fresh weights."""
    from laconvnet.bench import growth, passes

    plan = passes.Plan(
        preset=preset,
        heads=tuple(head or ["rec"]),
        size=size,
        batches=_numbers("--batch", batch),
        words=words,
        vocabulary_size=vocabulary_size,
        dtypes=_names(dtype),
        backends=_names(backend),
        device=device,
        threads=threads,
        repeats=repeats,
        memory=memory,
        progress=True,
    )
    if grows:
        if against or compiled or len(plan.batches) > 1 or len(plan.dtypes) > 1:
            raise typer.BadParameter(
                "--growth starts from one --batch and --dtype, and takes no --against or --compile"
            )
        return _measure(lambda: growth.bench_growth(plan), out, plot, as_json)
    _measure(lambda: passes.bench_model(plan, compiled=compiled, against=_names(against)), out, plot, as_json)


@app.command("train")
def bench_train(
    preset: Preset = "s",
    size: Size = 416,
    batch: Batch = "8",
    words: Words = 15,
    vocabulary_size: VocabularySize = 10000,
    dtype: Dtype = "float32",
    backend: Backends = "default",
    grad_checkpointing: Annotated[
        bool, typer.Option("--grad-checkpointing", help="Also with gradient checkpointing.")
    ] = False,
    keep_freed_memory: Annotated[
        bool, typer.Option(help="On a CPU, keep freed memory in the process, as runs do unless told otherwise.")
    ] = True,
    memory: Memory = True,
    threads: Threads = None,
    repeats: Repeats = 5,
    device: Device = "cpu",
    out: Out = None,
    plot: Plot = True,
    as_json: JsonFlag = False,
) -> None:
    """Time and peak memory of a training step of REC: forward, loss, backward, update."""
    from laconvnet.bench import passes

    plan = passes.Plan(
        preset=preset,
        size=size,
        batches=_numbers("--batch", batch),
        words=words,
        vocabulary_size=vocabulary_size,
        dtypes=_names(dtype),
        backends=_names(backend),
        device=device,
        threads=threads,
        repeats=repeats,
        memory=memory,
        progress=True,
    )
    _measure(
        lambda: passes.bench_train(plan, grad_checkpointing=grad_checkpointing, keep_freed_memory=keep_freed_memory),
        out,
        plot,
        as_json,
    )


@app.command("data")
def bench_data(
    root: Annotated[Path | None, typer.Argument(help="Dataset folder; scenes unless given.")] = None,
    split: Annotated[str, typer.Option(help="Which split.")] = "train",
    size: Size = 416,
    pictures: Annotated[int, typer.Option(min=1, help="Pictures of the split, the first ones.")] = 64,
    threads: Annotated[int, typer.Option(min=1, help="Cores: processes of one thread each.")] = 1,
    repeats: Repeats = 5,
    out: Out = None,
    as_json: JsonFlag = False,
) -> None:
    """Pictures a second that a core reads, changes at random and batches, with all their sentences."""
    from laconvnet.bench import data

    _measure(
        lambda: data.bench_data(root, split=split, size=size, pictures=pictures, cores=threads, repeats=repeats),
        out,
        False,
        as_json,
    )


def _names(text: str | None) -> list[str]:
    """Reads NAME,NAME."""
    return [name.strip() for name in text.split(",")] if text else []


def _numbers(option: str, text: str) -> list[int]:
    """Reads N,N."""
    numbers = text.split(",")
    if not all(number.isdecimal() and int(number) for number in numbers):
        raise typer.BadParameter(f"{option} needs numbers of at least 1, such as 1,8; got {text!r}")
    return [int(number) for number in numbers]


def _measure(run: Callable[[], Report], out: Path | None, plot: bool, as_json: bool) -> None:
    """Runs a benchmark, prints it and writes its files."""
    from laconvnet.plots import require_plots

    if out is not None and plot:
        require_plots()
    report = run()
    if as_json:
        typer.echo(json.dumps(report.to_json(), indent=2, ensure_ascii=False))
    else:
        typer.echo(str(report))
    for path in report.save(out, plot=plot) if out is not None else ():
        typer.echo(f"wrote {path}", err=True)
