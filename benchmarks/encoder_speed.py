"""The encoder alone on two cores, in each runtime that can run it here."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import islice
from pathlib import Path

import pyarrow.parquet as pq
import torch

from benchmarks.figure import Figure
from indexer.record import Record
from indexer.sources import open_source
from search.encoders.base import Encoder, Pixels
from search.encoders.openclip import load_encoder
from search.encoders.runtime import Runtime
from search.errors import EncoderError, MissingDependencyError
from search.images.decode import decode_image
from training.export.comparison import take_turns

N_CORES = 2
N_INPUTS = 1024
N_RUNS = 7
N_QUERY_WORDS = 3
MIN_IMAGES_PER_S = 1000
MIN_TEXTS_PER_S = 3000
MAX_QUERY_MS = 10
"""A third of what a search over HTTP may take."""


def measure(encoder: Encoder, data: Path) -> Iterator[Figure]:
    """Prepared pictures and short texts of ``fashion-validation``; medians of seven runs, the runtimes taking turns.

    ``encoder`` names which encoder is loaded. The runtime that it gets by itself is held to the bounds of issue 3, and
    each other is what that is compared with.
    """
    path = data / "fashion-validation.parquet"
    n_threads = torch.get_num_threads()
    encoders = available(encoder.identity.name)
    default, *others = encoders
    pixels, texts = prepared_pictures(encoder, path), short_texts(path)
    try:
        images_s = take_turns([partial(each.encode_pixels, pixels) for each in encoders.values()], N_RUNS)
        texts_s = take_turns([partial(each.encode_texts, texts) for each in encoders.values()], N_RUNS)
        query_s = take_turns([partial(each.encode_texts, texts[:1]) for each in encoders.values()], 10 * N_RUNS)
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


def prepared_pictures(encoder: Encoder, path: Path) -> list[Pixels]:
    records = (row for row in open_source(str(path), {}).rows() if isinstance(row, Record))
    pictures = (image.data or b"" for record in records for image in record.images)
    return [encoder.prepare(decode_image(data).pixels) for data in islice(pictures, N_INPUTS)]


def short_texts(path: Path) -> list[str]:
    """Words as a shopper types: the title's second to fourth, without the brand."""
    titles = pq.read_table(path, columns=["title"])["title"].to_pylist()[:N_INPUTS]
    return [" ".join(str(title).split()[1 : 1 + N_QUERY_WORDS]) for title in titles]


def paces(encoders: dict[str, Encoder], n: int, seconds: list[float]) -> str:
    return ", ".join(f"{name} {n / each:,.0f}/s" for name, each in zip(encoders, seconds, strict=True))
