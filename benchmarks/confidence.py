"""Confidences: do they come true, and is a query for what the catalog lacks told from one that it answers?"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from benchmarks.catalogs import Indexed, indexed, labelled_items
from benchmarks.figure import Figure
from benchmarks.pictures import PHRASE
from evaluation.fields import Template, queries_by, queries_like
from evaluation.query import JudgedQuery
from evaluation.run import Setting, run_of
from evaluation.running import ask_all
from search.encoders.base import Encoder
from search.query import Query
from training.elsewhere import HELD_HALF

BY = ("article", "subcategory", "colour", "usage", "season", PHRASE, "title")
N_SAMPLED = 300
"""Titles and photos that are asked, of 2,000 each: every seventh."""

MAX_ERROR = 0.1
MIN_ANSWERED = 0.95
MIN_CAUGHT = 0.9
"""Set by judgement before the first measurement: one in ten wrong is what a shopper may meet."""


def measure(encoder: Encoder, data: Path) -> Iterator[Figure]:
    """On ``fashion-validation``, by pictures alone and with all fields indexed."""
    for how, pictures_alone in (("pictures alone", True), ("all fields indexed", False)):
        with indexed(encoder, data / "fashion-validation.parquet", pictures_alone=pictures_alone) as catalog:
            yield from measure_catalog(catalog, f"fashion-validation, {how}")


def measure_catalog(catalog: Indexed, how: str) -> Iterator[Figure]:
    items = labelled_items(catalog.rows)
    queries = [query for by in BY for query in sampled(queries_by(items, [Template(by)], 3))]
    found = ask_all(catalog.engine, queries, lambda done: None)
    error = run_of(Setting("", len(items)), queries, found).reliability
    assert error is not None
    yield Figure("calibration error, text queries", error.calibration_error, MAX_ERROR, "at most", how=how)
    photos = sampled(queries_like(items, [Template("article")], 3))
    error = run_of(Setting("", len(items)), photos, ask_all(catalog.engine, photos, lambda done: None)).reliability
    assert error is not None
    yield Figure("calibration error, photos", error.calibration_error, MAX_ERROR, "at most", how=how)
    answered = sum(not no_good_match(catalog, query.text) for query in queries) / len(queries)
    yield Figure("answerable queries with a good match", answered, MIN_ANSWERED, how=f"{how}, {len(queries)} queries")
    caught = sum(no_good_match(catalog, text) for text in HELD_HALF) / len(HELD_HALF)
    what = f"{len(HELD_HALF)} things other shops sell, such as {HELD_HALF[0]!r}"
    yield Figure("off-catalog queries told so", caught, MIN_CAUGHT, how=f"{how}; {what}")


def no_good_match(catalog: Indexed, text: str) -> bool:
    return catalog.engine.search(Query(text)).no_good_match


def sampled(queries: list[JudgedQuery]) -> list[JudgedQuery]:
    """All of them, or every so many so that ``N_SAMPLED`` are left."""
    return queries[:: max(1, len(queries) // N_SAMPLED)]
