"""What reranking costs: 20 candidates looked at and five hits explained, with photos of the size that shops have."""

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

from benchmarks.catalogs import Indexed, indexed, labelled_items, picture_of
from benchmarks.figure import Figure
from evaluation.fields import Template, queries_by
from evaluation.query import sample
from indexer.looking import look_ahead
from search.encoders.base import Encoder
from search.home import FEATURES_FOLDER
from search.query import Query
from search.reranking.backends.transformers.loading import EMBEDDED, load_reranker
from search.reranking.base import Reranker
from search.reranking.budget import MAX_EXPLAIN_MS, Rerank
from search.reranking.engine import RerankingEngine
from search.reranking.events import Explained, Reranked, Retrieved

N_ROWS = 600
PHOTO_SIZE = (768, 1024)
"""The photos of the file have 60 x 80 pixels; a shop's are scaled down from some thousand."""

TEMPLATES = ("{colour} {article} for {gender}", "{usage} {article} for {gender}", "{colour} {article}")
N_QUERIES = 20

WARM_MS, COLD_MS, EXPLAINED_MS = 500, 900, 1500


@dataclass(slots=True)
class Times:
    """Milliseconds of each query: until its hits are in their final order, and until they are explained after that."""

    reranked: list[float] = field(default_factory=list)
    explained: list[float] = field(default_factory=list)


def measure(encoder: Encoder, data: Path) -> Iterator[Figure]:
    """Medians over queries none of which was asked before, of 20 candidates and five explanations each."""
    with large_photos(encoder, data / "fashion-validation.parquet") as catalog:
        with load_reranker(EMBEDDED, device="cpu", cache_bytes=0) as cold:
            times = timed(catalog, cold)
        how = f"{len(times.reranked)} queries of two or three requirements, photos of 768 x 1,024"
        yield Figure("20 candidates reranked, cold", median(times.reranked), COLD_MS, "at most", "ms", how)
        with load_reranker(EMBEDDED, device="cpu", features=catalog.home.folder / FEATURES_FOLDER) as warm:
            seen = look_ahead(catalog.home, warm)
            times = timed(catalog, warm)
        kept = f"{how}; seen at index time, {seen.n_seen / seen.seconds:,.0f} pictures/s"
        yield Figure("20 candidates reranked, warm", median(times.reranked), WARM_MS, "at most", "ms", kept)
        yield Figure("five explanations more", median(times.explained), EXPLAINED_MS, "at most", "ms", how)


@contextmanager
def large_photos(encoder: Encoder, path: Path) -> Iterator[Indexed]:
    """The first rows of a file, indexed, their photos scaled up."""
    rows = pq.read_table(path).slice(0, N_ROWS)
    column = rows.schema.get_field_index("image")
    photos = pa.array([scaled_up(picture_of(row)) for row in rows.to_pylist()])
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
    made = queries_by(labelled_items(catalog.rows), [Template(name) for name in TEMPLATES], 1)
    texts = [query.text for query in sample(made, N_QUERIES, seed=0)]
    times = Times()
    with catalog.home.open_stage(reranker) as stage:
        engine = RerankingEngine(catalog.engine, stage)
        ask(engine, texts[0])
        for text in texts[1:]:
            reranked, explained = ask(engine, text)
            times.reranked.append(reranked)
            times.explained.append(explained)
    return times


def ask(engine: RerankingEngine, text: str) -> tuple[float, float]:
    """Milliseconds from the retrieval's order to the final one, and from there to the last explanation."""
    moments: list[float] = []
    budget = Rerank(explain_ms=MAX_EXPLAIN_MS, unhurried=True)
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
