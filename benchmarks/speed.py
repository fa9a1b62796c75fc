"""Time: indexing against the encoder alone, and a query over HTTP."""

from __future__ import annotations

import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import pyarrow.parquet as pq

from benchmarks.catalogs import indexed
from benchmarks.figure import Figure
from indexer.embedding import BATCH_ROWS
from indexer.record import Record
from indexer.sources import open_source
from indexer.stages import batched
from search.catalog.words import item_words
from search.encoders.base import Encoder
from search.home import Home
from search.images.decode import decode_image

N_QUERIES = 300
N_RUNS = 7
START_S = 120


def measure(encoder: Encoder, data: Path) -> Iterator[Figure]:
    """On ``fashion-validation``, 2,000 rows, all fields. Each time is the median of seven runs."""
    path = data / "fashion-validation.parquet"
    alone_s, indexing_s = [], []
    for _ in range(N_RUNS):  # in turn, so that whatever else slows the machine slows both
        alone_s.append(encoder_alone_s(encoder, path))
        with indexed(encoder, path) as catalog:
            indexing_s.append(catalog.report.seconds)
            how = f"{N_QUERIES} text queries, one after the other, on 127.0.0.1"
            if len(indexing_s) == N_RUNS:
                latency_ms = http_latencies_ms(catalog.home, path)
    alone, indexing = statistics.median(alone_s), statistics.median(indexing_s)
    ratio = statistics.median(each / its_own for each, its_own in zip(indexing_s, alone_s, strict=True))
    pace = f"{2000 / alone:,.0f} rows/s alone, {2000 / indexing:,.0f} rows/s indexed"
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


def http_latencies_ms(home: Home, path: Path) -> list[float]:
    titles = pq.read_table(path, columns=["title"])["title"].to_pylist()[:N_QUERIES]
    with serving(home.folder) as url, httpx.Client(base_url=url) as client:
        times = []
        for title in [*titles[:10], *titles]:
            started = time.perf_counter()
            client.post("/v1/search", json={"text": " ".join(str(title).split()[1:4])}).raise_for_status()
            times.append((time.perf_counter() - started) * 1000)
    return times[10:]


@contextmanager
def serving(home: Path) -> Iterator[str]:
    """``vitrina serve`` in a process of its own, on a free port of this machine."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "api.cli", "serve", "--home", str(home), "--port", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield wait_until_ready(f"http://127.0.0.1:{port}")
    finally:
        process.terminate()
        process.wait()


def wait_until_ready(url: str) -> str:
    until = time.monotonic() + START_S
    while time.monotonic() < until:
        with suppress(httpx.TransportError):
            answer = httpx.get(f"{url}/readyz").raise_for_status().json()
            if answer["reranker"]["status"] == "ready":  # opening it takes a core for some seconds
                return url
        time.sleep(0.2)
    raise TimeoutError(f"the service did not start within {START_S} s")
