"""Retrieval from everything a shop knows: pictures, titles and attributes, beside full-text search alone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.catalogs import Indexed, encoded_picture, indexed, labelled_items, picture_of
from benchmarks.figure import Figure
from benchmarks.pictures import PHRASE
from evaluation import metrics
from evaluation.fields import Template, queries_by
from evaluation.query import JudgedQuery
from evaluation.running import ask_all
from search.catalog.words import match_words
from search.encoders.base import Encoder
from search.query import Query

HOW = "fashion-validation, all fields indexed"


def measure(encoder: Encoder, data: Path) -> Iterator[Figure]:
    """On ``fashion-validation``, all fields indexed."""
    with indexed(encoder, data / "fashion-validation.parquet") as catalog:
        yield Figure("rows loaded", catalog.report.n_added, 2000, how="fashion-validation.parquet")
        yield Figure("exact title first", exact_title_first(catalog), 0.97, how=HOW)
        yield Figure("own photo first", own_photo_first(catalog), 0.99, how=HOW)
        for name, by, min_rows in (
            ("article", "article", 3),
            ("subcategory", "subcategory", 3),
            ("colour", "colour", 3),
            ("usage", "usage", 3),
            ("season", "season", 3),
            ("colour article for gender", PHRASE, 5),
        ):
            yield beside_full_text(catalog, name, queries_by(labelled_items(catalog.rows), [Template(by)], min_rows))


def beside_full_text(catalog: Indexed, name: str, queries: Sequence[JudgedQuery]) -> Figure:
    """Precision of the whole search; its bound is what full-text search (SQLite FTS5, BM25) reaches alone."""
    judgements = [query.grades for query in queries]
    whole = [found.skus for found in ask_all(catalog.engine, queries, lambda done: None)]
    words = [by_words(catalog, query.text) for query in queries]
    reached, reference = (float(metrics.measure(each, judgements)[metrics.CAPPED].mean()) for each in (whole, words))
    return Figure(f"{name} to product, P@10", reached, reference, how=f"{HOW}; the bound is full-text search alone")


def by_words(catalog: Indexed, text: str) -> list[str]:
    """The skus that full-text search finds alone, best first."""
    with catalog.home.catalog.database.read() as connection:
        ids = [match.item_id for match in match_words(connection, text, limit=metrics.DEPTH, within=None)]
    items = catalog.home.catalog.items(ids)
    return [items[item_id].item.sku for item_id in ids]


def exact_title_first(catalog: Indexed) -> float:
    """The share of titles that, typed exactly, bring an item of that title first."""
    titles = sorted({str(row["title"]) for row in catalog.rows})
    firsts = [catalog.engine.search(Query(text=title, limit=1)).hits[0].stored.item.title for title in titles]
    return sum(first == title for first, title in zip(firsts, titles, strict=True)) / len(titles)


def own_photo_first(catalog: Indexed) -> float:
    """The share of items that their own photo brings first; one that shares its photo with another item counts when
    either comes first."""
    n_first = 0
    by_photo: dict[bytes, set[str]] = defaultdict(set)
    for row in catalog.rows:
        by_photo[encoded_picture(row)].add(str(row["sku"]))
    for row in catalog.rows:
        hits = catalog.engine.search(Query(images=(picture_of(row),), limit=1)).hits
        n_first += hits[0].stored.item.sku in by_photo[encoded_picture(row)]
    return n_first / len(catalog.rows)
