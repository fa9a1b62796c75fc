"""The explanations of the embedded reranker: what they make up, leave out, and say against its verdicts."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import numpy as np

from benchmarks.catalogs import Figure, Indexed, indexed, labelled_items
from vitrina.evaluation.judged_search import MEASURING_DEADLINE_S
from vitrina.evaluation.judgements import sample_queries
from vitrina.evaluation.label_queries import QueryTemplate, label_queries
from vitrina.search.analysis.spelling import key, split
from vitrina.search.encoders.base import Encoder
from vitrina.search.reranking.backends.model_folders import EMBEDDED
from vitrina.search.reranking.backends.transformers.loading import load_reranker
from vitrina.search.reranking.catalog_evidence import CatalogEvidence
from vitrina.search.reranking.pipeline import RerankPipeline
from vitrina.search.types.answer import Hit
from vitrina.search.types.filters import facet_value
from vitrina.search.types.item import Item
from vitrina.search.types.query import MAX_EXPLAIN_MS, Query, RerankOptions
from vitrina.search.types.requirement import Author, Status, Verdict

_CLAUSES = re.compile(r"[.;]+(?:\s|$)")
_WISH = re.compile(r"\b(?:did|do) not want\b[^,]*$")
_REPORT = re.compile(r"\blisting says\b[^,]*$|\bin the photo it looks\b[^,]*$|\bphoto (?:looks|does not look)\b[^,]*$")
_OPEN = re.compile(
    r"\bwhether\b|\bcannot be told\b|\bleave open\b|\bbut the photo does not look\b"
    r"|\bin doubt\b|\bas to\b|\bmay\b|\bunclear\b|\bunknown\b"
)
_DENIED = re.compile(r"\b(?:not|no|never|without|isn't|doesn't|nor)\b(?:(?!\bbut\b)[^,])*$")


class Stance(StrEnum):
    """What a text says of a value that it names."""

    SO = "so"
    NOT_SO = "not so"
    OPEN = "open"
    REPORTED = "reported"
    """As what listing or photo say, or as the shopper's wish."""


@dataclass(frozen=True, slots=True)
class Named:
    """A value in a text, in the spelling that was looked for."""

    value: str
    stance: Stance


def values_named(text: str, values: Sequence[str]) -> Iterator[Named]:
    """Every mention of these values, the longest where one is part of another; of several spellings of one value the
    last given."""
    spelt = {key(split(value)): value for value in values}
    longest = max((len(split(value)) for value in values), default=0)
    for clause in _CLAUSES.split(text):
        words = [(match.start(), match.group()) for match in re.finditer(r"[\w'-]+", clause)]
        at = 0
        while at < len(words):
            n_words, value = _longest(words, at, spelt, longest)
            if value is not None:
                yield Named(value, stance_in(clause, words[at][0]))
            at += n_words


def stance_in(clause: str, start: int) -> Stance:
    """What a clause says of the word that starts there."""
    before = clause[:start].lower()
    if _WISH.search(before) or _REPORT.search(before):
        return Stance.REPORTED
    if _OPEN.search(clause.lower()):
        return Stance.OPEN
    return Stance.NOT_SO if _DENIED.search(before) else Stance.SO


def _longest(words: list[tuple[int, str]], at: int, spelt: dict[str, str], longest: int) -> tuple[int, str | None]:
    for n_words in range(min(longest, len(words) - at), 0, -1):
        value = spelt.get(key(split(" ".join(word for _, word in words[at : at + n_words]))))
        if value is not None:
            return n_words, value
    return 1, None


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
    """One explanation, parsed: which values that it asserts are false of the product, which requirements it names, and
    for which of those it agrees with the verdict."""

    false: tuple[bool, ...]
    named: tuple[bool, ...]
    agreeing: tuple[bool, ...]
    is_models: bool


def measure_explanations(encoder: Encoder, data: Path) -> Iterator[Figure]:
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
    values = {value for item in items.values() for field in FIELDS for value in CatalogEvidence(item).values(field)}
    queries = sample_queries(
        label_queries(items.values(), [QueryTemplate(name) for name in TEMPLATES], 1), N_QUERIES, seed=0
    )
    budget = RerankOptions(explain_ms=MAX_EXPLAIN_MS)
    reranker = load_reranker(EMBEDDED, device="cpu")
    with RerankPipeline.open(catalog.store, reranker, uses_catalog=listings, deadline_s=MEASURING_DEADLINE_S) as stage:
        engine = catalog.engine.with_reranker(stage)
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
        return CatalogEvidence(item).on(verdict.requirement).logit > 0
    return facet_value(value) in {held for field in FIELDS for held in CatalogEvidence(item).values(field)}


def stances_of(verdict: Verdict) -> tuple[Stance, ...]:
    """How a text may speak of a requirement's words, its verdict being what it is."""
    if verdict.disagreement:
        return (Stance.OPEN, Stance.REPORTED)
    if verdict.status is Status.UNKNOWN:
        return (Stance.OPEN,)
    return (Stance.SO,) if (verdict.status is Status.MET) is verdict.requirement.wanted else (Stance.NOT_SO,)
