"""``vitrina status`` and ``vitrina rebuild``."""

from __future__ import annotations

from contextlib import closing

from rich.markup import escape
from rich.table import Table

from vitrina.api.cli.console import StoreOption, errors, output, print_line, settings_for


def status(folder: StoreOption = None) -> None:
    """Show what the catalog holds, and which encoder and reranker it uses."""
    from vitrina.api.rerankers import reranker_name
    from vitrina.api.settings import existing_store
    from vitrina.evaluation.own_queries import lines as own_query_lines
    from vitrina.search.index.replica import saved_reports

    settings = settings_for(folder)
    table = Table(box=None, show_header=False, pad_edge=False)
    with closing(existing_store(settings)) as store:
        active = store.catalog.active_encoder()
        with store.catalog.reading() as reader:
            filterable = reader.facets.fields()
        trust = store.trust(active) if active else None
        reports = saved_reports(store.snapshot_file(active)) if active else {}
        dead_letters = sorted(store.dead_letters.glob("*.jsonl"))
        table.add_row("store", escape(str(store.folder)))
        for name, count in store.catalog.counts().items():
            table.add_row(name, f"{count:,}")
        table.add_row("last change", f"number {store.catalog.sequence():,}")
    encoder = f"{active.name} ({active.fingerprint[:12]}, {active.dimension}-d)" if active else "none yet"
    table.add_row("encoder", escape(encoder))
    for modality, report in reports.items():
        table.add_row(f"{modality} index", escape(str(report)))
    if not reports:
        chooses = settings.vector_index if settings.vectors is None else "Milvus"
        table.add_row("index", f"not saved yet; {chooses} chooses its kind when the catalog is searched")
    for name, measured in (own_query_lines(trust) if trust else {}).items():
        table.add_row(name, escape(measured))
    table.add_row("reranker", escape(reranker_name(settings) or "none; set VITRINA_RERANKER to use one"))
    table.add_row("filter by", escape(", ".join(filterable)))
    table.add_row("dead letters", escape(str(dead_letters[-1])) if dead_letters else "none")
    output.print(table, soft_wrap=True)


def rebuild(folder: StoreOption = None) -> None:
    """Rebuild the vector index from the catalog."""
    from vitrina.api.settings import encoder_for, existing_store
    from vitrina.search.encoders.registry import open_index_version
    from vitrina.search.index.replica import IndexReplica

    settings = settings_for(folder)
    with closing(existing_store(settings)) as store:
        with errors.status("Loading the encoder"):
            encoder = encoder_for(store, settings)
        replica = IndexReplica.open(store, encoder.identity, open_index_version(store, encoder))
        replica.rebuild()
        print_line(f"{len(replica):,} vectors indexed")
