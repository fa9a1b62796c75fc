"""``vitrina duplicates``."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from vitrina.api.cli.console import StoreOption, errors, output, print_line, settings_for, tell_waiting

if TYPE_CHECKING:
    from vitrina.search.store.duplicates import DuplicateGroup


def duplicates(
    as_json: Annotated[bool, typer.Option("--json", help="Print the groups as the HTTP API returns them.")] = False,
    folder: StoreOption = None,
) -> None:
    """List items that show the same product photo under several skus, found anew; a search shows one of each group."""
    from vitrina.api.catalog_answers import DuplicatesOut
    from vitrina.api.settings import existing_store
    from vitrina.indexer.twins import TwinFinder
    from vitrina.search.index.replica import IndexReplica
    from vitrina.search.store.duplicates import duplicate_groups

    settings = settings_for(folder)
    with ExitStack() as stack:
        store = stack.enter_context(closing(existing_store(settings)))
        stack.enter_context(store.importing(tell_waiting))
        identity = store.catalog.active_encoder()
        if identity is not None:
            with errors.status("Comparing photos"):
                replica = IndexReplica.open(store, identity, store.open_index_version(identity))
                TwinFinder(store, replica).find_all()
        with store.catalog.reading() as reader:
            groups = duplicate_groups(reader)
    if as_json:
        output.file.write(DuplicatesOut.of(groups, groups).model_dump_json(indent=2) + "\n")
    else:
        show_groups(groups)


def show_groups(groups: Sequence[DuplicateGroup]) -> None:
    """Print each group: its photo's items, one a line."""
    for number, group in enumerate(groups, start=1):
        output.print(Text.assemble((f"{number}. ", "dim"), "one image file" if group.is_exact else "one photo"))
        for item in group.items:
            output.print(Text.assemble("   ", item.sku, ("  " + item.title, "dim")), soft_wrap=True)
    n_items = sum(len(group.items) for group in groups)
    if not groups:
        print_line("No two items show the same product photo.")
    else:
        noun = "group" if len(groups) == 1 else "groups"
        print_line(f"{len(groups):,} {noun} of {n_items:,} items. A search shows one of each, and names the others")
