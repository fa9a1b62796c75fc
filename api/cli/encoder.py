"""``vitrina encoder``: use, show and drop."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from vitrina.api.cli.console import StoreOption, errors, output, print_line, progress, settings_for
from vitrina.api.cli.encoder_calibrate import calibrate
from vitrina.api.cli.encoder_export import export
from vitrina.search.types.errors import NotFoundError

if TYPE_CHECKING:
    from vitrina.indexer.progress import Progress
    from vitrina.search.encoders.base import Encoder
    from vitrina.search.store.index_versions import IndexVersion
    from vitrina.search.store.store import Store

N_DIGITS = 12
"""Of a fingerprint, as printed."""

app = typer.Typer(name="encoder", no_args_is_help=True, help="See and change the encoder of a catalog.")


@app.command()
def use(
    name: Annotated[
        str,
        typer.Argument(help="embedded, a folder, MODEL/WEIGHTS, hf-hub:NAME, or the first digits of a fingerprint."),
    ],
    force: Annotated[bool, typer.Option("--force", help="Embed every item, including those embedded before.")] = False,
    drop_old: Annotated[bool, typer.Option("--drop-old", help="Drop every other encoder's vectors.")] = False,
    folder: StoreOption = None,
) -> None:
    """Embed the catalog with another encoder, then switch to it.

    Searches are answered throughout. After an interruption the same command continues.
    """
    from vitrina.api.settings import loader, open_store
    from vitrina.search.encoders.registry import keep_copy, load_catalog_encoder

    settings = settings_for(folder)
    with closing(open_store(settings)) as store:
        with errors.status("Loading the encoder"):
            encoder = load_catalog_encoder(store, loader(settings), name)
            keep_copy(store, encoder.identity)
        show_reembedding(encoder, reembed_with_progress(store, encoder, force=force))
        others = [version for version in store.catalog.index_versions() if not version.active]
        for version in others if drop_old else ():
            store.drop_index_version(version)
        if others and not drop_old:
            show_way_back(others)


def reembed_with_progress(store: Store, encoder: Encoder, *, force: bool) -> Progress:
    """Embed what the encoder has not embedded yet, or everything, and switch to it."""
    from vitrina.indexer.backfill import reembed

    with progress("Embedding") as on_progress:
        return reembed(store, encoder, lambda done: on_progress(done.n_done, done.n_total), force=force)


def show_reembedding(encoder: Encoder, done: Progress) -> None:
    """Print how many items were embedded, and where failures are listed."""
    print_line(f"{done.n_done:,} items embedded; {encoder.identity.name} answers queries")
    if done.dead_letters is not None:
        print_line(f"{done.n_failed_images:,} images are missing or damaged")
        print_line(f"Reasons and remedies, one line each: {done.dead_letters}")


def show_way_back(others: Sequence[IndexVersion]) -> None:
    """Print how to return to each of the other encoders, or drop it."""
    for version in others:
        digits = version.identity.fingerprint[:N_DIGITS]
        print_line(
            f"{version.identity.name} is kept. Switch back: vitrina encoder use {digits}. Drop it: vitrina encoder drop"
        )


@app.command()
def show(folder: StoreOption = None) -> None:
    """List the encoders that a catalog is embedded with, the active one first, and how many items each has embedded."""
    from vitrina.api.settings import existing_store

    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("", "encoder", "fingerprint", "dimensions", "items embedded"):
        table.add_column(column, overflow="fold")
    with closing(existing_store(settings_for(folder))) as store:
        n_items = store.catalog.count("items")
        for version in store.catalog.index_versions():
            identity = version.identity
            table.add_row(
                "active" if version.active else "",
                Text(identity.name),
                identity.fingerprint[:N_DIGITS],
                f"{identity.dimension:,}",
                f"{n_items - version.n_pending:,} of {n_items:,}",
            )
    output.print(table)


@app.command()
def drop(
    names: Annotated[
        list[str] | None, typer.Argument(help="Encoders or fingerprints; by default all but the active one.")
    ] = None,
    folder: StoreOption = None,
) -> None:
    """Drop the vectors, snapshots and copies of encoders that do not answer queries.

    If one of them is the active encoder, nothing is dropped.
    """
    from vitrina.api.settings import existing_store

    with closing(existing_store(settings_for(folder))) as store:
        versions = store.catalog.index_versions()
        dropped = [named(versions, name) for name in names or ()] or [each for each in versions if not each.active]
        for version in sorted(set(dropped), key=lambda each: not each.active):  # the active one first: it is refused
            store.drop_index_version(version)
            print_line(f"{version.identity.name} dropped")
    if not dropped:
        print_line("There is none but the active one.")


def named(versions: Sequence[IndexVersion], name: str) -> IndexVersion:
    """The index version of the encoder with this name or fingerprint. Raises NotFoundError."""
    from vitrina.search.encoders.base import full_name
    from vitrina.search.encoders.registry import MIN_PREFIX

    for version in versions:
        has_digits = len(name) >= MIN_PREFIX and version.identity.fingerprint.startswith(name)
        if has_digits or version.identity.name in (name, full_name(name)):
            return version
    raise NotFoundError(f"The catalog knows no encoder {name!r}.", remedy="List them with: vitrina encoder show")


app.command()(calibrate)
app.command()(export)
