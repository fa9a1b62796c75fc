"""``vitrina encoder``: its commands and their options. Each hands over to one function."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from api.cli.options import HomeOption, settings_for

app = typer.Typer(name="encoder", no_args_is_help=True, help="See and change what a catalog is embedded with.")


@app.command()
def use(
    name: Annotated[
        str,
        typer.Argument(help="embedded, a folder, MODEL/WEIGHTS, hf-hub:NAME, or a fingerprint's first digits."),
    ],
    anew: Annotated[bool, typer.Option("--anew", help="Embed every item, those it has embedded before too.")] = False,
    drop_old: Annotated[bool, typer.Option("--drop-old", help="Keep no other encoder's vectors.")] = False,
    home: HomeOption = None,
) -> None:
    """Embed the catalog with another encoder, then go over to it. Searching goes on meanwhile; stopped, the same
    command goes on."""
    from api.cli.switching import use_encoder

    use_encoder(settings_for(home), name, anew=anew, drop_old=drop_old)


@app.command()
def show(home: HomeOption = None) -> None:
    """List the encoders a catalog is embedded with, and how far."""
    from api.cli.switching import show_encoders

    show_encoders(settings_for(home))


@app.command()
def drop(
    names: Annotated[
        list[str] | None, typer.Argument(help="Encoders or fingerprints; all but the live one if left out.")
    ] = None,
    home: HomeOption = None,
) -> None:
    """Drop the vectors of encoders that do not answer queries."""
    from api.cli.switching import drop_encoders

    drop_encoders(settings_for(home), names or [])


@app.command()
def calibrate(
    judgements: Annotated[
        Path | None,
        typer.Option("--judgements", help="JSON lines of judged queries, or TREC qrels, as in vitrina eval."),
    ] = None,
    queries: Annotated[
        Path | None, typer.Option("--queries", help="The texts of the qrels: qid, a tab, the text.")
    ] = None,
    by: Annotated[
        list[str] | None, typer.Option("--by", metavar="FIELD", help="Ask each value of a field, too.")
    ] = None,
    like: Annotated[
        list[str] | None, typer.Option("--like", metavar="FIELD", help="Ask photos for items of the same value, too.")
    ] = None,
    home: HomeOption = None,
) -> None:
    """Learn how sure hits are, from queries whose answers are known. A query judged to have no relevant item says what
    the catalog does not hold."""
    from api.cli.calibrating import Asked, calibrate_encoder

    asked = Asked(judgements, queries, tuple(by or ()), tuple(like or ()))
    calibrate_encoder(settings_for(home), asked)


@app.command()
def export(
    name: Annotated[str, typer.Argument(metavar="FOLDER", help="An encoder's folder, or embedded.")],
    precision: Annotated[
        Literal["float32", "int8"], typer.Option("--precision", help="int8 makes another, faster encoder.")
    ] = "float32",
    calibrate_on: Annotated[
        str | None, typer.Option("--calibrate-on", metavar="SOURCE", help="int8: pictures to fit it to.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="int8: the new encoder's folder; by default its name and -int8, here.")
    ] = None,
    home: HomeOption = None,
) -> None:
    """Export an encoder for ONNX Runtime, which is faster on a CPU, and measure what is gained and lost."""
    from api.cli.exporting import export as export_folder

    export_folder(settings_for(home), name, precision, calibrate_on, out)
