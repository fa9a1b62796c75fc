"""Time: the encoder alone, indexing against it, and a query over HTTP."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from functools import partial
from itertools import islice
from pathlib import Path

import torch

from benchmarks.catalogs import Figure, indexed
from benchmarks.load import N_QUERIES, N_QUERY_WORDS, latencies_ms, serving, short_texts
from vitrina.indexer.rows import MAX_BATCH_ROWS
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
MIN_IMAGES_PER_S = 1000
MIN_TEXTS_PER_S = 3000
MAX_QUERY_MS = 10
"""A third of what a search over HTTP may take."""


def measure_encoder(encoder: Encoder, data: Path) -> Iterator[Figure]:
    """Prepared images and short texts of ``fashion-validation``; medians of seven runs, the runtimes taking turns.

    ``encoder`` names which encoder is loaded. The runtime that it gets by itself is held to the bounds, and
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


def paces(encoders: dict[str, Encoder], n: int, seconds: list[float]) -> str:
    return ", ".join(f"{name} {n / each:,.0f}/s" for name, each in zip(encoders, seconds, strict=True))


N_RUNS = 7


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
    for batch in batched(images, MAX_BATCH_ROWS):
        encoder.encode_pixels([encoder.prepare(image) for image in batch])
    for texts in batched(words, MAX_BATCH_ROWS):
        encoder.encode_texts(texts)
    return time.perf_counter() - started


def http_latencies_ms(store: Store, path: Path) -> list[float]:
    with serving(store.folder) as service:
        return latencies_ms(service.url, short_texts(path)[:N_QUERIES])
