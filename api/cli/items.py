"""``vitrina items`` and ``vitrina delete``."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from vitrina.api.cli.console import StoreOption, output, print_line, print_note, settings_for
from vitrina.search.types.currencies import price_range_text
from vitrina.search.types.errors import NotFoundError

if TYPE_CHECKING:
    from vitrina.search.store.sources import ItemPage


def items(
    source: Annotated[
        str | None, typer.Option("--source", metavar="NAME", help="Only those that come from this source.")
    ] = None,
    since: Annotated[
        datetime | None, typer.Option("--since", help="Only those that changed at this time or later (UTC).")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="How many items.")] = 50,
    cursor: Annotated[str, typer.Option("--cursor", help="Where to go on, as the page before says.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print the page as the HTTP API returns it.")] = False,
    folder: StoreOption = None,
) -> None:
    """List what is in the store, the longest unchanged first, by source and by when it changed."""
    from vitrina.api.item_answers import ItemPageOut, position_of
    from vitrina.api.settings import existing_store

    settings = settings_for(folder)
    seconds = None if since is None else since.replace(tzinfo=since.tzinfo or UTC).timestamp()
    with closing(existing_store(settings)) as store:
        sources = None if source is None else [source]
        page = store.catalog.item_page(limit, position_of(cursor), sources=sources, since=seconds)
        shown = ItemPageOut.of(page, store.catalog.source_names())
    if as_json:
        output.file.write(shown.model_dump_json(indent=2) + "\n")
        return
    show_page(page)
    for name, n_items in shown.sources.items():
        print_line(f"{n_items:,} from {name}")
    if shown.next_cursor is not None:
        print_note(f"{page.total:,} items in all. The next page: --cursor {shown.next_cursor}")


def show_page(page: ItemPage) -> None:
    """Print a page of items as a table."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("sku", no_wrap=True)
    table.add_column("title", ratio=1)
    table.add_column("variants", justify="right")
    table.add_column("price", justify="right", no_wrap=True)
    table.add_column("changed", no_wrap=True)
    for row in page.items:
        item = row.stored.item
        changed = "" if row.changed_at is None else f"{datetime.fromtimestamp(row.changed_at, UTC):%Y-%m-%d %H:%M}"
        prices = price_range_text(item.price_cents, item.max_price_cents, item.currency)
        n_variants = str(len(item.variants)) if item.variants else ""
        table.add_row(Text(item.sku), Text(item.title), n_variants, Text(prices), changed)
    output.print(table)


def delete(
    skus: Annotated[list[str], typer.Argument(help="The items to delete.")],
    folder: StoreOption = None,
) -> None:
    """Delete items by sku. Fails if none of them exists."""
    from vitrina.api.settings import existing_store

    with closing(existing_store(settings_for(folder))) as store:
        deleted = set(store.catalog.delete(list(dict.fromkeys(skus))))
    missing = [sku for sku in skus if sku not in deleted]
    if missing and not deleted:
        raise NotFoundError(
            f"No item has the sku {', '.join(missing)}.", remedy="Check the spelling; nothing was deleted."
        )
    print_line(f"{len(deleted):,} deleted")
    if missing:
        print_note(f"Not found: {', '.join(missing)}")
