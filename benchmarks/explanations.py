"""Whether explanations can be believed: held against what the labels of the products say."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.catalogs import Indexed, indexed, labelled_items
from benchmarks.figure import Figure
from benchmarks.wording import Stance, values_named
from evaluation.fields import Template, queries_by
from evaluation.query import sample
from search.answer import Hit
from search.encoders.base import Encoder
from search.filters import facet_value
from search.item import Item
from search.query import Query
from search.reranking.backends.transformers.loading import EMBEDDED, load_reranker
from search.reranking.budget import MAX_EXPLAIN_MS, Rerank
from search.reranking.engine import RerankingEngine
from search.reranking.explanation import Author
from search.reranking.judging.listing import Listing
from search.reranking.verdict import Standing, Verdict

TEMPLATES = (
    "{colour} {article} for {gender}",
    "{colour} {article}",
    "{usage} {article} for {gender}",
    "{season} {colour} {article}",
)
N_QUERIES = 15
"""Of each template, drawn from those that at least one product answers; what else is found is not all that was asked,
so that there is something to deny."""

FIELDS = ("article", "subcategory", "category", "colour", "gender", "usage", "season")

HALLUCINATED, COVERED, AGREEING = 0.05, 0.95, 0.99


@dataclass(frozen=True, slots=True)
class Read:
    """One explanation, read: which of its claims of what is so are false of the product; which requirements it names;
    which of those it tells as their verdicts stand."""

    false: tuple[bool, ...]
    named: tuple[bool, ...]
    agreeing: tuple[bool, ...]
    is_models: bool


def measure(encoder: Encoder, data: Path) -> Iterator[Figure]:
    """On ``fashion-validation``: as shops have it, and with the catalog's fields hidden from the reranker."""
    with indexed(encoder, data / "fashion-validation.parquet") as catalog:
        for listings, how in ((True, "listings and pictures"), (False, "pictures alone, listings hidden")):
            yield from figures(list(explanations(catalog, listings=listings)), how)


def figures(found: Sequence[Read], how: str) -> Iterator[Figure]:
    false = [each for read in found for each in read.false]
    named = [each for read in found for each in read.named]
    agreeing = [each for read in found for each in read.agreeing]
    by_model = np.mean([read.is_models for read in found])
    told = f"fashion-validation, {how}; {len(found)} explanations, {by_model:.0%} in the model's own words"
    yield Figure("hallucinated attributes (CHAIR-i)", np.mean(false).item(), HALLUCINATED, "at most", how=told)
    yield Figure("requirements that explanations name", np.mean(named).item(), COVERED, how=told)
    yield Figure("verdict and sentence agree", np.mean(agreeing).item(), AGREEING, how=told)


def explanations(catalog: Indexed, *, listings: bool) -> Iterator[Read]:
    """The first five hits of every query, explained, and read again."""
    items = {item.sku: item for item in labelled_items(catalog.rows)}
    values = {value for item in items.values() for field in FIELDS for value in Listing(item).values(field)}
    queries = sample(queries_by(items.values(), [Template(name) for name in TEMPLATES], 1), N_QUERIES, seed=0)
    budget = Rerank(explain_ms=MAX_EXPLAIN_MS, listings=listings, unhurried=True)
    with catalog.home.open_stage(load_reranker(EMBEDDED, device="cpu")) as stage:
        engine = RerankingEngine(catalog.engine, stage)
        for query in queries:
            for hit in engine.search(Query(query.text), budget).hits[: budget.explain]:
                yield read(hit, items[hit.stored.item.sku], values)


def read(hit: Hit, item: Item, values: set[str]) -> Read:
    """Hold an explained hit against its verdicts and against the product's labels."""
    assert hit.explanation is not None
    asked = {verdict.requirement.words: verdict for verdict in hit.verdicts}
    mentions = list(values_named(hit.explanation.text, [*sorted(values), *asked]))
    return Read(
        false=tuple(
            not is_true(item, each.value, asked.get(each.value)) for each in mentions if each.stance is Stance.SO
        ),
        named=tuple(any(each.value == words for each in mentions) for words in asked),
        agreeing=tuple(
            any(each.stance in stances_of(asked[each.value]) for each in mentions if each.value == words)
            for words in asked
            if any(each.value == words for each in mentions)
        ),
        is_models=hit.explanation.written_by is Author.MODEL,
    )


def is_true(item: Item, value: str, verdict: Verdict | None) -> bool:
    """Whether the product's labels bear out what an explanation says of it."""
    if verdict is not None:
        return Listing(item).on(verdict.requirement).log_odds > 0
    return facet_value(value) in {held for field in FIELDS for held in Listing(item).values(field)}


def stances_of(verdict: Verdict) -> tuple[Stance, ...]:
    """How a text may speak of a requirement's words, its verdict being what it is."""
    if verdict.disagreement:
        return (Stance.OPEN, Stance.REPORTED)
    if verdict.standing is Standing.UNKNOWN:
        return (Stance.OPEN,)
    return (Stance.SO,) if (verdict.standing is Standing.MET) is verdict.requirement.wanted else (Stance.NOT_SO,)
