"""``vitrina encoder``: its commands and their options."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.table import Table

from vitrina.api.cli.console import StoreOption, errors, output, progress_bar, settings_for
from vitrina.api.settings import Settings, loader
from vitrina.indexer.re_embedding import reembed
from vitrina.indexer.stages import Progress
from vitrina.search.encoders.base import Encoder
from vitrina.search.encoders.open_clip import full_name
from vitrina.search.encoders.registry import MIN_PREFIX, keep_copy, load_catalog_encoder
from vitrina.search.store.index_versions import IndexVersion
from vitrina.search.store.store import Store
from vitrina.search.types.errors import NotFoundError

SHOWN_DIGITS = 12


def use_encoder(settings: Settings, name: str, *, anew: bool, drop_old: bool) -> None:
    """Embed the catalog with an encoder and make it the one that answers; keep a copy of its folder in the home."""
    store = Store(settings.store)
    with errors.status("Loading the encoder"):
        encoder = load_catalog_encoder(store, loader(settings), name)
        keep_copy(store, encoder.identity)
    show_reembedding(encoder, reembed_with_progress(store, encoder, anew=anew))
    others = [space for space in store.catalog.index_versions() if not space.active]
    for space in others if drop_old else ():
        store.drop_index_version(space)
    if others and not drop_old:
        show_way_back(others)
    store.close()


def reembed_with_progress(store: Store, encoder: Encoder, *, anew: bool) -> Progress:
    with progress_bar() as bar:
        task = bar.add_task("Embedding", total=None)
        return reembed(
            store, encoder, lambda done: bar.update(task, completed=done.n_done, total=done.n_total), force=anew
        )


def show_reembedding(encoder: Encoder, done: Progress) -> None:
    name = encoder.identity.name
    output.print(f"{done.n_done:,} items embedded; {name} answers queries", highlight=False, soft_wrap=True)
    if done.dead_letters is not None:
        output.print(f"{done.n_failed_images:,} pictures are gone or damaged", highlight=False)
        output.print(f"Reasons and remedies, one line each: {done.dead_letters}", highlight=False, soft_wrap=True)


def show_way_back(others: Sequence[IndexVersion]) -> None:
    for space in others:
        digits = space.identity.fingerprint[:SHOWN_DIGITS]
        said = f"{space.identity.name} is kept. Back to it: vitrina encoder use {digits}. Drop it: vitrina encoder drop"
        output.print(said, highlight=False, soft_wrap=True)


def show_encoders(settings: Settings) -> None:
    """Print every encoder the catalog knows, the live one first. Needs none of them."""
    store = Store.existing(settings.store)
    n_items = store.catalog.counts()["items"]
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("", "encoder", "fingerprint", "dimensions", "items embedded"):
        table.add_column(column, overflow="fold")
    for space in store.catalog.index_versions():
        identity = space.identity
        table.add_row(
            "live" if space.active else "",
            identity.name,
            identity.fingerprint[:SHOWN_DIGITS],
            f"{identity.dimension:,}",
            f"{n_items - space.n_pending:,} of {n_items:,}",
        )
    output.print(table)
    store.close()


def drop_encoders(settings: Settings, names: Sequence[str]) -> None:
    """Drop the named spaces, or all but the live one, with the snapshots and the copies that belong to them.

    Raises NotFoundError for a name that no space has, and StateError for the live one's; nothing is dropped then.
    """
    store = Store.existing(settings.store)
    spaces = store.catalog.index_versions()
    dropped = [named(spaces, name) for name in names] if names else [space for space in spaces if not space.active]
    for space in sorted(set(dropped), key=lambda space: not space.active):  # the live one, which cannot go, first
        store.drop_index_version(space)
        output.print(f"{space.identity.name} dropped", highlight=False, soft_wrap=True)
    if not dropped:
        output.print("There is none but the live one.")
    store.close()


def named(spaces: Sequence[IndexVersion], name: str) -> IndexVersion:
    for space in spaces:
        by_digits = len(name) >= MIN_PREFIX and space.identity.fingerprint.startswith(name)
        if by_digits or space.identity.name in (name, full_name(name)):
            return space
    raise NotFoundError(f"The catalog knows no encoder {name!r}.", remedy="See them with: vitrina encoder show")


app = typer.Typer(name="encoder", no_args_is_help=True, help="See and change what a catalog is embedded with.")


@app.command()
def use(
    name: Annotated[
        str,
        typer.Argument(help="embedded, a folder, MODEL/WEIGHTS, hf-hub:NAME, or a fingerprint's first digits."),
    ],
    anew: Annotated[bool, typer.Option("--anew", help="Embed every item, those it has embedded before too.")] = False,
    drop_old: Annotated[bool, typer.Option("--drop-old", help="Keep no other encoder's vectors.")] = False,
    store: StoreOption = None,
) -> None:
    """Embed the catalog with another encoder, then go over to it. Searching goes on meanwhile; stopped, the same
    command goes on."""

    use_encoder(settings_for(store), name, anew=anew, drop_old=drop_old)


@app.command()
def show(store: StoreOption = None) -> None:
    """List the encoders a catalog is embedded with, and how far."""

    show_encoders(settings_for(store))


@app.command()
def drop(
    names: Annotated[
        list[str] | None, typer.Argument(help="Encoders or fingerprints; all but the live one if left out.")
    ] = None,
    store: StoreOption = None,
) -> None:
    """Drop the vectors of encoders that do not answer queries."""

    drop_encoders(settings_for(store), names or [])


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
    store: StoreOption = None,
) -> None:
    """Learn how sure hits are, from queries whose answers are known. A query judged to have no relevant item says what
    the catalog does not hold."""
    from vitrina.api.cli.encoder_calibrate import CalibrateOptions, calibrate_encoder

    asked = CalibrateOptions(judgements, queries, tuple(by or ()), tuple(like or ()))
    calibrate_encoder(settings_for(store), asked)


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
    store: StoreOption = None,
) -> None:
    """Export an encoder for ONNX Runtime, which is faster on a CPU, and measure what is gained and lost."""
    from vitrina.api.cli.encoder_export import export as export_folder

    export_folder(settings_for(store), name, precision, calibrate_on, out)
