"""``vitrina encoder calibrate``."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from rich.table import Table

from vitrina.api.cli.console import (
    ByOption,
    LikeOption,
    OptionalJudgementsOption,
    QueriesOption,
    StoreOption,
    errors,
    output,
    print_line,
    print_note,
    settings_for,
    with_progress,
)
from vitrina.api.cli.search import percent
from vitrina.search.types.errors import InputError

if TYPE_CHECKING:
    from vitrina.evaluation.judgements import JudgedQuery
    from vitrina.search.store.store import Store
    from vitrina.search.types.calibration import Calibration
    from vitrina.search.types.models import EncoderIdentity

MIN_ROWS = 3
"""The fewest items that a value must have for --by and --like, as in vitrina eval."""

MAX_QUERIES = 500
"""The most queries of one file or field: ten numbers are fitted, and more queries no longer change them."""


def calibrate(
    judgements: OptionalJudgementsOption = None,
    queries: QueriesOption = None,
    by: ByOption = None,
    like: LikeOption = None,
    folder: StoreOption = None,
) -> None:
    """Fit the confidence of hits to queries with known answers.

    A query judged to have no relevant item shows what the catalog does not hold.
    """
    from vitrina.api.settings import encoder_for, existing_store
    from vitrina.evaluation.calibration import MIN_QUERIES, fit_calibration, new_cohort
    from vitrina.evaluation.samples import calibration_samples, example_of
    from vitrina.search.engine import SearchEngine

    settings = settings_for(folder)
    with closing(existing_store(settings)) as store:
        judged = gather(store, judgements, queries, by or [], like or [])
        with errors.status("Loading the encoder"):
            encoder = encoder_for(store, settings)
            cohort = new_cohort(encoder)
            engine = SearchEngine.open(store, encoder).uncalibrated(cohort)
        samples = list(with_progress(calibration_samples(engine, map(example_of, judged)), "Searching", len(judged)))
        n_items = store.catalog.count("items")
        source = f"{len(judged):,} queries on a catalog of {n_items:,} items"
        calibration = fit_calibration(samples, source, cohort=cohort)
        if not (calibration.curves or calibration.of_images):
            raise InputError(
                f"There are too few queries to calibrate on: {len(judged)}, some of which must find something.",
                remedy=f"Give at least {MIN_QUERIES} of a kind (text, images, or both).",
            )
        show(calibration)
        path = keep(store, engine.encoder.identity, calibration)
    print_line(f"Written to {path}; a running service uses it after its next start.")


def gather(
    store: Store, judgements: Path | None, texts: Path | None, by: Sequence[str] = (), like: Sequence[str] = ()
) -> list[JudgedQuery]:
    """The queries from judgements and fields. Raises InputError if there are none."""
    from vitrina.evaluation.judgements import judged_skus, read_judgements, sample_queries
    from vitrina.evaluation.label_queries import QueryTemplate, label_queries, similar_item_queries
    from vitrina.evaluation.samples import usable

    judged = [] if judgements is None else read_judgements(judgements, texts)
    for make, fields in ((label_queries, by), (similar_item_queries, like)):
        if fields:
            items = (stored.item for stored in store.catalog.all_items() if stored.image_ids or make is label_queries)
            judged += make(items, [QueryTemplate(name) for name in fields], MIN_ROWS)
    if not judged:
        raise InputError("There is nothing to calibrate on.", remedy="Give --judgements FILE, or --by FIELD.")
    known = store.catalog.content_hashes(sorted(judged_skus(judged)))
    return usable(sample_queries(judged, MAX_QUERIES, seed=0), known)


def keep(store: Store, identity: EncoderIdentity, calibration: Calibration) -> Path:
    """Write a calibration beside its encoder, and return where.

    That is the user's own folder and the store's copy of it; for an encoder in the package or in a download cache, a
    file in the store.
    """
    from vitrina.search.encoders.base import CARD_FILE
    from vitrina.search.encoders.registry import folder_of, keep_copy
    from vitrina.search.types.calibration import write_calibration
    from vitrina.search.types.models import LOCAL_PREFIX

    folder = folder_of(identity) if identity.name.startswith(LOCAL_PREFIX) else None
    if folder is None:
        return store.keep_calibration(identity, calibration)
    write_calibration(folder / CARD_FILE, calibration)
    keep_copy(store, identity)
    return folder / CARD_FILE


def show(calibration: Calibration) -> None:
    """Print what was measured, one row for each kind of query."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("query")
    for column in ("queries", "calibration error", "Brier", "no match under", "answerable pass", "others fail"):
        table.add_column(column, justify="right")
    for kind, curve, measured in calibration.measured_curves():
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
    print_note("Measured on one half of the queries after a fit to the other half; what is written is fitted to all.")
