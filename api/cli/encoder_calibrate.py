"""``vitrina encoder calibrate``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.table import Table

from vitrina.api.cli.console import errors, output, progress_bar
from vitrina.api.cli.search import percent
from vitrina.api.settings import Settings, encoder_for
from vitrina.evaluation.calibration import MIN_QUERIES, fit_calibration
from vitrina.evaluation.judgements import JudgedQuery, judged_skus, read_judgements, sample_queries
from vitrina.evaluation.label_queries import QueryTemplate, label_queries, similar_item_queries
from vitrina.evaluation.samples import CalibrationSample, calibration_samples, example_of, usable
from vitrina.search.encoders.open_clip import CARD_FILE
from vitrina.search.encoders.registry import folder_of, keep_copy
from vitrina.search.engine import SearchEngine
from vitrina.search.store.store import Store
from vitrina.search.types.calibration import Calibration, write_calibration
from vitrina.search.types.errors import InputError
from vitrina.search.types.models import LOCAL_PREFIX, EncoderIdentity

MIN_ROWS = 3
"""The fewest items that a value must have to be asked by --by and --like, as in vitrina eval."""

MAX_QUERIES = 500
"""Queries of one file or field at the most: ten numbers are fitted, and more queries no longer move them."""


@dataclass(frozen=True, slots=True)
class CalibrateOptions:
    """What to calibrate on, as it was typed."""

    judgements: Path | None = None
    queries: Path | None = None
    by: tuple[str, ...] = ()
    like: tuple[str, ...] = ()


def calibrate_encoder(settings: Settings, asked: CalibrateOptions) -> None:
    """Fit the live encoder's calibration to the catalog, print what was measured, and store it."""
    store = Store.existing(settings.store)
    queries = gather(store, asked)
    with errors.status("Loading the encoder"):
        engine = SearchEngine.open(store, encoder_for(store, settings))
    source = f"{len(queries):,} queries on a catalog of {store.catalog.counts()['items']:,} items"
    calibration = fit_calibration(observe_with_progress(engine, queries), source)
    if not calibration.curves:
        raise InputError(
            f"There are too few queries to calibrate on: {len(queries)}, some of which must find something.",
            remedy=f"Give at least {MIN_QUERIES} of a kind (words, pictures, or both).",
        )
    show(calibration)
    stored = keep(store, engine.encoder.identity, calibration)
    output.print(f"Kept in {stored}; a running service takes it when it starts again.", highlight=False, soft_wrap=True)
    store.close()


def gather(store: Store, asked: CalibrateOptions) -> list[JudgedQuery]:
    """The queries that judgements and fields make. Raises InputError where there are none."""
    judged = [] if asked.judgements is None else read_judgements(asked.judgements, asked.queries)
    for make, fields in ((label_queries, asked.by), (similar_item_queries, asked.like)):
        if fields:
            items = (stored.item for stored in store.catalog.all_items() if stored.image_ids or make is label_queries)
            judged += make(items, [QueryTemplate(name) for name in fields], MIN_ROWS)
    if not judged:
        raise InputError("There is nothing to calibrate on.", remedy="Give --judgements FILE, or --by FIELD.")
    known = store.catalog.content_hashes(sorted(judged_skus(judged)))
    return usable(sample_queries(judged, MAX_QUERIES, seed=0), known)


def observe_with_progress(engine: SearchEngine, queries: Sequence[JudgedQuery]) -> list[CalibrationSample]:
    with progress_bar() as bar:
        observed = calibration_samples(engine, map(example_of, queries))
        return list(bar.track(observed, total=len(queries), description="Searching"))


def keep(store: Store, identity: EncoderIdentity, calibration: Calibration) -> Path:
    """Write a calibration where the encoder is: into the user's own folder and the home's copy of it, else, for an
    encoder in the package or in a download cache, beside the catalog. Returns where."""
    folder = folder_of(identity) if identity.name.startswith(LOCAL_PREFIX) else None
    if folder is None:
        return store.keep_calibration(identity, calibration)
    write_calibration(folder / CARD_FILE, calibration)
    keep_copy(store, identity)
    return folder / CARD_FILE


def show(calibration: Calibration) -> None:
    """Print what was measured, a kind of query a row."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in (
        "asked by",
        "queries",
        "calibration error",
        "Brier",
        "no match under",
        "answerable pass",
        "others fail",
    ):
        table.add_column(column, justify="left" if column == "asked by" else "right")
    for kind, curve in calibration.curves.items():
        if (measured := curve.measured) is not None:
            table.add_row(
                kind,
                f"{measured.n_queries:,}",
                f"{measured.calibration_error:.3f}",
                f"{measured.brier:.3f}",
                percent(curve.no_match_confidence),
                percent(measured.answerable_passed),
                percent(measured.off_catalog_caught),
            )
    output.print(table)
    errors.print("Measured on one half of the queries with a fit to the other; kept is a fit to all of them.")
