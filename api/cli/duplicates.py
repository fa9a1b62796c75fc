"""``vitrina duplicates``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from vitrina.api.cli.console import StoreOption, errors, output, print_line, print_note, settings_for

if TYPE_CHECKING:
    from vitrina.search.store.reader import CatalogReader


@dataclass(frozen=True, slots=True)
class DuplicateItem:
    """One item of a group."""

    sku: str
    title: str
    image_id: str


@dataclass(frozen=True, slots=True)
class DuplicateGroup:
    """Items with one product photo; ``is_exact`` if their image files are equal, too."""

    is_exact: bool
    items: tuple[DuplicateItem, ...]


def duplicates(
    as_json: Annotated[bool, typer.Option("--json", help="Print the groups as JSON.")] = False,
    folder: StoreOption = None,
) -> None:
    """List items that show the same product photo under several skus, found anew; a search shows one of each group."""
    from vitrina.api.cli.index import WAITING
    from vitrina.api.settings import existing_store
    from vitrina.indexer.twins import TwinFinder
    from vitrina.search.index.replica import IndexReplica

    settings = settings_for(folder)
    with ExitStack() as stack:
        store = stack.enter_context(closing(existing_store(settings)))
        stack.enter_context(store.importing(lambda: print_note(WAITING)))
        identity = store.catalog.active_encoder()
        if identity is not None:
            with errors.status("Comparing photos"):
                replica = IndexReplica.open(store, identity, store.open_index_version(identity))
                TwinFinder(store, replica).find_all()
        with store.catalog.reading() as reader:
            groups = duplicate_groups(reader)
    if as_json:
        output.file.write(json.dumps([asdict(group) for group in groups], ensure_ascii=False, indent=2) + "\n")
    else:
        show_groups(groups)


def duplicate_groups(reader: CatalogReader) -> list[DuplicateGroup]:
    """Every group of two items or more, the oldest first."""
    twins = reader.twin_groups()
    of_group: dict[int, list[int]] = {}
    for item_id, group_id in zip(twins.item_ids.tolist(), twins.group_ids.tolist(), strict=True):
        of_group.setdefault(group_id, []).append(item_id)
    stored = reader.items(twins.item_ids.tolist())
    groups = []
    for item_ids in of_group.values():
        held = [stored[item_id] for item_id in item_ids]
        items = tuple(DuplicateItem(each.item.sku, each.item.title, next(iter(each.image_ids), "")) for each in held)
        if len(items) > 1:
            groups.append(DuplicateGroup(len({each.image_id for each in items}) == 1, items))
    return groups


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
        print_line(f"{len(groups):,} groups of {n_items:,} items. A search shows one of each, and names the others")
