"""``vitrina status``, ``delete`` and ``rebuild``."""

from __future__ import annotations

from collections.abc import Sequence

from rich.markup import escape
from rich.table import Table

from vitrina.api.cli.console import errors, output
from vitrina.api.rerankers import reranker_name
from vitrina.api.settings import Settings, encoder_for
from vitrina.search.encoders.registry import open_index_version
from vitrina.search.index.replica import IndexReplica
from vitrina.search.store.store import Store
from vitrina.search.types.errors import NotFoundError


def show_status(settings: Settings) -> None:
    """Print what the catalog holds, and what answers from it. Needs neither encoder nor reranker."""
    store = Store.existing(settings.store)
    live = store.catalog.active_encoder()
    with store.catalog.reading() as reader:
        filterable = reader.facets.fields()
    dead_letters = sorted(store.dead_letters.glob("*.jsonl"))
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_row("home", str(store.folder))
    for name, count in store.catalog.counts().items():
        table.add_row(name, f"{count:,}")
    table.add_row("last change", f"number {store.catalog.sequence():,}")
    table.add_row(
        "encoder", "none yet" if live is None else f"{live.name} ({live.fingerprint[:12]}, {live.dimension}-d)"
    )
    table.add_row("reranker", escape(reranker_name(settings) or "none; VITRINA_RERANKER names one"))
    table.add_row("filter by", ", ".join(filterable))
    table.add_row("dead letters", str(dead_letters[-1]) if dead_letters else "none")
    output.print(table, soft_wrap=True)
    store.close()


def delete_items(settings: Settings, skus: Sequence[str]) -> None:
    """Delete items, and say which were not there; fails when none was."""
    store = Store.existing(settings.store)
    deleted = set(store.catalog.delete(list(dict.fromkeys(skus))))
    store.close()
    missing = [sku for sku in skus if sku not in deleted]
    if missing and not deleted:
        raise NotFoundError(f"No item has the sku {', '.join(missing)}.", remedy="Check the spelling; nothing changed.")
    output.print(f"{len(deleted):,} deleted", highlight=False)
    if missing:
        errors.print(f"Not there: {', '.join(missing)}", highlight=False)


def rebuild_replica(settings: Settings) -> None:
    """Make the vector index anew."""
    store = Store.existing(settings.store)
    with errors.status("Loading the encoder"):
        encoder = encoder_for(store, settings)
    replica = IndexReplica.open(store, encoder.identity, open_index_version(store, encoder))
    replica.rebuild()
    output.print(f"{len(replica):,} vectors indexed", highlight=False)
    store.close()
