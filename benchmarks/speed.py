"""Time: the encoder alone, indexing against it, and a query over HTTP."""

from __future__ import annotations

import asyncio
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from itertools import cycle, islice
from pathlib import Path

import httpx
import pyarrow.parquet as pq
import torch

from benchmarks.catalogs import Figure, indexed
from vitrina.indexer.pipeline import BATCH_ROWS
from vitrina.indexer.sources import open_source
from vitrina.indexer.sources.base import Record
from vitrina.indexer.stages import batched
from vitrina.search.encoders.base import Encoder, Runtime
from vitrina.search.encoders.registry import load_encoder
from vitrina.search.images.decode import decode_image
from vitrina.search.store.store import Store
from vitrina.search.types.errors import EncoderError, MissingDependencyError
from vitrina.search.types.item import embedding_text
from vitrina.search.types.models import Pixels
from vitrina.tuning.export.encoder import take_turns

N_CORES = 2
N_INPUTS = 1024
N_ENCODER_RUNS = 7
N_QUERY_WORDS = 3
MIN_IMAGES_PER_S = 1000
MIN_TEXTS_PER_S = 3000
MAX_QUERY_MS = 10
"""A third of what a search over HTTP may take."""


def measure_encoder(encoder: Encoder, data: Path) -> Iterator[Figure]:
    """Prepared images and short texts of ``fashion-validation``; medians of seven runs, the runtimes taking turns.

    ``encoder`` names which encoder is loaded. The runtime that it gets by itself is held to the bounds of issue 3, and
    each other is what that is compared with.
    """
    path = data / "fashion-validation.parquet"
    n_threads = torch.get_num_threads()
    encoders = available(encoder.identity.name)
    default, *others = encoders
    pixels, texts = prepared_images(encoder, path), short_texts(path)
    try:
        images_s = take_turns([partial(each.encode_pixels, pixels) for each in encoders.values()], N_ENCODER_RUNS)
        texts_s = take_turns([partial(each.encode_texts, texts) for each in encoders.values()], N_ENCODER_RUNS)
        query_s = take_turns([partial(each.encode_texts, texts[:1]) for each in encoders.values()], 10 * N_ENCODER_RUNS)
    finally:
        torch.set_num_threads(n_threads)
    height, width = pixels[0].shape[1:]
    how = f"{len(pixels):,} pictures of {height} x {width}; " + paces(encoders, len(pixels), images_s)
    yield Figure(f"images/s, {default}", len(pixels) / images_s[0], MIN_IMAGES_PER_S, how=how)
    how = f"{len(texts):,} texts of {N_QUERY_WORDS} words; " + paces(encoders, len(texts), texts_s)
    yield Figure(f"short texts/s, {default}", len(texts) / texts_s[0], MIN_TEXTS_PER_S, how=how)
    how = ", ".join(f"{name} {1000 * seconds:.1f}" for name, seconds in zip(encoders, query_s, strict=True))
    yield Figure(f"one text, {default}", 1000 * query_s[0], MAX_QUERY_MS, "at most", "ms", how)
    for index, other in enumerate(others, start=1):
        yield Figure(f"images/s, {default} / {other}", images_s[index] / images_s[0], 1)
        yield Figure(f"short texts/s, {default} / {other}", texts_s[index] / texts_s[0], 1)


def available(name: str) -> dict[str, Encoder]:
    """The encoder on two cores in each runtime that can run it, first the one that it gets by itself."""
    encoders: dict[str, Encoder] = {}
    for runtime in (Runtime.ONNX, Runtime.TORCH):
        try:
            encoders[runtime.value] = load_encoder(name, device="cpu", runtime=runtime, n_threads=N_CORES)
        except (EncoderError, MissingDependencyError):
            continue
    return encoders


def prepared_images(encoder: Encoder, path: Path) -> list[Pixels]:
    records = (row for row in open_source(str(path), {}).rows() if isinstance(row, Record))
    images = (image.data or b"" for record in records for image in record.images)
    return [encoder.prepare(decode_image(data).pixels) for data in islice(images, N_INPUTS)]


def short_texts(path: Path) -> list[str]:
    """Words as a shopper types: the title's second to fourth, without the brand."""
    titles = pq.read_table(path, columns=["title"])["title"].to_pylist()[:N_INPUTS]
    return [" ".join(str(title).split()[1 : 1 + N_QUERY_WORDS]) for title in titles]


def paces(encoders: dict[str, Encoder], n: int, seconds: list[float]) -> str:
    return ", ".join(f"{name} {n / each:,.0f}/s" for name, each in zip(encoders, seconds, strict=True))


N_QUERIES = 300
N_RUNS = 7
START_S = 120


def measure_time(encoder: Encoder, data: Path) -> Iterator[Figure]:
    """On ``fashion-validation``, 2,000 rows, all fields. Each time is the median of seven runs."""
    path = data / "fashion-validation.parquet"
    alone_s, indexing_s = [], []
    for _ in range(N_RUNS):  # in turn, so that whatever else slows the machine slows both
        alone_s.append(encoder_alone_s(encoder, path))
        with indexed(encoder, path) as catalog:
            indexing_s.append(catalog.report.seconds)
            how = f"{N_QUERIES} text queries, one after the other, on 127.0.0.1"
            if len(indexing_s) == N_RUNS:
                latency_ms = http_latencies_ms(catalog.store, path)
    alone, indexing = statistics.median(alone_s), statistics.median(indexing_s)
    ratio = statistics.median(each / its_own for each, its_own in zip(indexing_s, alone_s, strict=True))
    pace = f"{2000 / alone:,.0f} rows/s alone, {2000 / indexing:,.0f} rows/s indexed"
    yield Figure("indexing time / encoder alone", ratio, 1.5, "at most", how=f"2,000 rows; {pace}")
    yield Figure("search over HTTP, median", statistics.median(latency_ms), 30, "at most", "ms", how)
    p95 = statistics.quantiles(latency_ms, n=20)[-1]
    yield Figure("search over HTTP, 95th percentile", p95, 60, "at most", "ms", how)


def encoder_alone_s(encoder: Encoder, path: Path) -> float:
    """Seconds to prepare and embed the images and words of all rows, which lie decoded in memory."""
    records = [row for row in open_source(str(path), {}).rows() if isinstance(row, Record)]
    images = [decode_image(image.data or b"").pixels for record in records for image in record.images]
    words = [embedding_text(record.item) for record in records]
    started = time.perf_counter()
    for batch in batched(images, BATCH_ROWS):
        encoder.encode_pixels([encoder.prepare(image) for image in batch])
    for texts in batched(words, BATCH_ROWS):
        encoder.encode_texts(texts)
    return time.perf_counter() - started


N_CLIENTS = 16
LOAD_S = 20.0


def measure_load(encoder: Encoder, data: Path) -> Iterator[Figure]:
    """On the 38,213 rows of ``fashion-train``, all fields: indexing them, and searches over HTTP, one after the other
    and by many clients at once, which run on the same cores. The queries are of ``fashion-validation``."""
    queries = short_texts(data / "fashion-validation.parquet")[:N_QUERIES]
    with indexed(encoder, data / "fashion-train.parquet") as catalog, serving(catalog.store.folder) as url:
        n_rows, seconds = len(catalog.rows), catalog.report.seconds
        yield Figure("rows indexed a second", n_rows / seconds, 350, how=f"{n_rows:,} rows, an image each, all fields")
        how = f"{len(queries)} text queries, one after the other, on 127.0.0.1; {n_rows:,} rows"
        latency_ms = latencies_ms(url, queries)
        yield Figure("search over HTTP, median", statistics.median(latency_ms), 25, "at most", "ms", how)
        latency_ms, n_failed = asyncio.run(under_load_ms(url, queries))
        how = f"{N_CLIENTS} clients for {LOAD_S:.0f} s, each asking as soon as it is answered"
        yield Figure("searches a second", len(latency_ms) / LOAD_S, 60, how=how)
        p99 = statistics.quantiles(latency_ms, n=100)[-1]
        yield Figure("search under load, 99th percentile", p99, None, unit="ms", how=how)
        yield Figure("searches that failed", n_failed, 0, "at most", how=how)


async def under_load_ms(url: str, queries: Sequence[str]) -> tuple[list[float], int]:
    """How long each search took that ``N_CLIENTS`` clients asked for, and how many failed."""
    times: list[float] = []
    n_failed = 0
    until = time.perf_counter() + LOAD_S

    async def ask(client: httpx.AsyncClient, first: int) -> None:
        nonlocal n_failed
        for text in islice(cycle(queries), first, None):
            started = time.perf_counter()
            if started > until:
                return
            answer = await client.post("/v1/search", json={"text": text})
            n_failed += answer.status_code != httpx.codes.OK
            times.append((time.perf_counter() - started) * 1000)

    async with httpx.AsyncClient(base_url=url, timeout=START_S) as client:
        await asyncio.gather(*(ask(client, number * len(queries) // N_CLIENTS) for number in range(N_CLIENTS)))
    return times, n_failed


def http_latencies_ms(store: Store, path: Path) -> list[float]:
    with serving(store.folder) as url:
        return latencies_ms(url, short_texts(path)[:N_QUERIES])


def latencies_ms(url: str, queries: Sequence[str]) -> list[float]:
    """How long each search takes, after ten to warm up."""
    times = []
    with httpx.Client(base_url=url) as client:
        for text in [*queries[:10], *queries]:
            started = time.perf_counter()
            client.post("/v1/search", json={"text": text}).raise_for_status()
            times.append((time.perf_counter() - started) * 1000)
    return times[10:]


@contextmanager
def serving(store: Path) -> Iterator[str]:
    """``vitrina serve`` in a process of its own, on a free port of this machine."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "vitrina.api.cli", "serve", "--store", str(store), "--port", str(port)]
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
