"""Retrieval by images alone and from all that a shop knows, beside the words alone; and its confidences."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.catalogs import Figure, Indexed, Row, encoded_image, image_of, indexed, labelled_items, read_rows
from vitrina.evaluation import metrics
from vitrina.evaluation.judged_search import search_all
from vitrina.evaluation.judgements import JudgedQuery
from vitrina.evaluation.label_queries import QueryTemplate, label_queries, similar_item_queries
from vitrina.evaluation.run import RunInfo, make_run
from vitrina.search.encoders.base import Encoder
from vitrina.search.types.query import Query
from vitrina.tuning.encoder.calibration import OUT_OF_CATALOG_TEXTS

PHRASE = "{colour} {article} for {gender}"


@dataclass(frozen=True, slots=True)
class Target:
    """A set of queries, the metric it is held to, and the bound. ``by`` is a field or a template."""

    name: str
    by: str
    at_least: float
    metric: str = metrics.CAPPED
    min_rows: int = 3
    like: bool = False


TARGETS = {
    "fashion-validation": (
        Target("subcategory to product", "subcategory", 0.85),
        Target("article to product", "article", 0.75),
        Target("colour to product", "colour", 0.55),
        Target("usage to product", "usage", 0.60),
        Target("season to product", "season", 0.50),
        Target("colour article for gender", PHRASE, 0.62, min_rows=5),
        Target("full title to its photo", "title", 0.55, metric="r@10"),
        Target("photo to photo, same article", "article", 0.78, metric="p@1", like=True),
    ),
    "grocery-validation": (Target("fine class to photo", "title", 0.65),),
    "clothing-validation": (Target("article to photo", "article", 0.80),),
}
"""The bounds; values that fewer rows than ``min_rows`` carry make no query, except titles."""

ICONIC_FIRST = 0.60


def measure_images(encoder: Encoder, data: Path) -> Iterator[Figure]:
    """Every target on its file, and grocery photos looked up among the shop's 81 iconic images."""
    for source, targets in TARGETS.items():
        with indexed(encoder, data / f"{source}.parquet", images_alone=True) as catalog:
            for target in targets:
                yield measure_target(catalog, source, target)
    with indexed(encoder, data / "grocery-iconic.parquet", images_alone=True) as iconic:
        yield photo_to_iconic(iconic, read_rows(data / "grocery-validation.parquet"))


def measure_target(catalog: Indexed, source: str, target: Target) -> Figure:
    items = labelled_items(catalog.rows)
    make = similar_item_queries if target.like else label_queries
    queries = make(items, [QueryTemplate(target.by)], target.min_rows)
    found = search_all(catalog.engine, queries, lambda done: None)
    run = make_run(RunInfo(catalog.engine.encoder.identity.name, len(items)), queries, found)
    value = run.summaries[0].metrics[target.metric]
    how = f"{source}, {len(queries):,} queries, 95% interval {value.low:.3f} to {value.high:.3f}"
    return Figure(f"{target.name}, {metrics.LABELS[target.metric]}", value.mean, target.at_least, how=how)


def photo_to_iconic(iconic: Indexed, photos: Sequence[Row]) -> Figure:
    """How often a shopper's photo brings the one iconic image of its class first."""
    sku_of = {str(row["title"]): str(row["sku"]) for row in iconic.rows}
    rankings, judgements = [], []
    for row in photos:
        answer = iconic.engine.search(Query(images=(image_of(row),), limit=10))
        rankings.append([hit.stored.item.sku for hit in answer.hits])
        judgements.append({sku_of[str(row["title"])]: 1})
    first = float(metrics.measure(rankings, judgements)["r@1"].mean())
    how = f"grocery-validation, {len(rankings)} photos against {len(sku_of)} iconic pictures"
    return Figure("photo to the iconic picture of its class, R@1", first, ICONIC_FIRST, how=how)


HOW = "fashion-validation, all fields indexed"


def measure_listings(encoder: Encoder, data: Path) -> Iterator[Figure]:
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
            yield beside_words(
                catalog, name, label_queries(labelled_items(catalog.rows), [QueryTemplate(by)], min_rows)
            )


def beside_words(catalog: Indexed, name: str, queries: Sequence[JudgedQuery]) -> Figure:
    """Precision of the whole search; its bound is what the words (BM25) reach alone."""
    judgements = [query.grades for query in queries]
    whole = [found.skus for found in search_all(catalog.engine, queries, lambda done: None)]
    words = [by_words(catalog, query.text) for query in queries]
    reached, reference = (float(metrics.measure(each, judgements)[metrics.CAPPED].mean()) for each in (whole, words))
    return Figure(f"{name} to product, P@10", reached, reference, how=f"{HOW}; the bound is the lexical index alone")


def by_words(catalog: Indexed, text: str) -> list[str]:
    """The skus that the lexical index finds alone, best first."""
    ids = catalog.engine.replica.lexical.match(text).best(metrics.DEPTH).item_ids.tolist()
    items = catalog.store.catalog.items(ids)
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
        by_photo[encoded_image(row)].add(str(row["sku"]))
    for row in catalog.rows:
        hits = catalog.engine.search(Query(images=(image_of(row),), limit=1)).hits
        n_first += hits[0].stored.item.sku in by_photo[encoded_image(row)]
    return n_first / len(catalog.rows)


BY = ("article", "subcategory", "colour", "usage", "season", PHRASE, "title")
N_SAMPLED = 300
"""Titles and photos that are asked, of 2,000 each: every seventh."""

MAX_ERROR = 0.1
MIN_ANSWERED = 0.95
MIN_CAUGHT = 0.9
"""Set by judgement before the first measurement: one in ten wrong is what a shopper may meet."""


def measure_confidence(encoder: Encoder, data: Path) -> Iterator[Figure]:
    """On ``fashion-validation``, by images alone and with all fields indexed."""
    for how, images_alone in (("pictures alone", True), ("all fields indexed", False)):
        with indexed(encoder, data / "fashion-validation.parquet", images_alone=images_alone) as catalog:
            yield from measure_catalog(catalog, f"fashion-validation, {how}")


def measure_catalog(catalog: Indexed, how: str) -> Iterator[Figure]:
    items = labelled_items(catalog.rows)
    queries = [query for by in BY for query in sampled(label_queries(items, [QueryTemplate(by)], 3))]
    found = search_all(catalog.engine, queries, lambda done: None)
    error = make_run(RunInfo("", len(items)), queries, found).reliability
    assert error is not None
    yield Figure("calibration error, text queries", error.calibration_error, MAX_ERROR, "at most", how=how)
    photos = sampled(similar_item_queries(items, [QueryTemplate("article")], 3))
    error = make_run(RunInfo("", len(items)), photos, search_all(catalog.engine, photos, lambda done: None)).reliability
    assert error is not None
    yield Figure("calibration error, photos", error.calibration_error, MAX_ERROR, "at most", how=how)
    answered = sum(not no_good_match(catalog, query.text) for query in queries) / len(queries)
    yield Figure("answerable queries with a good match", answered, MIN_ANSWERED, how=f"{how}, {len(queries)} queries")
    caught = sum(no_good_match(catalog, text) for text in OUT_OF_CATALOG_TEXTS) / len(OUT_OF_CATALOG_TEXTS)
    what = f"{len(OUT_OF_CATALOG_TEXTS)} things other shops sell, such as {OUT_OF_CATALOG_TEXTS[0]!r}"
    yield Figure("off-catalog queries told so", caught, MIN_CAUGHT, how=f"{how}; {what}")


def no_good_match(catalog: Indexed, text: str) -> bool:
    return catalog.engine.search(Query(text)).no_good_match


def sampled(queries: list[JudgedQuery]) -> list[JudgedQuery]:
    """All of them, or every so many so that ``N_SAMPLED`` are left."""
    return queries[:: max(1, len(queries) // N_SAMPLED)]
