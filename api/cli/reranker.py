"""``vitrina reranker``: its commands and their options."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from vitrina.api.cli.console import HomeOption, errors, output, progress_bar, settings_for
from vitrina.api.cli.encoder_calibrate import CalibrateOptions, gather
from vitrina.api.rerankers import needed_reranker, open_reranker
from vitrina.api.settings import Settings, encoder_for
from vitrina.evaluation.calibration import example_of
from vitrina.evaluation.fusion_fitting import MIN_QUERIES, fit_measured, reranked_sample
from vitrina.search.reranking.fusion import FusionWeights
from vitrina.search.store.store import Store
from vitrina.search.types.errors import InputError


def calibrate_reranker(settings: Settings, judgements: Path, queries: Path | None) -> None:
    """Fit the reranker's blend to this catalog, print what it does for the order, and keep it for searches to come."""
    needed_reranker(settings)
    home = Store.existing(settings.home)
    asked = [
        judged for judged in gather(home, CalibrateOptions(judgements, queries)) if judged.text and not judged.image
    ]
    with ExitStack() as closing:
        with errors.status("Loading the encoder and the reranker"):
            engine = home.open_engine(encoder_for(home, settings))
            reranker = open_reranker(settings, closing)
        with progress_bar() as bar:
            seen = reranked_sample(engine, home.images, reranker, map(example_of, asked))
            looks = list(bar.track(seen, total=len(asked), description="Looking"))
    if len(looks) < MIN_QUERIES:
        raise InputError(
            f"There are too few queries to calibrate on: {len(looks)} ask in words for something that shows.",
            remedy=f"Judge at least {MIN_QUERIES} of these, better some hundreds.",
        )
    blend = fit_measured(looks, f"a catalog of {home.catalog.counts()['items']:,} items")
    show(blend)
    stored = home.keep_blend(reranker.identity, blend)
    output.print(f"Kept in {stored}; a running service takes it when it starts again.", highlight=False, soft_wrap=True)
    home.close()


def show(blend: FusionWeights) -> None:
    """Print what was fitted, in words."""
    output.print(f"Fitted to {blend.source}.", highlight=False, soft_wrap=True)
    output.print(
        f"Beside the retrieval's log-odds the whole phrase counts {blend.whole:g}, each requirement {blend.parts:g}, "
        f"and {blend.free:g} times as much where the catalog has no values for the words; "
        f"the model's log-odds are taken {blend.slope:g} times, {blend.intercept:+g}.",
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
    home: HomeOption = None,
) -> None:
    """Learn from judged queries how much the answers of VITRINA_RERANKER count beside retrieval's score."""

    calibrate_reranker(settings_for(home), judgements, queries)
