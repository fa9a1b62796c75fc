"""``vitrina reranker``: calibrate and export."""

from __future__ import annotations

from contextlib import ExitStack, closing
from typing import TYPE_CHECKING

import typer

from vitrina.api.cli.console import (
    JudgementsOption,
    QueriesOption,
    StoreOption,
    errors,
    print_line,
    settings_for,
    with_progress,
)
from vitrina.api.cli.encoder_calibrate import gather
from vitrina.api.cli.reranker_export import export
from vitrina.search.types.errors import InputError

if TYPE_CHECKING:
    from vitrina.search.reranking.fusion import FusionWeights

app = typer.Typer(name="reranker", no_args_is_help=True, help="Change how much the reranker counts, or export one.")


@app.command()
def calibrate(judgements: JudgementsOption, queries: QueriesOption = None, folder: StoreOption = None) -> None:
    """Learn from judged queries how much the probabilities of VITRINA_RERANKER count beside the retrieval score."""
    from vitrina.api.rerankers import needed_reranker, open_reranker
    from vitrina.api.settings import encoder_for, existing_store
    from vitrina.evaluation.fusion_fitting import MIN_QUERIES, fit_measured_fusion
    from vitrina.evaluation.samples import example_of, fusion_samples
    from vitrina.search.engine import SearchEngine
    from vitrina.search.reranking.fusion import write_fusion_weights

    settings = settings_for(folder)
    needed_reranker(settings)
    with closing(existing_store(settings)) as store, ExitStack() as stack:
        judged = [query for query in gather(store, judgements, queries) if query.text and not query.image]
        with errors.status("Loading the encoder and the reranker"):
            engine = SearchEngine.open(store, encoder_for(store, settings))
            reranker = open_reranker(settings, stack)
        reranked = fusion_samples(engine, store.images, reranker, map(example_of, judged))
        samples = list(with_progress(reranked, "Reranking", len(judged)))
        if len(samples) < MIN_QUERIES:
            raise InputError(
                f"There are too few queries to calibrate on: {len(samples)} ask in words for something visible.",
                remedy=f"Judge at least {MIN_QUERIES} of these, better some hundreds.",
            )
        fusion_weights = fit_measured_fusion(samples, f"a catalog of {store.catalog.counts()['items']:,} items")
        show(fusion_weights)
        path = store.fusion_weights_file(reranker.identity)
        write_fusion_weights(path, fusion_weights)
    print_line(f"Written to {path}; a running service uses it after its next start.")


def show(fusion_weights: FusionWeights) -> None:
    """Print what was fitted, in words."""
    print_line(f"Fitted to {fusion_weights.source}.")
    print_line(
        f"Beside the retrieval's log-odds the whole phrase counts {fusion_weights.whole:g}, "
        f"each requirement {fusion_weights.parts:g}, "
        f"and {fusion_weights.free:g} times as much where the catalog has no values for the words; "
        f"the model's log-odds are taken {fusion_weights.slope:g} times, {fusion_weights.intercept:+g}."
    )


app.command()(export)
