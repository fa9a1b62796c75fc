"""``vitrina encoder use``, ``show`` and ``drop``."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table

from api.cli.console import errors, output, progress_bar
from api.loading import loader
from api.settings import Settings
from indexer.reembedding import Reembedding, reembed
from search.catalog.spaces import Space
from search.encoders.base import Encoder
from search.encoders.openclip import full_name
from search.errors import NotFoundError
from search.home import MIN_PREFIX, Home

SHOWN_DIGITS = 12


def use_encoder(settings: Settings, name: str, *, anew: bool, drop_old: bool) -> None:
    """Embed the catalog with an encoder and make it the one that answers; keep a copy of its folder in the home."""
    home = Home(settings.home)
    with errors.status("Loading the encoder"):
        encoder = home.load_encoder(loader(settings), name)
        home.encoders.keep(encoder.identity)
    show_reembedding(encoder, reembed_with_progress(home, encoder, anew=anew))
    others = [space for space in home.catalog.spaces() if not space.live]
    for space in others if drop_old else ():
        home.drop_space(space)
    if others and not drop_old:
        show_way_back(others)
    home.close()


def reembed_with_progress(home: Home, encoder: Encoder, *, anew: bool) -> Reembedding:
    with progress_bar() as bar:
        task = bar.add_task("Embedding", total=None)
        return reembed(home, encoder, lambda done, total: bar.update(task, completed=done, total=total), anew=anew)


def show_reembedding(encoder: Encoder, done: Reembedding) -> None:
    name = encoder.identity.name
    output.print(f"{done.n_items:,} items embedded; {name} answers queries", highlight=False, soft_wrap=True)
    if done.dead_letters is not None:
        output.print(f"{done.n_lost_pictures:,} pictures are gone or damaged", highlight=False)
        output.print(f"Reasons and remedies, one line each: {done.dead_letters}", highlight=False, soft_wrap=True)


def show_way_back(others: Sequence[Space]) -> None:
    for space in others:
        digits = space.identity.fingerprint[:SHOWN_DIGITS]
        said = f"{space.identity.name} is kept. Back to it: vitrina encoder use {digits}. Drop it: vitrina encoder drop"
        output.print(said, highlight=False, soft_wrap=True)


def show_encoders(settings: Settings) -> None:
    """Print every encoder the catalog knows, the live one first. Needs none of them."""
    home = Home.existing(settings.home)
    n_items = home.catalog.counts()["items"]
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("", "encoder", "fingerprint", "dimensions", "items embedded"):
        table.add_column(column, overflow="fold")
    for space in home.catalog.spaces():
        identity = space.identity
        table.add_row(
            "live" if space.live else "",
            identity.name,
            identity.fingerprint[:SHOWN_DIGITS],
            f"{identity.dimension:,}",
            f"{n_items - space.n_lacking:,} of {n_items:,}",
        )
    output.print(table)
    home.close()


def drop_encoders(settings: Settings, names: Sequence[str]) -> None:
    """Drop the named spaces, or all but the live one, with the snapshots and the copies that belong to them.

    Raises NotFoundError for a name that no space has, and StateError for the live one's; nothing is dropped then.
    """
    home = Home.existing(settings.home)
    spaces = home.catalog.spaces()
    dropped = [named(spaces, name) for name in names] if names else [space for space in spaces if not space.live]
    for space in sorted(set(dropped), key=lambda space: not space.live):  # the live one, which cannot go, first
        home.drop_space(space)
        output.print(f"{space.identity.name} dropped", highlight=False, soft_wrap=True)
    if not dropped:
        output.print("There is none but the live one.")
    home.close()


def named(spaces: Sequence[Space], name: str) -> Space:
    for space in spaces:
        by_digits = len(name) >= MIN_PREFIX and space.identity.fingerprint.startswith(name)
        if by_digits or space.identity.name in (name, full_name(name)):
            return space
    raise NotFoundError(f"The catalog knows no encoder {name!r}.", remedy="See them with: vitrina encoder show")
