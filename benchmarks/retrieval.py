"""Retrieval on held-out product photos: from everything a shop knows, and from the pictures alone."""

from __future__ import annotations

import io
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from PIL import Image

from benchmarks.catalogs import Indexed, indexed
from benchmarks.figure import Figure
from search.encoders.base import Encoder
from search.query import Query

Row = Mapping[str, object]
DEPTH = 10


def measure(encoder: Encoder, data: Path) -> Iterator[Figure]:
    """Precision in the ten best, or in as many as exist, if fewer: from a value's name to its products."""
    path = data / "fashion-validation.parquet"
    with indexed(encoder, path) as everything:
        yield Figure("rows loaded", everything.report.n_added, 2000, how="fashion-validation.parquet")
        how = "all fields indexed"
        yield Figure("article name to product, P@10", precision(everything, of("article"), 3), 0.95, how=how)
        yield Figure("exact title first", exact_title_first(everything), 0.97, how=how)
        yield Figure("own photo first", own_photo_first(everything), 0.99, how=how)
    with indexed(encoder, path, ["sku", "image"]) as pictures:
        how = "only sku and image indexed"
        yield Figure("article, P@10", precision(pictures, of("article"), 3), 0.50, how=how)
        yield Figure("subcategory, P@10", precision(pictures, of("subcategory"), 3), 0.62, how=how)
        yield Figure("colour article for gender, P@10", precision(pictures, whole_phrase, 5), 0.40, how=how)


def of(field: str) -> Callable[[Row], str | None]:
    return lambda row: str(row[field]) if row[field] is not None else None


def whole_phrase(row: Row) -> str | None:
    parts = [row["colour"], row["article"], row["gender"]]
    return None if None in parts else f"{row['colour']} {row['article']} for {row['gender']}"


def precision(catalog: Indexed, query_of: Callable[[Row], str | None], min_rows: int) -> float:
    """Mean over the queries that at least ``min_rows`` rows answer."""
    relevant: dict[str, set[str]] = defaultdict(set)
    for row in catalog.rows:
        if query := query_of(row):
            relevant[query].add(str(row["sku"]))
    scores = [
        len(found(catalog, Query(text=text, limit=min(DEPTH, len(skus)))) & skus) / min(DEPTH, len(skus))
        for text, skus in relevant.items()
        if len(skus) >= min_rows
    ]
    return sum(scores) / len(scores)


def found(catalog: Indexed, query: Query) -> set[str]:
    return {hit.stored.item.sku for hit in catalog.engine.search(query).hits}


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
        by_photo[picture_bytes(row)].add(str(row["sku"]))
    for row in catalog.rows:
        photo = Image.open(io.BytesIO(picture_bytes(row))).convert("RGB")
        hits = catalog.engine.search(Query(images=(photo,), limit=1)).hits
        n_first += hits[0].stored.item.sku in by_photo[picture_bytes(row)]
    return n_first / len(catalog.rows)


def picture_bytes(row: Row) -> bytes:
    picture = row["image"]
    assert isinstance(picture, bytes)
    return picture
