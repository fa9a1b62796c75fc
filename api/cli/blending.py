"""``vitrina reranker calibrate``."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from api.cli.calibrating import Asked, gather
from api.cli.console import errors, output, progress_bar
from api.loading import encoder_for
from api.rerankers import needed_reranker, open_reranker
from api.settings import Settings
from evaluation.blending import MIN_QUERIES, fit_measured, look_closely
from evaluation.observation import example_of
from search.errors import InputError
from search.home import Home
from search.reranking.blend import Blend


def calibrate_reranker(settings: Settings, judgements: Path, queries: Path | None) -> None:
    """Fit the reranker's blend to this catalog, print what it does for the order, and keep it for searches to come."""
    needed_reranker(settings)
    home = Home.existing(settings.home)
    asked = [judged for judged in gather(home, Asked(judgements, queries)) if judged.text and not judged.image]
    with ExitStack() as closing:
        with errors.status("Loading the encoder and the reranker"):
            engine = home.open_engine(encoder_for(home, settings))
            reranker = open_reranker(settings, closing)
        with progress_bar() as bar:
            seen = look_closely(engine, home.images, reranker, map(example_of, asked))
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


def show(blend: Blend) -> None:
    """Print what was fitted, in words."""
    output.print(f"Fitted to {blend.source}.", highlight=False, soft_wrap=True)
    output.print(
        f"Beside the retrieval's log-odds the whole phrase counts {blend.whole:g}, each requirement {blend.parts:g}, "
        f"and {blend.free:g} times as much where the catalog has no values for the words; "
        f"the model's log-odds are taken {blend.slope:g} times, {blend.intercept:+g}.",
        highlight=False,
        soft_wrap=True,
    )
