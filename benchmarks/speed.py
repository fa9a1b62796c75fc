"""Time: indexing against the encoder alone, and a query over HTTP."""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pyarrow.parquet as pq
import uvicorn

from api.app import create_app
from api.service import Service
from api.settings import Settings
from benchmarks.catalogs import indexed
from benchmarks.figure import Figure
from indexer.content import item_words
from indexer.pipeline import BATCH_ROWS
from indexer.record import Record
from indexer.sources.catalog import open_source
from indexer.stages import batched
from search.encoders.base import Encoder
from search.home import Home
from search.images.decode import decode_image

N_QUERIES = 300
N_RUNS = 3


def measure(encoder: Encoder, data: Path) -> Iterator[Figure]:
    """On ``fashion-validation``, 2,000 rows, all fields. Each time is the median of three runs."""
    path = data / "fashion-validation.parquet"
    alone_s = statistics.median(encoder_alone_s(encoder, path) for _ in range(N_RUNS))
    indexing_s = []
    for _ in range(N_RUNS):
        with indexed(encoder, path) as catalog:
            indexing_s.append(catalog.report.seconds)
            how = f"{N_QUERIES} text queries, one after the other, on 127.0.0.1"
            if len(indexing_s) == N_RUNS:
                latency_ms = http_latencies_ms(catalog.home, encoder, path)
    ratio = statistics.median(indexing_s) / alone_s
    pace = f"{2000 / alone_s:,.0f} rows/s alone, {2000 / statistics.median(indexing_s):,.0f} rows/s indexed"
    yield Figure("indexing time / encoder alone", ratio, 1.5, "at most", how=f"2,000 rows; {pace}")
    yield Figure("search over HTTP, median", statistics.median(latency_ms), 30, "at most", "ms", how)
    p95 = statistics.quantiles(latency_ms, n=20)[-1]
    yield Figure("search over HTTP, 95th percentile", p95, 60, "at most", "ms", how)


def encoder_alone_s(encoder: Encoder, path: Path) -> float:
    """Seconds to prepare and embed the pictures and words of all rows, which lie decoded in memory."""
    records = [row for row in open_source(str(path), {}).rows() if isinstance(row, Record)]
    pictures = [decode_image(image.data or b"").pixels for record in records for image in record.images]
    words = [item_words(record.item) for record in records]
    started = time.perf_counter()
    for batch in batched(pictures, BATCH_ROWS):
        encoder.encode_pixels([encoder.prepare(picture) for picture in batch])
    for texts in batched(words, BATCH_ROWS):
        encoder.encode_texts(texts)
    return time.perf_counter() - started


def http_latencies_ms(home: Home, encoder: Encoder, path: Path) -> list[float]:
    titles = pq.read_table(path, columns=["title"])["title"].to_pylist()[:N_QUERIES]
    with serving(Service(Home(home.folder), encoder)) as url, httpx.Client(base_url=url) as client:
        times = []
        for title in [*titles[:10], *titles]:
            started = time.perf_counter()
            client.post("/v1/search", json={"text": " ".join(str(title).split()[1:4])}).raise_for_status()
            times.append((time.perf_counter() - started) * 1000)
    return times[10:]


@contextmanager
def serving(service: Service) -> Iterator[str]:
    """The HTTP service on a free port of this machine."""
    app = create_app(Settings(home=service.home.folder), lambda _: service)
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join()
