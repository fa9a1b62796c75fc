"""Rank explanations: for one item and one query, its rank by each part, its verdicts, and what keeps it out."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace

import numpy as np

from vitrina.search.engine import SearchEngine
from vitrina.search.rank_sentence import failed_filter, failed_together, sentence
from vitrina.search.reranking.catalog_evidence import CatalogEvidence
from vitrina.search.reranking.verdicts import verdict_of
from vitrina.search.retrieval.retriever import NEUTRAL_SCORE, SCORE_SCALE, FoundCandidates, confidence_of
from vitrina.search.retrieval.variants import VariantFit, by_variant
from vitrina.search.retrieval.vector_scores import VECTOR_PARTS
from vitrina.search.types.answer import Answer, RerankStatus, Stopwatch, final_answer
from vitrina.search.types.errors import NoRerankerError
from vitrina.search.types.filters import fitting_variants, passes
from vitrina.search.types.item import StoredItem
from vitrina.search.types.logistic import expit
from vitrina.search.types.query import MAX_OFFSET, RELEVANCE, WINDOW, Query, RerankOptions
from vitrina.search.types.rank_explanation import FailedFilter, PartRank, Placement, RankExplanation
from vitrina.search.types.requirement import Status, Verdict
from vitrina.search.understanding.parsed_query import ParsedQuery

Waits = Callable[[], AbstractContextManager[None]]
"""Makes the context in which a thread waits for the reranker, and computes nothing."""


def explain_rank(
    engine: SearchEngine,
    query: Query,
    sku: str,
    options: RerankOptions | None = None,
    *,
    is_reranked: bool = False,
    waits: Waits = nullcontext,
) -> RankExplanation:
    """Why an item of the catalog, found or not, has its rank for a query.

    Where the engine has a reranker, it judges the item's photo within the deadline of ``options``; with ``is_reranked``
    the rank is that of the search reranked with these options. Blocks for the retrieval and the deadline; for the
    latter in the context that ``waits`` makes.

    Raises NotFoundError for a sku that is not in the catalog, NoRerankerError where ``is_reranked`` and there is no
    reranker, and what ``SearchEngine.stream`` raises.
    """
    if is_reranked and engine.reranker is None:
        raise NoRerankerError("This search engine has no reranker.", remedy="Explain the search without reranking.")
    watch = Stopwatch()
    stored = engine.catalog.item(sku)
    if query.browses:
        explained, text, fit = explained_browsing(engine, query, stored), "", VariantFit(query)
    else:
        parsed = engine.parser.parse(query, watch, for_verdicts=True)
        found = engine.retriever.find(parsed, watch, np.array([stored.id], np.int64))
        with watch.stage("explain"):
            explained, text = explained_search(engine, parsed, found, stored), parsed.text
            fit = VariantFit(query, parsed, engine.replica)
        if engine.reranker is not None:
            explained = judged(engine, explained, parsed, found, options or RerankOptions(), watch, waits, is_reranked)
    explained = replace(explained, sentence=sentence(explained, query, text), timings_ms=watch.timings_ms())
    return replace(explained, stored=by_variant(stored, at := fit.best(stored)), variant=at)


def explained_browsing(engine: SearchEngine, query: Query, stored: StoredItem) -> RankExplanation:
    """The place of an item among those that pass the filters, still without a sentence. Raises FilterError."""
    with engine.catalog.reading() as reader:
        reader.facets.check(query.filters)
        excluded = [reader.item(sku).id for sku in query.exclude_skus]
        ordered, _ = reader.facets.page(query.filters, query.sort, MAX_OFFSET, 0, sorted(set(excluded)))
    failed = failed_filters(query, stored)
    rank = ordered.index(stored.id) + 1 if stored.id in ordered else None
    placement = Placement.FILTERED if failed else Placement.EXCLUDED if rank is None else page_of(query, rank)
    encoder = engine.encoder.identity.name
    return RankExplanation(stored, placement, "", rank, len(ordered), NEUTRAL_SCORE, encoder, {}, failed_filters=failed)


def explained_search(
    engine: SearchEngine, parsed: ParsedQuery, found: FoundCandidates, stored: StoredItem
) -> RankExplanation:
    """What retrieval and the listing tell of an item that was included in the candidates, without a sentence."""
    query, ranked = parsed.query, found.ranked
    at = int(np.searchsorted(ranked.item_ids, stored.id))
    failed = failed_filters(query, stored)
    placement, rank, n_candidates = placed(parsed, found, stored, is_filtered=bool(failed))
    verdicts = catalog_verdicts(parsed, stored)
    matches = engine.replica.lexical.match(parsed.text) if parsed.text else None
    penalty = float(ranked.penalties[at])
    return RankExplanation(
        stored=stored,
        placement=placement,
        sentence="",
        rank=rank,
        n_candidates=n_candidates,
        score=float(expit(ranked.totals[at] / SCORE_SCALE)),
        encoder=engine.encoder.identity.name,
        timings_ms={},
        confidence=confidence_of(found.confidence, ranked.certain, at),
        certain=bool(ranked.certain[at]),
        parts=part_ranks(query, found, at),
        penalty=penalty,
        avoided=avoided_by(engine, parsed, stored, verdicts) if penalty else (),
        words=dict(zip(matches.words, matches.held_words(stored.id), strict=True)) if matches else {},
        failed_filters=failed,
        requirements=parsed.requirements,
        verdicts=verdicts,
    )


def avoided_by(
    engine: SearchEngine, parsed: ParsedQuery, stored: StoredItem, verdicts: tuple[Verdict, ...]
) -> tuple[str, ...]:
    """What an item has that is to be avoided, in the query's words: by its words, its fields and its price."""
    item_id, lexical = np.array([stored.id], np.int64), engine.replica.lexical
    texts = [text for text in (parsed.query.without, *parsed.denied) if text]
    held = [text for text in texts if lexical.avoid(text, item_id, parsed.text).held[0]]
    held += [
        f"not {verdict.requirement.words}" if verdict.requirement.wanted else verdict.requirement.words
        for verdict in verdicts
        if verdict.status is Status.CONTRADICTED and (not verdict.requirement.wanted or verdict.requirement.bounds)
    ]
    return tuple(dict.fromkeys(held))


def judged(
    engine: SearchEngine,
    explained: RankExplanation,
    parsed: ParsedQuery,
    found: FoundCandidates,
    options: RerankOptions,
    watch: Stopwatch,
    waits: Waits,
    is_reranked: bool,
) -> RankExplanation:
    """The explanation with verdicts by the photo, too; with ``is_reranked`` with the rank after reranking."""
    query = parsed.query
    takes_part = is_reranked and query.sort == RELEVANCE and explained.placement.is_found
    takes_part = takes_part and max(explained.rank or 0, query.offset + 1) <= options.top
    if takes_part:
        page = replace(query, offset=0, limit=max(query.offset + query.limit, options.top))
        answer = reranked(engine, replace(parsed, query=page), found, options, watch, waits)
    else:
        alone = replace(found, kept=np.searchsorted(found.ranked.item_ids, [explained.stored.id]).astype(np.int64))
        page = replace(query, offset=0, limit=1)
        answer = reranked(engine, replace(parsed, query=page), alone, replace(options, top=1), watch, waits)
    hit = next((hit for hit in answer.hits if hit.stored.id == explained.stored.id), None)
    if hit is None:  # deleted meanwhile
        return explained
    explained = replace(
        explained,
        verdicts=hit.verdicts or explained.verdicts,
        rerank_status=hit.rerank_status,
        reranker=answer.reranker,
        rerank_note=answer.rerank_note,
        retrieval_rank=explained.rank if is_reranked else None,
    )
    if not takes_part or answer.rerank_status is not RerankStatus.RERANKED:
        return explained
    return replace(explained, rank=hit.rank, score=hit.score, placement=page_of(query, hit.rank))


def reranked(
    engine: SearchEngine,
    parsed: ParsedQuery,
    found: FoundCandidates,
    options: RerankOptions,
    watch: Stopwatch,
    waits: Waits,
) -> Answer:
    """The reranked answer with the query's page of the candidates, without explanations."""
    assert engine.reranker is not None
    candidates = engine.retriever.answer(parsed, found, watch)
    with watch.stage("judge"), waits():
        return final_answer(engine.reranker.rerank(parsed, candidates, replace(options, explain=0)))


def placed(
    parsed: ParsedQuery, found: FoundCandidates, stored: StoredItem, *, is_filtered: bool
) -> tuple[Placement, int, int]:
    """Where an item that was included in the candidates is in retrieval's answer, its rank, and among how many."""
    query, ranked = parsed.query, found.ranked
    at = int(np.searchsorted(ranked.item_ids, stored.id))
    rank, n_candidates = int(np.flatnonzero(ranked.order == at)[0]) + 1, len(ranked.order)
    if stored.id in parsed.excluded:
        return Placement.EXCLUDED, rank, n_candidates
    if is_filtered:
        return Placement.FILTERED, rank, n_candidates
    if not ranked.gathered[at]:
        return Placement.NOT_A_CANDIDATE, rank, n_candidates
    kept = np.flatnonzero(found.kept == at)
    if len(kept):
        rank = int(kept[0]) + 1
        return page_of(query, rank) if rank <= WINDOW else Placement.NOT_A_CANDIDATE, rank, len(found.kept)
    is_doubtful = found.confidence is not None and found.confidence[at] < query.min_confidence
    return Placement.BELOW_MIN_CONFIDENCE if is_doubtful else Placement.NOT_RELEVANT, rank, n_candidates


def page_of(query: Query, rank: int) -> Placement:
    """Whether the query's page has the item of this rank."""
    return Placement.HIT if query.offset < rank <= query.offset + query.limit else Placement.OTHER_PAGE


def part_ranks(query: Query, found: FoundCandidates, at: int) -> tuple[PartRank, ...]:
    """The parts of the score of the candidate at a position that count for any candidate."""
    ranked = found.ranked
    page = [int(other) for other in found.kept[query.offset : query.offset + query.limit] if other != at]
    ranks = []
    for part, contributions in ranked.contributions.items():
        if not contributions.any():
            continue
        scores = ranked.parts[part]
        has_any = part in VECTOR_PARTS.values() or scores[at] > 0
        rank = 1 + int(np.count_nonzero(scores > scores[at])) if has_any else None
        gap = float(contributions[page[-1]] - contributions[at]) if page else 0.0
        ranks.append(PartRank(part, float(scores[at]), rank, float(contributions[at]), gap))
    return tuple(ranks)


def failed_filters(query: Query, stored: StoredItem) -> tuple[FailedFilter, ...]:
    """Each condition of a query that an item fails; or all of them as one, where no variant of it satisfies them
    together."""
    failed = [condition for condition in query.filters if not passes(condition, stored.item)]
    if failed or not stored.item.variants or fitting_variants(query.filters, stored.item):
        return tuple(failed_filter(condition, stored.item) for condition in failed)
    return (failed_together(query.filters, stored.item.currency),)


def catalog_verdicts(parsed: ParsedQuery, stored: StoredItem) -> tuple[Verdict, ...]:
    """The verdicts on an item by its listing alone."""
    evidence = CatalogEvidence(stored.item)
    return tuple(verdict_of(requirement, evidence.on(requirement), None) for requirement in parsed.requirements)
