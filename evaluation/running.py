"""Asking the search engine what the judged queries ask."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from evaluation.metrics import DEPTH
from evaluation.query import JudgedQuery
from search.answer import Answer
from search.engine import SearchEngine
from search.errors import ImageError
from search.images.decode import decode_image
from search.query import Query

OnProgress = Callable[[int], None]
"""Told after each query how many are done."""


@dataclass(frozen=True, slots=True)
class Found:
    """What one query found, best first: the skus, and how likely each is relevant, where the encoder can say."""

    skus: tuple[str, ...]
    confidences: tuple[float | None, ...]


def ask_all(engine: SearchEngine, queries: Sequence[JudgedQuery], on_progress: OnProgress) -> list[Found]:
    """What each query finds among the first ``DEPTH``, through the doors that shoppers use. Blocks.

    Raises ImageError for a picture that cannot be read, QueryError for a query past the engine's limits.
    """
    found: list[Found] = []
    for query in queries:
        found.append(found_in(ask(engine, query)))
        on_progress(len(found))
    return found


def ask(engine: SearchEngine, query: JudgedQuery) -> Answer:
    """One query's answer. An item's own photo asks for what is like it, itself left out."""
    asked = query_of(query)
    return engine.similar(query.sku, asked) if query.sku else engine.search(asked)


def query_of(judged: JudgedQuery) -> Query:
    """What a shopper would ask for the first ``DEPTH``. Raises ImageError, and QueryError past the engine's limits."""
    if judged.sku:
        return Query(skus=(judged.sku,), limit=DEPTH)
    pictures = () if judged.image is None else (read_picture(judged.image),)
    return Query(text=judged.text, images=pictures, limit=DEPTH)


def found_in(answer: Answer) -> Found:
    """An answer's ranking."""
    return Found(tuple(hit.stored.item.sku for hit in answer.hits), tuple(hit.confidence for hit in answer.hits))


def read_picture(path: Path) -> Image.Image:
    """A query's picture, upright RGB. Raises ImageError, which names the file."""
    try:
        return decode_image(path.read_bytes()).pixels
    except OSError as error:
        raise ImageError(f"The picture {path} cannot be read: {error.strerror}.", remedy="Check its path.") from error
    except ImageError as error:
        raise ImageError(f"The picture {path} cannot be used: {error.message}", remedy=error.remedy) from error
