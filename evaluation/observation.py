"""What a calibration is fitted on: the signals of queries' best hits, and which of those hits are relevant."""

from __future__ import annotations

import hashlib
from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from evaluation.query import JudgedQuery
from evaluation.running import read_picture
from search.calibration import QueryKind, Signal
from search.engine import SearchEngine
from search.query import Query

DEPTH = 30
"""Hits observed of each query: three pages, where relevant and irrelevant ones still mix."""

SIGNALS = tuple(Signal)


@dataclass(frozen=True, slots=True)
class Example:
    """A query and the skus that are right for it: none for what the catalog does not hold."""

    query: Query
    relevant: frozenset[str]


@dataclass(frozen=True, slots=True)
class Observation:
    """One query's best hits, at most ``DEPTH``, in order.

    ``key`` is the same for the same query on any catalog. ``signals`` has shape (n, signals), in the order of
    ``SIGNALS``; ``relevant`` has shape (n,). ``answerable``: whether anything in the catalog is right for it.
    """

    key: str
    kind: QueryKind
    answerable: bool
    signals: NDArray[np.float64]
    relevant: NDArray[np.bool_]


def telling(queries: Iterable[JudgedQuery], catalog_skus: Container[str]) -> list[JudgedQuery]:
    """The judged queries that an observation can be made of.

    One that was judged to have no relevant item asks for what the catalog does not hold, and is kept. One whose
    relevant items have all left the catalog says nothing.
    """
    return [judged for judged in queries if not (wanted := relevant(judged)) or any(s in catalog_skus for s in wanted)]


def relevant(judged: JudgedQuery) -> frozenset[str]:
    """The skus that are right for a query, itself left out."""
    return frozenset(sku for sku, grade in judged.grades.items() if grade >= 1)


def example_of(judged: JudgedQuery) -> Example:
    """A judged query with its picture read. Raises ImageError."""
    images = () if judged.image is None else (read_picture(judged.image),)
    skus = (judged.sku,) if judged.sku else ()
    return Example(Query(text=judged.text, images=images, skus=skus), relevant(judged))


def observe(engine: SearchEngine, examples: Iterable[Example]) -> Iterator[Observation]:
    """Ask each example's query. An item that a query resembles never counts as found. Blocks.

    Raises what ``SearchEngine.search`` raises.
    """
    for example in examples:
        themselves = [engine.catalog.item(sku).id for sku in example.query.skus]
        ranked = engine.ranked(example.query, excluded=themselves)
        best = ranked.order[:DEPTH]
        stored = engine.catalog.items(ranked.item_ids[best].tolist())
        skus = [stored[item_id].item.sku for item_id in ranked.item_ids[best].tolist()]
        yield Observation(
            key=key_of(example.query),
            kind=ranked.kind,
            answerable=bool(example.relevant),
            signals=np.stack([ranked.evidence[signal][best] for signal in SIGNALS], axis=1),
            relevant=np.array([sku in example.relevant for sku in skus], dtype=np.bool_),
        )


class Keyed(Protocol):
    """What is known of one query, under the query's key."""

    @property
    def key(self) -> str:
        """A SHA-256 (hex)."""


Known = TypeVar("Known", bound=Keyed)


def halves(known: Iterable[Known]) -> tuple[list[Known], list[Known]]:
    """Two halves by the query, to fit to one and to measure on the other; the same queries on every run."""
    parts: tuple[list[Known], list[Known]] = ([], [])
    for each in known:
        parts[int(each.key[:8], 16) % 2].append(each)
    return parts


def key_of(query: Query) -> str:
    """A SHA-256 (hex) of what a query asks for."""
    digest = hashlib.sha256(repr((query.text.casefold(), query.skus)).encode("utf-8", "backslashreplace"))
    for image in query.images:
        digest.update(image.tobytes())
    return digest.hexdigest()
