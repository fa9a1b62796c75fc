"""``vitrina suggest``: what a half-typed text may become."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Annotated

import typer

from vitrina.api.cli.console import StoreOption, output, print_line, print_note, settings_for

if TYPE_CHECKING:
    from vitrina.search.types.answer import Suggestion

N_SUGGESTIONS = 8


def suggest(
    text: Annotated[list[str], typer.Argument(metavar="TEXT...", help="What is typed so far.")],
    limit: Annotated[int, typer.Option("--limit", "-n", help="How many to show at most.")] = N_SUGGESTIONS,
    as_json: Annotated[bool, typer.Option("--json", help="Print the answer as the HTTP API returns it.")] = False,
    folder: StoreOption = None,
) -> None:
    """Show what a half-typed text may become, each with how many items have all of it, as a search box does."""
    from vitrina.api.answers import SuggestionsOut
    from vitrina.api.settings import existing_store
    from vitrina.search.index.replica import IndexReplica
    from vitrina.search.retrieval.suggestions import Suggester

    with closing(existing_store(settings_for(folder))) as store:
        identity = store.catalog.active_encoder()
        found: tuple[Suggestion, ...] = ()
        if identity is not None:
            replica = IndexReplica.open(store, identity, store.open_index_version(identity))
            found = Suggester(store.catalog, replica).suggest(" ".join(text), limit)
    if as_json:
        output.file.write(SuggestionsOut.of(found).model_dump_json(indent=2) + "\n")
        return
    for each in found:
        print_line(f"{each.text}  ({each.n_items:,})")
    if not found:
        print_note("No item has anything that begins so.")
