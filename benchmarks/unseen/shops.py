"""Judged shops, indexed and asked as a user does it, beside BM25, MiniLM, both by rank, and their pictures alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import typer
from numpy.typing import NDArray

import vitrina
from benchmarks.catalogs import Figure
from benchmarks.unseen.references import Bm25, MiniLm, Order, reciprocal_rank_fusion
from vitrina.evaluation import metrics
from vitrina.evaluation.judgements import JudgedQuery, read_judgements
from vitrina.search.encoders.base import Encoder
from vitrina.search.types.query import WINDOW

HERE = Path(__file__).parent
NOT_OF_THE_SHOP = ("source", "licence")
"""Columns that say where a data set has its rows from."""


@dataclass(frozen=True, slots=True)
class Shop:
    """A catalog in a Parquet file, its judged queries, and things that it does not sell.

    ``right`` is the least grade of a right item. ``is_complete`` says whether an item without a grade was looked at,
    too, and is wrong. ``columns`` are as in ``vitrina index --column``. ``ndcg``, ``rated`` and ``first`` are what the
    search should reach, ``lead`` by how much nDCG@10 should lie above the best of its parts.
    """

    name: str
    file: str
    queries: Path
    off_catalog: Path
    right: int
    is_complete: bool
    lead: float
    first: float = 0.80
    ndcg: float | None = None
    rated: float | None = None
    columns: tuple[tuple[str, str], ...] = ()


def judged_shops(data: Path) -> tuple[Shop, ...]:
    """The shops whose queries people rated, and the two whose queries we wrote and rated."""
    electronics = data / "judged" / "electronics-queries.jsonl"
    return (
        Shop(
            "electronics",
            "judged/electronics.parquet",
            electronics,
            HERE / "electronics-off-catalog.txt",
            right=1,
            is_complete=False,
            lead=0.0,
            ndcg=0.72,
            rated=0.86,
        ),
        Shop(
            "demo shops",
            "demo-shop-products.parquet",
            HERE / "demo-shop-queries.jsonl",
            HERE / "demo-shop-off-catalog.txt",
            right=2,
            is_complete=True,
            lead=0.05,
            columns=(("description", "article"),),
        ),
        Shop(
            "DIY shop",
            "zava-diy-products.parquet",
            HERE / "diy-queries.jsonl",
            HERE / "diy-off-catalog.txt",
            right=2,
            is_complete=True,
            lead=0.05,
        ),
    )


BY_IMAGES = 0.55
"""The nDCG@10 that pictures alone should reach."""

MAX_CALIBRATION_ERROR, MIN_TOLD, MAX_REFUSED = 0.08, 0.90, 0.03


def measure_shops(encoder: Encoder, data: Path) -> Iterator[Figure]:
    """Every judged shop, all fields indexed, and by its pictures alone where it has them."""
    for shop in judged_shops(data):
        rows = pq.read_table(data / shop.file)
        rows = rows.drop_columns([name for name in NOT_OF_THE_SHOP if name in rows.column_names])
        queries = read_judgements(shop.queries)
        found = {PRODUCT: ask(encoder, rows, queries, shop)}
        by_reference = references(rows, queries)
        by_images = ask(encoder, images_alone(rows), queries, shop) if "image" in rows.column_names else None
        if by_images is not None:
            by_reference[IMAGES] = with_skus(by_images.rankings, rows)
        rankings = {PRODUCT: found[PRODUCT].rankings, **by_reference}
        yield from quality(shop, queries, rankings)
        yield from certainty(shop, f"{shop.name}, all fields", queries, found[PRODUCT])
        if by_images is not None:
            yield from certainty(shop, f"{shop.name}, {IMAGES}", numbered(queries, rows), by_images)


PRODUCT, IMAGES = "the search", "pictures alone"


@dataclass(frozen=True, slots=True)
class Asked:
    """What the search said to a shop's queries: rankings of skus, the confidences of the first hits, which queries were
    refused as having no good match, and the share of off-catalog queries that were."""

    rankings: Sequence[Sequence[str]]
    confidences: Sequence[Sequence[float | None]]
    refused: Sequence[bool]
    told: float


def ask(encoder: Encoder, rows: pa.Table, queries: Sequence[JudgedQuery], shop: Shop) -> Asked:
    """Index rows into a new store and ask every query, and what the shop does not sell."""
    columns = {field: name for field, name in shop.columns if name in rows.column_names}
    with opened(encoder, rows, columns) as store:
        answers = [store.search(query.text, limit=WINDOW) for query in queries]
        away = [store.search(text).no_good_match for text in read_lines(shop.off_catalog)]
    return Asked(
        rankings=[[hit.item.sku for hit in answer.hits] for answer in answers],
        confidences=[[hit.confidence for hit in answer.hits[: metrics.FIRST_HITS]] for answer in answers],
        refused=[answer.no_good_match for answer in answers],
        told=float(np.mean(away)),
    )


@contextmanager
def opened(encoder: Encoder, rows: pa.Table, columns: Mapping[str, str] | None = None) -> Iterator[vitrina.OpenStore]:
    """A new store with these rows in it, filled by the public API."""
    with TemporaryDirectory() as folder:
        catalog = Path(folder) / "catalog.parquet"
        pq.write_table(rows, catalog, row_group_size=1000)
        with vitrina.open_store(Path(folder) / "store", encoder=encoder.identity.name) as store:
            progress = store.index(catalog, columns=columns)
            typer.echo(f"indexed {progress.n_added:,} of {rows.num_rows:,} rows", err=True)
            yield store


def images_alone(rows: pa.Table) -> pa.Table:
    """The pictures, numbered instead of named, since a sku may hold words."""
    numbers = pa.array([str(number) for number in range(rows.num_rows)])
    return pa.table({"sku": numbers, "image": rows["image"]})


def with_skus(rankings: Sequence[Sequence[str]], rows: pa.Table) -> list[list[str]]:
    """Rankings of numbers as rankings of skus."""
    skus = rows["sku"].to_pylist()
    return [[skus[int(number)] for number in ranking] for ranking in rankings]


def numbered(queries: Sequence[JudgedQuery], rows: pa.Table) -> list[JudgedQuery]:
    """The queries with their grades by number, as ``images_alone`` names the items."""
    number = {sku: str(at) for at, sku in enumerate(rows["sku"].to_pylist())}
    return [
        JudgedQuery(each.id, each.kind, {number[sku]: grade for sku, grade in each.judged.items()}, text=each.text)
        for each in queries
    ]


def read_lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines()


def references(rows: pa.Table, queries: Sequence[JudgedQuery]) -> dict[str, list[list[str]]]:
    """What BM25, MiniLM and the two fused by rank find among the rows' whole texts."""
    skus, texts = rows["sku"].to_pylist(), texts_of(rows)
    words, sentences = Bm25(texts), MiniLm(texts)
    found: dict[str, list[Order]] = {
        "BM25": [words.rank(query.text) for query in queries],
        "MiniLM": [sentences.rank(query.text) for query in queries],
    }
    found[BOTH] = [reciprocal_rank_fusion(both) for both in zip(found["BM25"], found["MiniLM"], strict=True)]
    return {name: [[skus[at] for at in order] for order in orders] for name, orders in found.items()}


BOTH = "both by rank"
NOT_TEXT = {"sku", "image", "price"}


def texts_of(rows: pa.Table) -> list[str]:
    """Each row's title and all its other text in one."""
    columns = [rows[name].to_pylist() for name in rows.column_names if name not in NOT_TEXT]
    return [" ".join(filter(None, values)) for values in zip(*columns, strict=True)]


NDCG, RATED, FIRST = "nDCG@10", "nDCG@10 over rated items", "first hit right"
MEASURES = (NDCG, RATED, FIRST)


def quality(
    shop: Shop, queries: Sequence[JudgedQuery], rankings: Mapping[str, Sequence[Sequence[str]]]
) -> Iterator[Figure]:
    """Every measure of every system, each reference beside the search; and the search against the best of its parts.

    Where every item was rated, rated items alone say nothing: those without a grade are wrong.
    """
    judgements = [query.grades for query in queries]
    values = {name: measured(found, judgements, shop.right) for name, found in rankings.items()}
    bounds = {NDCG: shop.ndcg, RATED: shop.rated, FIRST: shop.first}
    for at, measure in enumerate(MEASURES):
        if measure == RATED and shop.is_complete:
            continue
        for name, of_system in values.items():
            interval = metrics.intervals(of_system)[at]
            how = f"{len(queries)} queries, 95% interval {interval.low:.3f} to {interval.high:.3f}"
            if name != PRODUCT:
                gain = metrics.intervals(values[PRODUCT] - of_system)[at]
                how += f"; the search is {gain.mean:+.3f} from it, {gain.low:+.3f} to {gain.high:+.3f}"
            bound = bounds[measure] if name == PRODUCT else None
            bound = BY_IMAGES if (name, measure) == (IMAGES, NDCG) else bound
            yield Figure(f"{shop.name}, {measure}, {name}", interval.mean, bound, how=how)
    yield lead(shop, values)


def lead(shop: Shop, values: Mapping[str, NDArray[np.float64]]) -> Figure:
    """How far the search's nDCG@10 lies above that of the best of its parts, found by their means."""
    parts = [name for name in values if name not in {PRODUCT, BOTH}]
    best = max(parts, key=lambda name: float(values[name][:, 0].mean()))
    gain = metrics.intervals(values[PRODUCT] - values[best])[0]
    how = f"that is {best}; 95% interval {gain.low:+.3f} to {gain.high:+.3f}"
    return Figure(f"{shop.name}, {NDCG} above the best part", gain.mean, shop.lead, how=how)


def measured(
    rankings: Sequence[Sequence[str]], judgements: Sequence[metrics.Grades], right: int
) -> NDArray[np.float64]:
    """Each of ``MEASURES`` for each query, shape (n_queries, 3). An item without a grade counts 0; over rated items
    alone it is left out of the ranking."""
    whole = metrics.measure(rankings, judgements)["ndcg@10"]
    pairs = list(zip(rankings, judgements, strict=True))
    rated = metrics.measure([[sku for sku in found if sku in grades] for found, grades in pairs], judgements)["ndcg@10"]
    first = [bool(found) and grades.get(found[0], 0) >= right for found, grades in pairs]
    return np.stack([whole, rated, np.array(first, np.float64)], axis=1)


def certainty(shop: Shop, name: str, queries: Sequence[JudgedQuery], asked: Asked) -> Iterator[Figure]:
    """Whether confidences are right, what is not sold is told so, and what is sold is not refused."""
    error = calibration_error(shop, queries, asked)
    of = "all first hits" if shop.is_complete else "first hits that are rated"
    if error is not None:
        how = f"{name}; {of}, right from grade {shop.right} on"
        yield Figure("calibration error, natural queries", error, MAX_CALIBRATION_ERROR, "at most", how=how)
    n_away = len(read_lines(shop.off_catalog))
    yield Figure("off-catalog queries told so", asked.told, MIN_TOLD, how=f"{name}; {n_away} queries")
    refused = float(np.mean(asked.refused))
    yield Figure("answerable queries refused", refused, MAX_REFUSED, "at most", how=f"{name}; {len(queries)} queries")


def calibration_error(shop: Shop, queries: Sequence[JudgedQuery], asked: Asked) -> float | None:
    """The expected calibration error of the first hits' confidences; None without any."""
    confidences, relevant = [], []
    for query, skus, given in zip(queries, asked.rankings, asked.confidences, strict=True):
        for sku, confidence in zip(skus, given, strict=False):
            if confidence is not None and (shop.is_complete or sku in query.grades):
                confidences.append(confidence)
                relevant.append(query.grades.get(sku, 0) >= shop.right)
    found = metrics.reliability(confidences, relevant)
    return None if found is None else found.calibration_error
