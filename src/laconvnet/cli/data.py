"""`laconvnet data`: convert, mix, generate, check, count and look at datasets."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from laconvnet.cli.common import JsonFlag, print_json

data_app = typer.Typer(help="Convert, check, count and look at datasets.", no_args_is_help=True)

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
    from laconvnet.tasks import tasks_for_scenes

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
        tasks=tasks_for_scenes(source.sorts),
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
        print_json(description)
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
