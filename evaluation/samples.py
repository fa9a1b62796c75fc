"""Samples to fit to: the signals of the best hits of queries whose answers are known, from retrieval and a reranker."""

from __future__ import annotations

import hashlib
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from vitrina.evaluation.judged_search import MEASURING_DEADLINE_S, read_image
from vitrina.evaluation.judgements import JudgedQuery
from vitrina.search.engine import SearchEngine
from vitrina.search.reranking.base import CandidateImages, Deadline, Reranker
from vitrina.search.reranking.catalog_evidence import CatalogEvidence
from vitrina.search.reranking.fusion import RerankEvidence
from vitrina.search.reranking.prompts import statements_of
from vitrina.search.reranking.verdicts import rerank_evidence
from vitrina.search.store.images import ImageStore
from vitrina.search.types.calibration import PageSignals, QueryKind, Signal
from vitrina.search.types.item import Item
from vitrina.search.types.query import Query
from vitrina.search.types.requirement import Requirement

Array = NDArray[np.float64]

SAMPLE_DEPTH = 30
"""Hits sampled per query to calibrate retrieval: three pages, where relevant and irrelevant hits still mix."""

RERANK_DEPTH = 20
"""Hits sampled per query to fit fusion weights: as many as a search reranks by default."""

SIGNALS = tuple(Signal)


@dataclass(frozen=True, slots=True)
class Example:
    """A query and the skus that are relevant to it: none if the catalog has nothing for it."""

    query: Query
    relevant: frozenset[str]


def example_of(judged: JudgedQuery) -> Example:
    """A judged query with its image read. Raises ImageError."""
    images = () if judged.image is None else (read_image(judged.image),)
    skus = (judged.sku,) if judged.sku else ()
    return Example(Query(text=judged.text, images=images, skus=skus), relevant_skus(judged))


def relevant_skus(judged: JudgedQuery) -> frozenset[str]:
    """The skus that are relevant to a query, itself left out."""
    return frozenset(sku for sku, grade in judged.grades.items() if grade >= 1)


def usable(queries: Iterable[JudgedQuery], catalog_skus: Container[str]) -> list[JudgedQuery]:
    """The judged queries that samples can be made of.

    A query judged to have no relevant item asks for what the catalog does not have, and is usable. One whose relevant
    items have all left the catalog is not.
    """
    return [query for query in queries if not (skus := relevant_skus(query)) or any(s in catalog_skus for s in skus)]


@dataclass(frozen=True, slots=True)
class CalibrationSample:
    """One query's best hits, at most ``SAMPLE_DEPTH``, in order.

    ``key`` is the same for the same query on any catalog. ``signals`` has shape (n, signals), in the order of
    ``SIGNALS``; ``relevant`` has shape (n,). ``answerable``: whether anything in the catalog is relevant.
    ``images_alone``: no hit has words. ``page`` has the signals of the first page.
    """

    key: str
    kind: QueryKind
    answerable: bool
    signals: Array
    relevant: NDArray[np.bool_]
    images_alone: bool = False
    page: PageSignals = field(default_factory=dict)


def calibration_samples(engine: SearchEngine, examples: Iterable[Example]) -> Iterator[CalibrationSample]:
    """Search for each example's query. An item that is itself the query never counts as found. Blocks.

    Raises what ``SearchEngine.search`` raises.
    """
    for example in examples:
        ranked = engine.rank(replace(example.query, exclude_skus=example.query.skus))
        best = ranked.order[:SAMPLE_DEPTH]
        stored = engine.catalog.items(ranked.item_ids[best].tolist())
        skus = [stored[item_id].item.sku for item_id in ranked.item_ids[best].tolist()]
        yield CalibrationSample(
            key=key_of(example.query),
            kind=ranked.kind,
            answerable=bool(example.relevant),
            signals=np.stack([ranked.features[signal][best] for signal in SIGNALS], axis=1),
            relevant=np.array([sku in example.relevant for sku in skus], dtype=np.bool_),
            images_alone=ranked.images_alone,
            page=ranked.page,
        )


@dataclass(frozen=True, slots=True)
class FusionSample:
    """One query's n best hits as retrieval, catalog and a reranker judge them, with its m requirements.

    ``key`` is the same for the same query on any catalog; ``shop`` says whose catalog the sample is of, and
    ``condition`` in what state that was. ``truth`` (n, m) is 1 if a requirement's words are true of the product, 0 if
    they are not, NaN if unknown. ``relevant`` (n,) says which hits are relevant.
    """

    key: str
    evidence: RerankEvidence
    truth: Array
    relevant: NDArray[np.bool_]
    shop: str = ""
    condition: str = ""


def fusion_samples(
    engine: SearchEngine,
    images: ImageStore,
    reranker: Reranker,
    examples: Iterable[Example],
    facts: Mapping[str, Item] | None = None,
    shop: str = "",
    condition: str = "",
) -> Iterator[FusionSample]:
    """Have a reranker judge the best hits of each example's text. Blocks, on the GPU if the reranker uses one.

    ``facts`` give the true items by sku, where the catalog itself does not. Queries without a requirement that an
    image can show, and those whose hits have no image, are left out. Raises what ``SearchEngine.search`` raises, and
    RerankerError.
    """
    for example in examples:
        answer = engine.search(replace(example.query, limit=RERANK_DEPTH, offset=0))
        requirements = answer.requirements
        statements = statements_of(example.query, requirements)
        opened = CandidateImages(images, reranker.capabilities.image_side_px)
        with_images = [(hit, candidate) for hit in answer.hits if (candidate := opened.candidate(hit.stored))]
        if not statements.asked or not with_images:
            continue
        hits = [hit for hit, _ in with_images]
        judged = [candidate for _, candidate in with_images]
        yes = reranker.judge(judged, statements.asked, Deadline.within(MEASURING_DEADLINE_S))
        items = [(facts or {}).get(hit.stored.item.sku, hit.stored.item) for hit in hits]
        catalog = [[CatalogEvidence(hit.stored.item).on(each) for each in requirements] for hit in hits]
        yield FusionSample(
            key=key_of(example.query),
            evidence=rerank_evidence(hits, requirements, statements, yes, catalog),
            truth=np.array([[truth_of(item, each) for each in requirements] for item in items]),
            relevant=np.array([item.sku in example.relevant for item in items]),
            shop=shop,
            condition=condition,
        )


def truth_of(item: Item, requirement: Requirement) -> float:
    """1 if an item's field has what a requirement's words name, 0 if it has something else, NaN if no field tells."""
    if requirement.is_free or not CatalogEvidence(item).values(requirement.field):
        return np.nan
    return float(CatalogEvidence(item).on(requirement).logit > 0)


class Keyed(Protocol):
    """A sample of one query, under the query's key."""

    @property
    def key(self) -> str:
        """A SHA-256 (hex)."""


SampleT = TypeVar("SampleT", bound=Keyed)


def split_half(samples: Iterable[SampleT]) -> tuple[list[SampleT], list[SampleT]]:
    """Two halves by the query, to fit to one and to measure on the other; the same queries on every run."""
    parts: tuple[list[SampleT], list[SampleT]] = ([], [])
    for sample in samples:
        parts[int(sample.key[:8], 16) % 2].append(sample)
    return parts


def key_of(query: Query) -> str:
    """A SHA-256 (hex) of what a query asks for."""
    digest = hashlib.sha256(repr((query.text.casefold(), query.skus)).encode("utf-8", "backslashreplace"))
    for image in query.images:
        digest.update(image.tobytes())
    return digest.hexdigest()
