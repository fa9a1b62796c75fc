"""What reranking adds to retrieval, and what it costs."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from benchmarks.catalogs import Figure, Indexed, image_of, indexed, labelled_items
from benchmarks.retrieval import PHRASE, TARGETS, Target
from vitrina.evaluation import metrics
from vitrina.evaluation.judged_search import MEASURING_DEADLINE_S, rerank_all
from vitrina.evaluation.judgements import sample_queries
from vitrina.evaluation.label_queries import QueryTemplate, label_queries
from vitrina.evaluation.metrics import intervals
from vitrina.indexer.backfill import precompute_features
from vitrina.search.encoders.base import Encoder
from vitrina.search.engine import SearchEngine
from vitrina.search.reranking.backends import RerankerOptions, open_by_name
from vitrina.search.reranking.backends.model_folders import EMBEDDED
from vitrina.search.reranking.backends.transformers.loading import load_reranker
from vitrina.search.reranking.base import Reranker
from vitrina.search.reranking.pipeline import RerankPipeline
from vitrina.search.store.store import FEATURES_FOLDER
from vitrina.search.types.answer import Explained, Reranked, Retrieved
from vitrina.search.types.query import MAX_EXPLAIN_MS, Query, RerankOptions

LIFT = 0.05
"""What issue 4 asks for on "colour article for gender"; nowhere else may it fall."""

NDCG = "ndcg@10"

N_LIFT_QUERIES = 150
"""Of each kind at the most, drawn at random: there are 1,916 titles, with some six statements each about 20 images."""


def measure_lift(encoder: Encoder, data: Path) -> Iterator[Figure]:
    """On every validation file: retrieval and reranker see images alone, and know from the shop's fields what the
    words of a query mean. Then on ``fashion-validation`` with all that a shop knows."""
    reranker = load_reranker(EMBEDDED, device="cpu")
    for source, targets in TARGETS.items():
        path = data / f"{source}.parquet"
        with indexed(encoder, path, images_alone=True) as image_parts, indexed(encoder, path) as worded:
            engine = image_parts.engine
            engine.parser.vocabulary = worded.engine.parser.vocabulary
            for target in (target for target in targets if not target.like):
                yield lift(image_parts, reranker, source, target, listings=False)
            if source == "fashion-validation":
                for target in (target for target in targets if not target.like):
                    yield lift(worded, reranker, f"{source}, all fields indexed", target, listings=True)


def lift(catalog: Indexed, reranker: Reranker, source: str, target: Target, *, listings: bool) -> Figure:
    """How far nDCG@10 of a set of queries rises, with the 95% interval of the paired difference."""
    queries = sample_queries(
        label_queries(labelled_items(catalog.rows), [QueryTemplate(target.by)], target.min_rows), N_LIFT_QUERIES, seed=0
    )
    budget = RerankOptions(explain=0)
    with RerankPipeline.open(catalog.store, reranker, uses_catalog=listings, deadline_s=MEASURING_DEADLINE_S) as stage:
        reranked = rerank_all(catalog.engine.with_reranker(stage), queries, budget, lambda done: None)
    grades = [query.grades for query in queries]
    before = metrics.measure([each.before.skus for each in reranked], grades)[NDCG]
    after = metrics.measure([each.after.skus for each in reranked], grades)[NDCG]
    gained = intervals((after - before)[:, None], seed=0)[0]
    bound = LIFT if target.by == PHRASE and not listings else 0.0
    shown = "pictures alone" if not listings else "pictures and listings"
    how = (
        f"{source}, {shown}, {len(queries):,} queries: {before.mean():.3f} by retrieval, {after.mean():.3f} reranked, "
        f"95% interval {gained.low:+.3f} to {gained.high:+.3f}"
    )
    return Figure(f"rerank lift of nDCG@10, {target.name}", gained.mean, bound, how=how)


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
