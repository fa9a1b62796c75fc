"""``vitrina reranker``: its commands and their options."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from vitrina.api.cli.console import StoreOption, errors, output, progress_bar, settings_for
from vitrina.api.cli.encoder_calibrate import CalibrateOptions, gather
from vitrina.api.rerankers import needed_reranker, open_reranker
from vitrina.api.settings import Settings, encoder_for
from vitrina.evaluation.fusion_fitting import MIN_QUERIES, fit_measured_fusion
from vitrina.evaluation.samples import example_of, fusion_samples
from vitrina.search.engine import SearchEngine
from vitrina.search.reranking.fusion import FusionWeights, write_fusion_weights
from vitrina.search.store.store import Store
from vitrina.search.types.errors import InputError


def calibrate_reranker(settings: Settings, judgements: Path, queries: Path | None) -> None:
    """Fit the reranker's blend to this catalog, print what it does for the order, and keep it for searches to come."""
    needed_reranker(settings)
    store = Store.existing(settings.store)
    asked = [
        judged for judged in gather(store, CalibrateOptions(judgements, queries)) if judged.text and not judged.image
    ]
    with ExitStack() as closing:
        with errors.status("Loading the encoder and the reranker"):
            engine = SearchEngine.open(store, encoder_for(store, settings))
            reranker = open_reranker(settings, closing)
        with progress_bar() as bar:
            seen = fusion_samples(engine, store.images, reranker, map(example_of, asked))
            candidates = list(bar.track(seen, total=len(asked), description="Looking"))
    if len(candidates) < MIN_QUERIES:
        raise InputError(
            f"There are too few queries to calibrate on: {len(candidates)} ask in words for something that shows.",
            remedy=f"Judge at least {MIN_QUERIES} of these, better some hundreds.",
        )
    fusion_weights = fit_measured_fusion(candidates, f"a catalog of {store.catalog.counts()['items']:,} items")
    show(fusion_weights)
    stored = store.fusion_weights_file(reranker.identity)
    write_fusion_weights(stored, fusion_weights)
    output.print(f"Kept in {stored}; a running service takes it when it starts again.", highlight=False, soft_wrap=True)
    store.close()


def show(fusion_weights: FusionWeights) -> None:
    """Print what was fitted, in words."""
    output.print(f"Fitted to {fusion_weights.source}.", highlight=False, soft_wrap=True)
    output.print(
        f"Beside the retrieval's log-odds the whole phrase counts {fusion_weights.whole:g}, "
        f"each requirement {fusion_weights.parts:g}, "
        f"and {fusion_weights.free:g} times as much where the catalog has no values for the words; "
        f"the model's log-odds are taken {fusion_weights.slope:g} times, {fusion_weights.intercept:+g}.",
        highlight=False,
        soft_wrap=True,
    )


app = typer.Typer(name="reranker", no_args_is_help=True, help="Change how much the reranker counts.")


@app.callback()
def group() -> None:
    """Change how much the reranker counts."""


@app.command()
def calibrate(
    judgements: Annotated[
        Path,
        typer.Option("--judgements", help="JSON lines of judged queries, or TREC qrels, as in vitrina eval."),
    ],
    queries: Annotated[
        Path | None, typer.Option("--queries", help="The texts of the qrels: qid, a tab, the text.")
    ] = None,
    store: StoreOption = None,
) -> None:
    """Learn from judged queries how much the answers of VITRINA_RERANKER count beside retrieval's score."""

    calibrate_reranker(settings_for(store), judgements, queries)
