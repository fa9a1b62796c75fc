"""Two runtimes of one encoder side by side: how fast each is, and what the search loses by the second."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vitrina.search.encoders.base import Encoder
from vitrina.search.types.models import Pixels, Vectors

N_RUNS = 5
N_NEIGHBOURS = 10
N_TIMED = 256
"""Images and texts of one timed run; fewer are repeated."""


@dataclass(frozen=True, slots=True)
class Pace:
    """Medians of the runs: images and texts a second in batches, and milliseconds for one text alone."""

    images_per_s: float
    texts_per_s: float
    query_ms: float


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far vectors of the same inputs agree: cosines, and the share of ten nearest images that stay."""

    mean_image_cosine: float
    min_image_cosine: float
    mean_text_cosine: float
    min_text_cosine: float
    kept_for_texts: float
    kept_for_images: float


def measure_paces(encoders: Sequence[Encoder], pixels: Sequence[Pixels], texts: Sequence[str]) -> list[Pace]:
    """Each encoder's pace, all taking turns, so that whatever else slows the machine slows all. Blocks for seconds."""
    batch = [pixels[index % len(pixels)] for index in range(N_TIMED)]
    words = [texts[index % len(texts)] for index in range(N_TIMED)]
    images_s = take_turns([partial(each.encode_pixels, batch) for each in encoders])
    texts_s = take_turns([partial(each.encode_texts, words) for each in encoders])
    query_s = take_turns([partial(each.encode_texts, words[:1]) for each in encoders])
    return [
        Pace(N_TIMED / images, N_TIMED / words_, 1000 * query)
        for images, words_, query in zip(images_s, texts_s, query_s, strict=True)
    ]


def take_turns(works: Sequence[Callable[[], object]], n_runs: int = N_RUNS) -> list[float]:
    """The median seconds of each, after one run that does not count."""
    taken: list[list[float]] = [[] for _ in works]
    for _ in range(n_runs + 1):
        for work, seconds in zip(works, taken, strict=True):
            started = time.perf_counter()
            work()
            seconds.append(time.perf_counter() - started)
    return [statistics.median(seconds[1:]) for seconds in taken]


def compare(before: Encoder, after: Encoder, images: Sequence[Image.Image], texts: Sequence[str]) -> Agreement:
    """What ``after`` makes of these images and texts, against ``before``. Blocks."""
    pixels = [before.prepare(image) for image in images]
    image_vectors = before.encode_pixels(pixels), after.encode_pixels(pixels)
    words = before.encode_texts(texts), after.encode_texts(texts)
    image_cosines, text_cosines = cosines(*image_vectors), cosines(*words)
    return Agreement(
        float(image_cosines.mean()),
        float(image_cosines.min()),
        float(text_cosines.mean()),
        float(text_cosines.min()),
        share_kept(words[0] @ image_vectors[0].T, words[1] @ image_vectors[1].T),
        share_kept(
            without_self(image_vectors[0] @ image_vectors[0].T), without_self(image_vectors[1] @ image_vectors[1].T)
        ),
    )


def cosines(one: Vectors, other: Vectors) -> NDArray[np.float32]:
    """Row by row, for unit rows; shape (n,)."""
    return np.asarray((one * other).sum(axis=1))


def without_self(scores: NDArray[np.float32]) -> NDArray[np.float32]:
    np.fill_diagonal(scores, -np.inf)
    return scores


def share_kept(before: NDArray[np.float32], after: NDArray[np.float32], n: int = N_NEIGHBOURS) -> float:
    """Of each row's ``n`` highest scores in ``before``, the share that is among its ``n`` highest in ``after``."""
    n = min(n, before.shape[1])
    pairs = zip(np.argsort(-before, axis=1)[:, :n], np.argsort(-after, axis=1)[:, :n], strict=True)
    return float(np.mean([len(np.intersect1d(one, other)) / n for one, other in pairs]))
