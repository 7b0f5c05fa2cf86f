"""The command line: a table of small functions over the library."""

from __future__ import annotations

import json
import os
import sys
import warnings
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from laconvnet.bench.commands import Device, JsonFlag
from laconvnet.bench.commands import app as bench_app

app = typer.Typer(
    name="laconvnet",
    help="One compact network that reads the sentence from its first pixel on: point at what is named.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
data_app = typer.Typer(help="Convert, check, count and look at datasets.", no_args_is_help=True)
app.add_typer(data_app, name="data")
app.add_typer(bench_app, name="bench")

WEIGHTS = typer.Option(help="Checkpoint folder, or the name of shipped weights: photos-t, scenes-t.")
Root = Annotated[Path, typer.Argument(help="Dataset folder.", show_default=False)]


class Link(StrEnum):
    """How pictures get into the dataset folder."""

    copy = "copy"
    hardlink = "hardlink"
    symlink = "symlink"


class Source(StrEnum):
    """Datasets with a reader."""

    authors = "authors"
    clevr = "clevr"
    clevr_ref_plus = "clevr_ref+"
    coco = "coco"
    flickr30k = "flickr30k"
    grefcoco = "grefcoco"
    odvg = "odvg"
    refcoco = "refcoco"
    refcoco_plus = "refcoco+"
    refcocog_google = "refcocog-google"
    refcocog_umd = "refcocog-umd"
    referit = "referit"
    snli_ve = "snli_ve"
    visual_genome = "visual_genome"
    vqav2 = "vqav2"


def main() -> None:
    """Run the command line; expected failures end in one line and exit code 1, wrong usage in 2."""
    warnings.formatwarning = lambda message, *_, **__: f"warning: {message}\n"
    try:
        app()
    except (OSError, ValueError, TypeError, RuntimeError, FloatingPointError, ImportError) as error:
        typer.echo(f"error: {error}", err=True)
        sys.exit(1)


def _print_json(value: Any) -> None:
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False))


@data_app.command("convert")
def data_convert(
    name: Annotated[Source, typer.Argument(help="Which dataset.", show_default=False)],
    source: Annotated[Path, typer.Option(help="Folder of the raw download, in its official layout.")],
    out: Annotated[Path, typer.Option(help="Dataset folder to make.")],
    pictures: Annotated[Path | None, typer.Option(help="Folder of the pictures, if they lie elsewhere.")] = None,
    link: Annotated[Link, typer.Option(help="Copy the pictures or link to them.")] = Link.copy,
) -> None:
    """Turn a public dataset's raw download into a dataset folder; after Ctrl-C the same command goes on."""
    from laconvnet.data.readers import READERS, convert

    typer.echo(str(convert(READERS[name](source, pictures), out, link=link.value)))


@data_app.command("mix")
def data_mix(
    part: Annotated[
        list[str],
        typer.Option(metavar="FOLDER[:SPLIT]", help="Split of a dataset folder that goes in, train unless named."),
    ],
    out: Annotated[Path, typer.Option(help="Dataset folder to make.")],
    against: Annotated[
        list[Path] | None, typer.Option(help="Dataset folder whose splits other than train are held out.")
    ] = None,
    exclude: Annotated[
        list[Path] | None, typer.Option(help="File of held-out keys, such as coco:1234, one a line.")
    ] = None,
    vg_images: Annotated[Path | None, typer.Option(help="Visual Genome's image_data.json.")] = None,
    near: Annotated[int, typer.Option(help="Bits of 256 that a re-encoded copy may differ by; 0: exact copies.")] = 24,
    link: Annotated[Link, typer.Option(help="Copy the pictures or link to them.")] = Link.copy,
    workers: Annotated[int, typer.Option(min=1, help="Processes that read pictures.")] = 1,
) -> None:
    """Mix datasets to train on, without any picture that one of them holds out, and write an audit."""
    from laconvnet.data.leakage.mix import Part, mix, summary

    audit = mix(
        [Part.parse(text) for text in part],
        out,
        against=against or (),
        exclude=exclude or (),
        vg_images=vg_images,
        near=near,
        link=link.value,
        workers=workers,
        progress=True,
    )
    typer.echo(summary(audit))


@data_app.command("generate")
def data_generate(
    out: Annotated[Path, typer.Argument(help="Dataset folder to make.", show_default=False)],
    split: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=COUNT", help="Scenes of a split, repeatable; train=1000 and val=100 unless given."),
    ] = None,
    sentence: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SORT=COUNT",
            help="Sentences of a scene, repeatable: rec (one target), gres (any number), vqa (questions); rec=4 "
            "unless given.",
        ),
    ] = None,
    world: Annotated[
        str, typer.Option(help="Which scenes occur: clevr, cogent_a, cogent_b, near, simple or hard.")
    ] = "clevr",
    kind: Annotated[list[str] | None, typer.Option(help="Kind of referring expressions; all unless given.")] = None,
    family: Annotated[list[str] | None, typer.Option(help="Family of questions; all unless given.")] = None,
    max_hops: Annotated[
        int | None, typer.Option(min=0, help="Most relations that a description of a question follows; CLEVR's 3.")
    ] = None,
    size: Annotated[str, typer.Option(help="Side of a picture in pixels, or WIDTHxHEIGHT.")] = "224",
    seed: Annotated[int, typer.Option(help="Names the scenes; other seeds give other ones.")] = 0,
    clevr: Annotated[bool, typer.Option("--clevr", help="Also write CLEVR's JSON files, into OUT/clevr.")] = False,
    workers: Annotated[int, typer.Option(min=0, help="Processes that draw.")] = 1,
) -> None:
    """Make scenes of the embedded world with pictures, boxes, masks, answers and programs."""
    from laconvnet.data import generate
    from laconvnet.scenes import FAMILIES, KINDS, WORLDS, SceneSource

    if world not in WORLDS:
        raise ValueError(f"--world must be one of {', '.join(WORLDS)}, got {world!r}")
    source = SceneSource(
        seed,
        WORLDS[world],
        _counts("--sentence", sentence or ["rec=4"]),
        KINDS if kind is None else tuple(kind),
        FAMILIES if family is None else tuple(family),
        max_hops,
    )
    counts = generate(
        out,
        source,
        _counts("--split", split or ["train=1000", "val=100"]),
        size=_picture_size(size),
        workers=workers,
        clevr=clevr,
        progress=True,
    )
    for name, count in counts.items():
        typer.echo(f"{name}: {count} records")


def _counts(option: str, pairs: list[str]) -> dict[str, int]:
    """Reads NAME=COUNT."""
    counts = {}
    for pair in pairs:
        name, _, count = pair.partition("=")
        if not name.isidentifier() or not count.isdecimal():
            raise typer.BadParameter(f"{option} needs NAME=COUNT, such as train=1000; got {pair!r}")
        if name in counts:
            raise typer.BadParameter(f"{option} names {name!r} twice: {' '.join(pairs)}")
        counts[name] = int(count)
    return counts


def _picture_size(text: str) -> int | tuple[int, int]:
    """Reads a side, or WIDTHxHEIGHT."""
    sides = text.split("x")
    if len(sides) > 2 or not all(side.isdecimal() for side in sides):
        raise typer.BadParameter(f"--size needs a number of pixels or WIDTHxHEIGHT, got {text!r}")
    return int(text) if len(sides) == 1 else (int(sides[0]), int(sides[1]))


@data_app.command("validate")
def data_validate(root: Root) -> None:
    """Check every line and every picture; exit code 1 if something is wrong."""
    from laconvnet.data.folder.validate import validate

    report = validate(root, progress=True)
    typer.echo(str(report))
    if not report.ok:
        raise typer.Exit(1)


@data_app.command("stats")
def data_stats(root: Root, as_json: JsonFlag = False) -> None:
    """Count records, words, boxes and groups."""
    from laconvnet.data.folder.stats import describe, table

    description = describe(root)
    if as_json:
        _print_json(description)
    else:
        typer.echo(table(description))


@data_app.command("show")
def data_show(
    root: Root,
    split: Annotated[str, typer.Option(help="Which split.")] = "train",
    out: Annotated[Path, typer.Option(help="Picture to write.")] = Path("sheet.png"),
    count: Annotated[int, typer.Option(min=1, help="Records on the sheet.")] = 12,
    seed: Annotated[int | None, typer.Option(help="Draw them at random; without it, the first ones.")] = None,
) -> None:
    """Draw records with their boxes and sentences on one sheet."""
    from laconvnet.data.folder.show import show

    show(root, split, out, count=count, seed=seed)
    typer.echo(f"wrote {out}")


@app.command()
def train(
    config: Annotated[Path, typer.Argument(help="YAML file; see configs/.", show_default=False)],
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
        _print_json(results)


@app.command("eval")
def evaluate(
    context: typer.Context,
    model: Annotated[str | None, WEIGHTS] = None,
    data: Annotated[Path, typer.Option(help="Dataset folder; with --all, the folder that holds them.")] = Path("data"),
    split: Annotated[str, typer.Option(help="Which split.")] = "val",
    task: Annotated[str | None, typer.Option(help="rec, res, gres or vqa, if the checkpoint learned several.")] = None,
    mask_rule: Annotated[
        str, typer.Option(help="How masks get the picture's size: interpolate, or dilate as the paper's authors.")
    ] = "interpolate",
    out: Annotated[Path | None, typer.Option("--json", help="Write the result to this file.")] = None,
    save_predictions: Annotated[Path | None, typer.Option(help="Write one prediction per line to this file.")] = None,
    shuffle_sentences: Annotated[
        bool, typer.Option(help="Control: permute the sentences among the pictures first.")
    ] = False,
    blind: Annotated[
        str | None,
        typer.Option(metavar="SPLIT", help="Also score answers chosen on this split without looking."),
    ] = None,
    everything: Annotated[
        bool,
        typer.Option("--all", help="Make every table of shipped weights again; --model stands for scenes-t."),
    ] = False,
    markdown: Annotated[
        Path | None, typer.Option(help="With --all: page whose tables, between its markers, are replaced.")
    ] = None,
    sheet: Annotated[Path | None, typer.Option(help="With --all: draw failures into this picture.")] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Sentences together.")] = 64,
    workers: Annotated[int, typer.Option(min=0, help="Processes that read pictures.")] = 1,
    device: Device = "cpu",
) -> None:
    """Score a checkpoint on a split, with 95 % intervals."""
    from laconvnet.files import replace_file
    from laconvnet.report import around_markers, put_between_markers, render, report
    from laconvnet.scoring import score_checkpoint
    from laconvnet.training.progress import to_json

    one, every = "split task mask_rule save_predictions shuffle_sentences blind", "markdown sheet"
    for name in (one if everything else every).split():
        given = context.get_parameter_source(name)
        if given is not None and given.name == "COMMANDLINE":
            raise typer.BadParameter(
                f"has no meaning {'with' if everything else 'without'} --all", param_hint=f"--{name.replace('_', '-')}"
            )
    if everything:
        if markdown is not None:
            around_markers(markdown)
        weights = {} if model is None else {"scenes": model}
        result = report(
            data, **weights, sheet=sheet, batch_size=batch_size, workers=workers, device=device, progress=True
        )
        typer.echo(tables := render(result))
    else:
        if model is None:
            raise typer.BadParameter(
                "is needed without --all: a checkpoint folder, photos-t or scenes-t", param_hint="--model"
            )
        result = score_checkpoint(
            model,
            data,
            split,
            task=task,
            mask_rule=mask_rule,  # type: ignore[arg-type]
            save_predictions=save_predictions,
            shuffle_sentences=shuffle_sentences,
            blind_split=blind,
            batch_size=batch_size,
            num_workers=workers,
            device=device,
        )
        typer.echo(to_json(result, indent=2))
    if out is not None:
        replace_file(out, lambda partial: partial.write_text(to_json(result, indent=2) + "\n", encoding="utf-8"))
    if markdown is not None:
        put_between_markers(markdown, tables)


@app.command()
def predict(
    image: Annotated[Path, typer.Argument(help="Picture.", show_default=False)],
    text: Annotated[list[str], typer.Argument(help="One sentence or several.", show_default=False)],
    model: Annotated[str, WEIGHTS] = "photos-t",
    task: Annotated[
        list[str] | None,
        typer.Option(help="rec, res, gres or vqa, repeatable; otherwise questions are answered, others pointed at."),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Draw the answers on the picture, into this file.")] = None,
    as_json: JsonFlag = False,
    device: Device = "cpu",
    dtype: Annotated[str, typer.Option(help="Number format: float32, bfloat16, float16.")] = "float32",
) -> None:
    """Point at what each sentence names, cut it out, or answer it: whatever the network learned."""
    from laconvnet.models import named_dtype
    from laconvnet.predictor import Predictor, as_picture, draw
    from laconvnet.processing.pictures import picture_format, save_picture

    if out is not None:
        picture_format(out)
    picture = as_picture(image)
    predictor = Predictor.from_pretrained(model, device=device, dtype=named_dtype(dtype))
    predictions = predictor(picture, text, tasks=task)
    if as_json:
        _print_json([prediction.to_json() for prediction in predictions])
    else:
        for prediction in predictions:
            typer.echo(str(prediction))
    if out is not None:
        save_picture(draw(picture, predictions), out)
        typer.echo(f"wrote {out}", err=True)


@app.command("import-official")
def import_official(
    checkpoint: Annotated[Path, typer.Argument(help="The authors' .pth file.", show_default=False)],
    annotations: Annotated[Path, typer.Option(help="Their annotation JSON it was trained on: it fixes the words.")],
    out: Annotated[Path, typer.Option(help="Checkpoint folder to make.")],
    variant: Annotated[str, typer.Option(help="s or b.")] = "s",
    task: Annotated[str, typer.Option(help="rec or res.")] = "rec",
) -> None:
    """Turn a checkpoint of the paper's authors into a checkpoint folder."""
    from laconvnet.models.official import import_official as convert

    convert(checkpoint, annotations, out, variant=variant, task=task)  # type: ignore[arg-type]
    typer.echo(f"wrote {out}")


@app.command()
def doctor() -> None:
    """Say what runs on this machine, and what is missing."""
    from laconvnet.doctor import diagnose

    typer.echo(diagnose())


@app.command()
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
