"""What reranking adds to retrieval, and what it costs."""

from __future__ import annotations

import io
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from fastapi.testclient import TestClient
from PIL import Image

import vitrina
from benchmarks.catalogs import Figure, Indexed, image_of, indexed, labelled_items
from benchmarks.retrieval import PHRASE, TARGETS, Target
from benchmarks.unseen.shops import NOT_OF_THE_SHOP, images_alone, judged_shops, numbered
from vitrina.api.app import create_app
from vitrina.api.settings import Settings
from vitrina.evaluation import metrics
from vitrina.evaluation.judged_search import MEASURING_DEADLINE_S
from vitrina.evaluation.judgements import JudgedQuery, read_judgements, sample_queries
from vitrina.evaluation.label_queries import QueryTemplate, label_queries
from vitrina.evaluation.metrics import intervals
from vitrina.indexer.backfill import precompute_features
from vitrina.search.encoders.base import Encoder
from vitrina.search.engine import SearchEngine
from vitrina.search.reranking.backends import RerankerOptions, open_by_name
from vitrina.search.reranking.backends.model_folders import EMBEDDED
from vitrina.search.reranking.base import Reranker
from vitrina.search.reranking.pipeline import RerankPipeline
from vitrina.search.store.store import FEATURES_FOLDER
from vitrina.search.types.answer import Explained, Reranked, Retrieved
from vitrina.search.types.query import MAX_DEADLINE_MS, MAX_EXPLAIN_MS, Query, RerankOptions

NDCG = "ndcg@10"
WORST = -0.002
"""What a set may lose where nothing is asked of it."""

N_LIFT_QUERIES = 150
"""Of each kind at the most, drawn at random: there are 1,916 titles, with some six statements each about 20 images."""

HOLE_SHARE, HOLE_LIFT, NATURAL_LIFT = 0.5, 0.05, 0.03
IMAGE_LIFTS = {PHRASE: 0.05, "article": 0.02, "colour": 0.02}
"""What pictures alone are asked for on ``fashion-validation``, by the template of the queries."""

HOLES = {"article": PHRASE, "colour": PHRASE, "gender": PHRASE, "usage": "{usage} {article} for {gender}"}
"""The queries about each field that is taken from half of the listings. They ask for other things, too: of a field's
value alone, the listings that have it fill the first page."""


@dataclass(frozen=True, slots=True)
class LiftQuestion:
    """Judged queries about one catalog, and how much reranking should add to their nDCG@10."""

    name: str
    queries: Sequence[JudgedQuery]
    at_least: float = WORST


def measure_lift(encoder: Encoder, data: Path) -> Iterator[Figure]:
    """Over HTTP, with nothing that a user lacks, on shops and rows that nothing was trained on: pictures alone; one
    field taken from half of the listings, and no titles that name it; natural queries; all fields."""
    for source, targets in TARGETS.items():
        rows = pq.read_table(data / f"{source}.parquet")
        asked = list(by_template(rows, (target for target in targets if not target.like)))
        numbers = [
            LiftQuestion(each.name, numbered(each.queries, rows), IMAGE_LIFTS.get(each.name, WORST)) for each in asked
        ]
        yield from lifts(encoder, images_alone(rows), f"{source}, pictures alone", numbers)
        if source == "fashion-validation":
            yield from lifts(encoder, rows, f"{source}, all fields", asked)
            for field_name, template in HOLES.items():
                about = list(by_template(rows, [Target(field_name, template, 0, min_rows=5)], HOLE_LIFT))
                yield from lifts(encoder, with_holes(rows, field_name), f"{source}, half without {field_name}", about)
    for shop in judged_shops(data):
        rows = pq.read_table(data / shop.file)
        if "image" not in rows.column_names:
            continue
        rows = rows.drop_columns([name for name in NOT_OF_THE_SHOP if name in rows.column_names])
        queries = read_judgements(shop.queries)
        columns = {name: column for name, column in shop.columns if column in rows.column_names}
        natural = [LiftQuestion("natural queries", queries, NATURAL_LIFT)]
        yield from lifts(encoder, rows, f"{shop.name}, all fields", natural, columns)
        by_images = [LiftQuestion("natural queries", numbered(queries, rows))]
        yield from lifts(encoder, images_alone(rows), f"{shop.name}, pictures alone", by_images)


def by_template(rows: pa.Table, targets: Iterable[Target], at_least: float = WORST) -> Iterator[LiftQuestion]:
    """The queries of each target, named by its template."""
    items = labelled_items(rows.to_pylist())
    for target in targets:
        made = label_queries(items, [QueryTemplate(target.by)], target.min_rows)
        yield LiftQuestion(target.by, sample_queries(made, N_LIFT_QUERIES, seed=0), at_least)


def with_holes(rows: pa.Table, field_name: str) -> pa.Table:
    """The rows without their titles, which name what they show, and half of them without one field."""
    has_hole = np.random.default_rng(0).random(rows.num_rows) < HOLE_SHARE
    values = [None if gone else value for gone, value in zip(has_hole, rows[field_name].to_pylist(), strict=True)]
    place = rows.schema.get_field_index(field_name)
    return rows.set_column(place, field_name, pa.array(values, pa.string())).drop_columns(["title"])


def lifts(
    encoder: Encoder,
    rows: pa.Table,
    condition: str,
    questions: Sequence[LiftQuestion],
    columns: Mapping[str, str] | None = None,
) -> Iterator[Figure]:
    """Index the rows, and ask a service of them each query twice: as retrieved, and reranked."""
    with TemporaryDirectory() as folder:
        catalog, store = Path(folder) / "catalog.parquet", Path(folder) / "store"
        pq.write_table(rows, catalog, row_group_size=1000)
        with vitrina.open_store(store, encoder=encoder.identity.name) as opened:
            opened.index(catalog, columns=columns)
        with TestClient(create_app(Settings(store=store)), base_url="http://localhost") as client:
            for question in questions:
                yield lift(client, condition, question)


def lift(client: TestClient, condition: str, question: LiftQuestion) -> Figure:
    """How far nDCG@10 rises, with the 95% interval of the paired difference."""
    reranks: tuple[object, ...] = (False, {"explain": 0, "deadline_ms": MAX_DEADLINE_MS})
    grades = [query.grades for query in question.queries]
    before, after = (
        metrics.measure([ranking(client, query.text, rerank) for query in question.queries], grades)[NDCG]
        for rerank in reranks
    )
    gained = intervals((after - before)[:, None], seed=0)[0]
    how = (
        f"{len(grades):,} queries: {before.mean():.3f} by retrieval, {after.mean():.3f} reranked, "
        f"95% interval {gained.low:+.3f} to {gained.high:+.3f}"
    )
    return Figure(f"rerank lift of nDCG@10, {condition}, {question.name}", gained.mean, question.at_least, how=how)


def ranking(client: TestClient, text: str, rerank: object) -> list[str]:
    """The skus that the service answers with, best first."""
    answer = client.post("/v1/search", json={"text": text, "limit": RerankOptions().top, "rerank": rerank})
    answer.raise_for_status()
    return [hit["sku"] for hit in answer.json()["hits"]]


N_ROWS = 600
PHOTO_SIZE = (768, 1024)
"""The photos of the file have 60 x 80 pixels; a shop's are scaled down from some thousand."""

TEMPLATES = ("{colour} {article} for {gender}", "{usage} {article} for {gender}", "{colour} {article}")
N_TIMED_QUERIES = 20

WARM_MS, COLD_MS, EXPLAINED_MS = 500, 900, 1500


@dataclass(slots=True)
class Times:
    """Milliseconds of each query: until its hits are in their final order, and until they are explained after that."""

    reranked: list[float] = field(default_factory=list)
    explained: list[float] = field(default_factory=list)


def measure_cost(encoder: Encoder, data: Path) -> Iterator[Figure]:
    """Medians over queries none of which was asked before, of 20 candidates and five explanations each."""
    with large_photos(encoder, data / "fashion-validation.parquet") as catalog:
        with open_by_name(EMBEDDED, RerankerOptions(device="cpu", cache_bytes=0)) as cold:
            times = timed(catalog, cold)
        how = f"{len(times.reranked)} queries of two or three requirements, photos of 768 x 1,024"
        yield Figure("20 candidates reranked, cold", median(times.reranked), COLD_MS, "at most", "ms", how)
        cached = RerankerOptions(device="cpu", features=catalog.store.folder / FEATURES_FOLDER)
        with open_by_name(EMBEDDED, cached) as warm:
            precomputed = precompute_features(catalog.store, warm)
            times = timed(catalog, warm)
        kept = f"{how}; precomputed at index time, {precomputed.n_done / precomputed.seconds:,.0f} pictures/s"
        yield Figure("20 candidates reranked, warm", median(times.reranked), WARM_MS, "at most", "ms", kept)
        yield Figure("five explanations more", median(times.explained), EXPLAINED_MS, "at most", "ms", how)


@contextmanager
def large_photos(encoder: Encoder, path: Path) -> Iterator[Indexed]:
    """The first rows of a file, indexed, their photos scaled up."""
    rows = pq.read_table(path).slice(0, N_ROWS)
    column = rows.schema.get_field_index("image")
    photos = pa.array([scaled_up(image_of(row)) for row in rows.to_pylist()])
    with TemporaryDirectory() as folder:
        large = Path(folder) / "large.parquet"
        pq.write_table(rows.set_column(column, "image", photos), large, row_group_size=100)
        with indexed(encoder, large) as catalog:
            yield catalog


def scaled_up(photo: Image.Image) -> bytes:
    buffer = io.BytesIO()
    photo.resize(PHOTO_SIZE, Image.Resampling.BICUBIC).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def timed(catalog: Indexed, reranker: Reranker) -> Times:
    """Ask queries one after the other, the first of them to warm up what is not the model's."""
    made = label_queries(labelled_items(catalog.rows), [QueryTemplate(name) for name in TEMPLATES], 1)
    texts = [query.text for query in sample_queries(made, N_TIMED_QUERIES, seed=0)]
    times = Times()
    with RerankPipeline.open(catalog.store, reranker, deadline_s=MEASURING_DEADLINE_S) as stage:
        engine = catalog.engine.with_reranker(stage)
        ask(engine, texts[0])
        for text in texts[1:]:
            reranked, explained = ask(engine, text)
            times.reranked.append(reranked)
            times.explained.append(explained)
    return times


def ask(engine: SearchEngine, text: str) -> tuple[float, float]:
    """Milliseconds from the retrieval's order to the final one, and from there to the last explanation."""
    moments: list[float] = []
    budget = RerankOptions(explain_ms=MAX_EXPLAIN_MS)
    for event in engine.stream(Query(text, limit=budget.top), budget):
        match event:
            case Retrieved() | Reranked():
                moments.append(time.perf_counter())
            case Explained():
                moments[2:] = [time.perf_counter()]
    retrieved, reranked, explained = moments
    return 1000 * (reranked - retrieved), 1000 * (explained - reranked)


def median(values: Sequence[float]) -> float:
    return float(np.median(values))
