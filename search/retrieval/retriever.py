"""Retrieval: a parsed query's hits, in order, with their scores and confidences."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from vitrina.search.encoders.base import reads
from vitrina.search.index.replica import IndexReplica
from vitrina.search.retrieval.browsing import browsed_page
from vitrina.search.retrieval.catalog_scores import catalog_scores
from vitrina.search.retrieval.certainty import CERTAIN_CONFIDENCE, NO_ITEMS, Flags, assured, certain_items, lifted
from vitrina.search.retrieval.features import are_unsaid, calibration_features, page_signals
from vitrina.search.retrieval.fusion import PartWeights, Scores
from vitrina.search.retrieval.late_interaction import meaning_weight, piece_contributions, piece_scores
from vitrina.search.retrieval.twins import Collapsed, collapsed
from vitrina.search.retrieval.variants import VariantFit, variant_page
from vitrina.search.retrieval.vector_scores import (
    VECTOR_PARTS,
    VectorScorer,
    text_weights,
    vector_parts,
    wanted,
    zero_where_nan,
)
from vitrina.search.store.catalog import Catalog
from vitrina.search.store.fingerprints import Fingerprints
from vitrina.search.types.answer import Answer, Hit, Signals, Stopwatch
from vitrina.search.types.arrays import distinct, joined
from vitrina.search.types.calibration import (
    LEAST_SHARED,
    Calibration,
    CalibrationFeatures,
    Curve,
    PageSignal,
    PageSignals,
    QueryKind,
)
from vitrina.search.types.errors import QueryError
from vitrina.search.types.item import Modality, StoredItem
from vitrina.search.types.logistic import expit
from vitrina.search.types.models import EncoderIdentity
from vitrina.search.types.query import RELEVANCE, WINDOW, Query
from vitrina.search.types.trust import Part
from vitrina.search.understanding.parsed_query import ParsedQuery

SCORE_SCALE = 3.0
"""A score of this many summed standard deviations above the average item is shown as 0.73, twice as many as 0.88."""

NEUTRAL_SCORE = 0.5
"""The score of an item that was asked for by its fields alone: the average item's."""

ROUND_DECIMALS = 6
"""Scores closer than this are ties, so that the last bits of a float do not decide an order."""

UNWANTED = 0.5
"""The confidence of an item that is to be avoided, or out of the bounds of a price or an amount that was asked for, in
parts of what it is otherwise. Set by judgement."""

NO_MATCH_DEPTH = 10
"""How many of the best hits tell whether a query has a good match: the first page."""


@dataclass(frozen=True, slots=True)
class RankedCandidates:
    """Every candidate of one ``kind`` of query: item ids, ascending, and what is known of each, all of shape (n,).

    Candidates are ranked by ``totals``, fused from ``parts``: the sum of what each part, weighted, contributes, less
    ``penalties`` for what is to be avoided; ``bonus`` is what the catalog's words and fields add. ``order`` has
    positions, best first. ``features`` are those that a calibration weighs for each, and ``page`` those of the first
    page as a whole. ``certain`` marks the items that the query names by an identifier or shows by their own photo,
    whose totals are lifted above the others. ``gathered`` marks those that retrieval found, and not because it was told
    to include them. ``unwanted`` marks those that are to be avoided or out of bounds.
    """

    kind: QueryKind
    item_ids: NDArray[np.int64]
    by_modality: Mapping[Modality, Scores]
    parts: Mapping[Part, Scores]
    contributions: Mapping[Part, Scores]
    penalties: Scores
    bonus: Scores
    totals: Scores
    features: CalibrationFeatures
    page: PageSignals
    order: NDArray[np.int64]
    certain: Flags
    gathered: Flags
    unwanted: Flags

    @property
    def first_page(self) -> NDArray[np.int64]:
        """The positions of the hits that tell whether there is a good match, best first."""
        return self.order[:NO_MATCH_DEPTH]

    @property
    def images_alone(self) -> bool:
        """Whether no candidate has words, as in a catalog of images alone."""
        return bool(np.isnan(self.by_modality["text"]).all())


@dataclass(frozen=True, slots=True)
class FoundCandidates:
    """The ``ranked`` candidates of a query, and the positions of those that its answer has, ``kept``, in its order.

    ``confidence``, shape (n,), is None without a calibration. ``twins`` are the ids of items for which others stand, by
    those others' ids.
    """

    ranked: RankedCandidates
    confidence: Scores | None
    kept: NDArray[np.int64]
    no_good_match: bool
    twins: Mapping[int, Sequence[int]] = field(default_factory=dict)


class Retriever:
    """Retrieves the hits of parsed queries from one catalog and one index version. Safe to call from several threads.

    ``weights`` say how much each part of a score counts; ``calibration`` turns features into confidences, and without
    one hits have none.
    """

    def __init__(
        self,
        catalog: Catalog,
        replica: IndexReplica,
        encoder: EncoderIdentity,
        weights: PartWeights,
        calibration: Calibration | None,
        fingerprints: Fingerprints | None = None,
    ) -> None:
        self.weights = weights
        self.calibration = calibration
        self._catalog = catalog
        self._replica = replica
        self._encoder = encoder
        self._fingerprints = fingerprints

    def retrieve(self, parsed: ParsedQuery, watch: Stopwatch) -> Answer:
        """The answer in retrieval's order: candidates, ranked, calibrated, cut to the query's page, and loaded.

        Raises FilterError for a filter that nothing can match, and QueryError for a confidence that cannot be told.
        Blocks.
        """
        return self.answer(parsed, self.find(parsed, watch), watch)

    def find(self, parsed: ParsedQuery, watch: Stopwatch, include: NDArray[np.int64] = NO_ITEMS) -> FoundCandidates:
        """The candidates of a query, and which of them its answer has, on all pages. ``include`` is as for ``rank``.
        Raises as ``retrieve`` does. Blocks."""
        query = parsed.query
        ranked = self.rank(parsed, watch, include)
        with watch.stage("confidence"):
            curve = self._curve(query, ranked)
            confidence = confidences(curve, ranked)
            kept = ranked.order if confidence is None else at_least(query.min_confidence, confidence, ranked.order)
            if query.sort != RELEVANCE:
                kept = self._sorted(query, ranked, relevant(curve, confidence, kept))
            twins = self._collapsed(parsed, ranked.item_ids[kept]) if query.collapse and not len(include) else None
            return FoundCandidates(
                ranked,
                confidence,
                kept if twins is None else kept[twins.kept],
                not len(kept) or is_doubtful(curve, ranked, is_read=self._is_read),
                {} if twins is None else twins.twins,
            )

    @property
    def _is_read(self) -> bool:
        """Whether the encoder may know the catalog's language."""
        return reads(self._encoder, self._replica.lexical.language)

    def relevant(self, parsed: ParsedQuery, watch: Stopwatch) -> NDArray[np.int64]:
        """The ids of the items that a query finds and that are worth showing, sorted: those that are as sure as a good
        match is, or the first page if none is; without a calibration the best ``WINDOW``. Raises as ``retrieve`` does.
        Blocks."""
        ranked = self.rank(parsed, watch)
        curve = self._curve(parsed.query, ranked)
        confidence = confidences(curve, ranked)
        order = ranked.order
        if confidence is not None:
            order = at_least(parsed.query.min_confidence, confidence, order)
        return np.sort(ranked.item_ids[relevant(curve, confidence, order)])

    def _collapsed(self, parsed: ParsedQuery, ranked: NDArray[np.int64]) -> Collapsed:
        with self._catalog.reading() as reader:
            return collapsed(ranked, reader.twin_groups(), parsed.excluded)

    def answer(self, parsed: ParsedQuery, found: FoundCandidates, watch: Stopwatch) -> Answer:
        """The answer with the query's page of the candidates that were kept. Blocks while the items are loaded."""
        with watch.stage("load"):
            hits, total = self._hits(parsed, found)
            hits = self._with_twins(hits, found.twins)
        return Answer(
            hits=hits,
            n_candidates=total,
            no_good_match=found.no_good_match,
            encoder=self._encoder.name,
            timings_ms=watch.timings_ms(),
            requirements=parsed.requirements,
            n_collapsed=sum(map(len, found.twins.values())),
            corrected=parsed.corrected,
        )

    def _with_twins(self, hits: tuple[Hit, ...], twins: Mapping[int, Sequence[int]]) -> tuple[Hit, ...]:
        """The hits with the skus of the twins that they stand for."""
        shown = [twin for hit in hits for twin in twins.get(hit.stored.id, ())]
        if not shown:
            return hits
        with self._catalog.reading() as reader:
            skus = reader.skus(shown)
        named = (tuple(skus[twin] for twin in twins.get(hit.stored.id, ()) if twin in skus) for hit in hits)
        return tuple(replace(hit, twins=of_hit) if of_hit else hit for hit, of_hit in zip(hits, named, strict=True))

    def browse(self, query: Query, watch: Stopwatch) -> Answer:
        """The answer to a query by filters alone: every item that passes them, in the query's order, without
        confidences. Raises FilterError for a filter that nothing can match, and NotFoundError. Blocks."""
        with watch.stage("filter"), self._catalog.reading() as reader:
            page = browsed_page(reader, query)
            stored = reader.items(page.item_ids)
        hits = (
            Hit(stored[item_id], NEUTRAL_SCORE, query.offset + position, Signals(None, None, 0.0))
            for position, item_id in enumerate(page.item_ids, start=1)
        )
        shown = self._with_twins(VariantFit(query).page(hits, page.skipped), page.twins.twins)
        timings_ms, n_collapsed = watch.timings_ms(), page.twins.n_hidden
        return Answer(shown, page.total, not page.total, self._encoder.name, timings_ms, n_collapsed=n_collapsed)

    def rank(self, parsed: ParsedQuery, watch: Stopwatch, include: NDArray[np.int64] = NO_ITEMS) -> RankedCandidates:
        """Every candidate of a query, scored and in order. Items to ``include``, ids of shape (n,), are ranked among
        them as if they passed its filters and it excluded none of them. Raises FilterError. Blocks."""
        query = parsed.query
        weights = self.weights if self._is_read else self.weights.in_unread_language()
        with self._catalog.reading() as reader:
            with watch.stage("filter"):
                passing = self._replica.facets.passing(reader, query.filters) if query.filters else None
                within = None if passing is None else joined(passing, include)
            with watch.stage("words"):
                in_catalog = catalog_scores(reader, self._replica, parsed, within)
            with watch.stage("certainty"):
                sure = certain_items(reader, self._replica.names, query, self._fingerprints, within)
            with watch.stage("vectors"):
                scorer = VectorScorer(self._replica.indexes, parsed.vectors, *text_weights(weights))
                nearest = scorer.candidates(WINDOW, within)
                gathered = distinct(np.concatenate([nearest, in_catalog.item_ids, sure]))
                pool = joined(gathered[~np.isin(gathered, parsed.excluded)], include)
            with watch.stage("rank"):
                by_catalog, is_gathered = in_catalog.about(pool), np.isin(pool, gathered, assume_unique=True)
                meaning = meaning_weight(parsed, by_catalog.parts[Part.ALL_WORDS][is_gathered])
                by_vectors = scorer.rank(pool).scaled(meaning)
                has_images = ~np.isnan(by_vectors.by_modality["image"])
                weighted = weights.contributions(by_catalog.parts, has_images)
                said = {part: query.weights.text * scores for part, scores in weighted.items()}
                penalties = by_catalog.penalty(query.weights)
                bonus = np.asarray(sum(said.values()) + by_catalog.credit(query.weights) - penalties, np.float64)
                certain = np.isin(pool, sure)
                fused = np.round(zero_where_nan(by_vectors.scores) + bonus, ROUND_DECIMALS)
                by_pieces = piece_scores(reader, self._replica.version_id, parsed, pool, fused)
                added = meaning * piece_contributions(by_pieces, parsed, is_read=self._is_read)
                fused = np.round(fused + added, ROUND_DECIMALS)
                totals = lifted(fused, certain)
                order = np.lexsort((pool, -totals))
                features = calibration_features(by_vectors, by_catalog, fused, parsed.text)
                first = order[:NO_MATCH_DEPTH]
                matches = in_catalog.words.matches
                page = page_signals(parsed, self._replica.lexical, matches, features, first, pool[first])
                page |= self._names_shared(parsed, pool[first])
        return RankedCandidates(
            kind=parsed.kind,
            item_ids=pool,
            by_modality=by_vectors.by_modality,
            parts={**vector_parts(by_vectors), **by_catalog.parts, Part.PIECES: by_pieces},
            contributions={part: by_vectors.contributions[m] for m, part in VECTOR_PARTS.items()}
            | said
            | {Part.PIECES: added},
            penalties=penalties,
            bonus=bonus,
            totals=totals,
            features=features,
            page=page,
            order=order,
            certain=certain,
            gathered=is_gathered,
            unwanted=by_catalog.avoided | by_catalog.mispriced,
        )

    def _names_shared(self, parsed: ParsedQuery, item_ids: NDArray[np.int64]) -> dict[PageSignal, float]:
        """What the cohort's names tell of a query and of its best hits; nothing without a cohort, or without hits."""
        cohort = self.calibration.cohort if self.calibration else None
        if cohort is None or not len(item_ids):
            return {}
        asked, ids = wanted(parsed.vectors), np.sort(item_ids)
        modalities: tuple[Modality, Modality] = (
            ("image", "text") if parsed.kind is QueryKind.IMAGE else ("text", "image")
        )
        rows = (self._replica.indexes[modality].rows_of(ids) for modality in modalities)
        vectors = next((found.vectors for found in rows if len(found)), np.empty((0, cohort.dimension), np.float32))
        return {
            PageSignal.NAMES: cohort.mean_closest(asked),
            PageSignal.SAME_NAMES: float(cohort.shared(asked, vectors).max(initial=math.log(LEAST_SHARED))),
        }

    def _curve(self, query: Query, ranked: RankedCandidates) -> Curve | None:
        """The calibration of this kind of query. Raises QueryError where there is none and the query needs one."""
        known = self.calibration
        curve = known.curve(ranked.kind, images_alone=ranked.images_alone) if known else None
        if curve is None and query.min_confidence > 0:
            raise QueryError(
                f"The encoder {self._encoder.name} is not calibrated for queries by {ranked.kind}, so min_confidence "
                f"cannot be {query.min_confidence:g}.",
                remedy="Leave it out, or calibrate the encoder on queries whose answers are known: "
                "vitrina encoder calibrate --judgements FILE.",
            )
        return curve

    def _sorted(self, query: Query, ranked: RankedCandidates, positions: NDArray[np.int64]) -> NDArray[np.int64]:
        """Positions in another order than that of relevance, without items that were deleted meanwhile."""
        with self._catalog.reading() as reader:
            ordered = reader.facets.ordered(ranked.item_ids[positions].tolist(), query.sort, query.filters)
        return np.searchsorted(ranked.item_ids, np.array(ordered, np.int64)).astype(np.int64)

    def _hits(self, parsed: ParsedQuery, found: FoundCandidates) -> tuple[tuple[Hit, ...], int]:
        """The hits of the query's page, loaded, and how many there are on all pages; items that were deleted meanwhile
        are left out."""
        query, ranked, kept, skipped, total = parsed.query, found.ranked, found.kept, 0, len(found.kept)
        page = kept[query.offset : query.offset + query.limit]
        if not query.collapse:
            with self._catalog.reading() as reader:
                counts = reader.facets.n_fitting(ranked.item_ids[kept].tolist(), query.filters)
            window = variant_page(query, counts)
            page, skipped, total = kept[window.items], window.skipped, window.total
        stored = self._catalog.items(ranked.item_ids[page].tolist())
        hits = (
            self._hit(found, int(at), stored[item_id], query.offset + position)
            for position, at in enumerate(page, start=1)
            if (item_id := int(ranked.item_ids[at])) in stored
        )
        return VariantFit(query, parsed, self._replica).page(hits, skipped), total

    def _hit(self, found: FoundCandidates, at: int, stored: StoredItem, rank: int) -> Hit:
        ranked = found.ranked
        return Hit(
            stored=stored,
            score=float(expit(ranked.totals[at] / SCORE_SCALE)),
            rank=rank,
            signals=Signals(
                image=number(ranked.by_modality["image"][at]),
                text=number(ranked.by_modality["text"][at]),
                words=float(ranked.bonus[at]),
            ),
            confidence=confidence_of(found.confidence, ranked.certain, at),
            certain=bool(ranked.certain[at]),
        )


def confidences(curve: Curve | None, ranked: RankedCandidates) -> Scores | None:
    """The confidence of each candidate, shape (n,); None without a calibration."""
    if curve is None:
        return None
    confidence = curve.confidence(ranked.features)
    return assured(np.where(ranked.unwanted, UNWANTED * confidence, confidence), ranked.certain)


def confidence_of(confidence: Scores | None, certain: Flags, at: int) -> float | None:
    """The confidence of one candidate; without a calibration only a certain one has any."""
    if confidence is None:
        return CERTAIN_CONFIDENCE if certain[at] else None
    return float(confidence[at])


def at_least(least: float, confidence: Scores, order: NDArray[np.int64]) -> NDArray[np.int64]:
    """The positions in ``order`` whose confidence reaches ``least``."""
    return order[confidence[order] >= least]


def relevant(curve: Curve | None, confidence: Scores | None, order: NDArray[np.int64]) -> NDArray[np.int64]:
    """The positions in ``order`` worth sorting by something else: those that are as sure as a good match is, or the
    first page if none is; without a calibration the best ``WINDOW``."""
    if curve is None or confidence is None:
        return order[:WINDOW]
    sure = at_least(curve.no_match_confidence, confidence, order)
    return sure if len(sure) else order[:NO_MATCH_DEPTH]


def is_doubtful(curve: Curve | None, ranked: RankedCandidates, *, is_read: bool) -> bool:
    """Whether a query's candidates, one at least, hold no good match, as far as a calibration can tell; in a language
    that the encoder does not know (``is_read`` false), items without images match by words and fields alone."""
    first = ranked.first_page
    if curve is None or ranked.certain[first].any():
        return False
    of_page = {signal: column[first] for signal, column in ranked.features.items()}
    return (not is_read and are_unsaid(of_page)) or not curve.has_good_match(of_page, ranked.page)


def number(score: float) -> float | None:
    return None if np.isnan(score) else float(score)
