"""The commands that make, judge and use networks."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal

import typer

from laconvnet.cli.common import Device, JsonFlag, Weights, print_json, settings


def train(
    config: Annotated[
        Path, typer.Argument(help="YAML file, or a name of `laconvnet config list`.", show_default=False)
    ],
    overrides: Annotated[
        list[str] | None, typer.Argument(help="Changed settings, such as data.size=224.", show_default=False)
    ] = None,
    resume: Annotated[bool, typer.Option(help="Go on where the run in its output folder stopped.")] = False,
) -> None:
    """Train a network."""
    from laconvnet.training import TrainingInterrupted, load_config
    from laconvnet.training import train as run

    try:
        results = run(load_config(config, overrides or []), resume=resume)
    except TrainingInterrupted as interruption:
        raise RuntimeError(str(interruption)) from None
    if os.environ.get("RANK", "0") == "0":  # of several processes one speaks
        print_json(results)


def evaluate(
    model: Annotated[str, Weights],
    data: Annotated[Path, typer.Option(help="Dataset folder.")],
    split: Annotated[str, typer.Option(help="Which split.")] = "val",
    task: Annotated[
        str | None, typer.Option(help="What to score; by default the first task that the dataset names, too.")
    ] = None,
    option: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE",
            help="A setting of the task to change for scoring, repeatable: mask_rule=dilate scores masks as the "
            "paper's authors do, min_pixels=50 is for gres.",
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option("--json", help="Write the result to this JSON file.")] = None,
    save_predictions: Annotated[
        Path | None, typer.Option(help="Write what the network says of every record, beside the truth, to this file.")
    ] = None,
    sheet: Annotated[
        Path | None, typer.Option(help="Draw records that are answered wrongly into this picture.")
    ] = None,
    shuffle_sentences: Annotated[
        bool, typer.Option(help="Control: permute the sentences among the pictures first.")
    ] = False,
    blind: Annotated[
        str | None,
        typer.Option(metavar="SPLIT", help="Also score answers chosen on this split without looking."),
    ] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Sentences together.")] = 64,
    workers: Annotated[int, typer.Option(min=0, help="Processes that read pictures.")] = 1,
    device: Device = "cpu",
) -> None:
    """Score a checkpoint on a split, with 95 % intervals: a table on a terminal, JSON elsewhere."""
    from laconvnet.evaluation import score_checkpoint
    from laconvnet.evaluation.tables import result_table
    from laconvnet.files import check_writable, write_json

    if out is not None:
        check_writable(out)
    written = [path.resolve() for path in (out, save_predictions, sheet) if path is not None]
    if len(set(written)) < len(written):
        raise typer.BadParameter("--json, --save-predictions and --sheet need a file each")
    result = score_checkpoint(
        model,
        data,
        split,
        task=task,
        options=settings("--option", option or []),
        save_predictions=save_predictions,
        sheet=sheet,
        shuffle_sentences=shuffle_sentences,
        blind_split=blind,
        batch_size=batch_size,
        num_workers=workers,
        device=device,
        progress=True,
    )
    if out is not None:
        write_json(out, result)
    if typer.get_text_stream("stdout").isatty():
        typer.echo(result_table(result))
    else:
        print_json(result)


def predict(
    source: Annotated[
        Path,
        typer.Argument(
            help="Picture, folder of pictures, or JSON lines with an image and a text each; labels are not needed.",
            show_default=False,
        ),
    ],
    text: Annotated[
        list[str] | None,
        typer.Argument(help="One sentence or several, about every picture.", show_default=False),
    ] = None,
    model: Annotated[str, Weights] = "photos-t",
    task: Annotated[
        list[str] | None,
        typer.Option(help="Task that shall answer, repeatable; by default each sentence goes to the task it is for."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Draw the answers: on a picture into this file, on several into this folder."),
    ] = None,
    save: Annotated[Path | None, typer.Option(help="Write the answers to this file, as JSON lines.")] = None,
    top_k: Annotated[int, typer.Option(min=1, help="Most boxes of an answer.")] = 1,
    min_score: Annotated[float, typer.Option(min=0, max=1, help="Score below which a box is left out.")] = 0.0,
    as_json: JsonFlag = False,
    batch_size: Annotated[int, typer.Option(min=1, help="Sentences together.")] = 16,
    device: Device = "cpu",
    dtype: Annotated[
        Literal["float32", "bfloat16", "float16"], typer.Option(help="Number format in which the network computes.")
    ] = "float32",
) -> None:
    """Point at what each sentence names, cut it out, or answer it: whatever the network learned."""
    from laconvnet.models import named_dtype
    from laconvnet.predict import LINES, predict_files, requests_of
    from laconvnet.predictor import Predictor

    requests = requests_of(source, text or [])
    is_single = not source.is_dir() and source.suffix != LINES
    done = predict_files(
        lambda: Predictor.from_pretrained(model, device=device, dtype=named_dtype(dtype), batch_size=batch_size),
        requests,
        tasks=task,
        top_k=top_k,
        min_score=min_score,
        out=out,
        save=save,
        is_single=is_single,
    )
    told, count, failed = [], 0, 0
    for reply in done:
        count, failed = count + 1, failed + (reply.error is not None)
        if as_json:
            told.append(reply.to_json(masks=False))
        else:
            typer.echo(str(reply) if is_single else f"{reply.request.name}: {reply}")
    if as_json:
        print_json(told)
    if failed:
        raise OSError(
            f"{failed} of {count} sentences could not be answered: their pictures cannot be read, or no words"
        )


def import_official(
    checkpoint: Annotated[Path, typer.Argument(help="The authors' .pth file.", show_default=False)],
    annotations: Annotated[Path, typer.Option(help="The annotation JSON it was trained on.")],
    out: Annotated[Path, typer.Option(help="Checkpoint folder to write.")],
    variant: Annotated[Literal["s", "b"], typer.Option(help="Which of the authors' networks it is.")] = "s",
    task: Annotated[Literal["rec", "res"], typer.Option(help="What it was trained for.")] = "rec",
) -> None:
    """Turn a checkpoint of the paper's authors into a checkpoint folder."""
    from laconvnet.models.official import import_official as convert

    convert(checkpoint, annotations, out, variant=variant, task=task)
    typer.echo(f"wrote {out}")


def doctor() -> None:
    """Say what runs on this machine, and what is missing."""
    from laconvnet.doctor import diagnose

    typer.echo(diagnose())


def demo(
    output: Annotated[Path, typer.Option(help="Folder to write.")] = Path("demo_output"),
    photo: Annotated[Path | None, typer.Option(help="A photograph to find something in.")] = None,
    text: Annotated[list[str] | None, typer.Option(help="What to find in it, repeatable.")] = None,
    scenes: Annotated[int, typer.Option(help="Scenes to draw and to ask about.")] = 60,
    seed: Annotated[int, typer.Option(min=0, help="Of the scenes.")] = 0,
) -> None:
    """Let the shipped networks point, cut out and answer: on scenes they have not seen, and on a photograph."""
    from laconvnet.demo import run_demo

    run_demo(output, photo=photo, texts=text or (), scenes=scenes, seed=seed)
