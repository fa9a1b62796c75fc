"""Verdicts: every requirement of a query held against its candidates, by catalog and image evidence."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from vitrina.search.reranking.base import CandidateImages, Deadline, Probabilities, key_of
from vitrina.search.reranking.catalog_evidence import NOTHING, CatalogEvidence, CatalogValue
from vitrina.search.reranking.client import RerankClient, ScoredStatements
from vitrina.search.reranking.fusion import MAX_IMAGE_LOGIT, FusionWeights, Scores, probability
from vitrina.search.reranking.statements import statement_of, statements_of, values_to_try
from vitrina.search.types.answer import Hit, RerankState, Stopwatch
from vitrina.search.types.filters import facet_value
from vitrina.search.types.requirement import Evidence, Requirement, Status, Verdict
from vitrina.search.understanding.parsed_query import ParsedQuery

MET_FROM = 0.65
CONTRADICTED_TO = 0.35
"""Probabilities between them are unknown: listing and picture against each other, or a look that is not sure."""

SAYS_SOMETHING_LOGIT = 0.4
"""A look that is surer than 0.6 is evidence."""

CONFLICT_LOGIT = 2.0
"""Listing and picture disagree where each is surer than 0.88 that the other is wrong."""

NOT_SHOWN_LOGIT = -2.9
"""Words that the texts mention have no other values to be tried against the picture: it must be surer than 0.94 that
it does not show them."""

NOTHING_TO_RERANK = "None of these hits is to be looked at."
NOTHING_TO_ASK = "The query asks for nothing that shows."

ALTERNATIVE_FROM = 0.7
CATALOG_VALUE_TO = 0.3
"""A disagreement is told where another value is at least so likely, and the listed one, tried too, at most so."""


def verdict_of(requirement: Requirement, listed: CatalogValue, image_logit: float | None) -> Verdict:
    """Weigh the evidence. ``image_logit`` are those of the requirement's claim, None where nobody looked."""
    reranked = image_logit is not None and abs(image_logit) >= SAYS_SOMETHING_LOGIT
    total = listed.logit + (image_logit or 0.0)
    met = float(probability(total if requirement.wanted else -total))
    evidence = evidence_from(has_field=listed.logit != 0, has_image=reranked)
    seen = requirement.words if reranked and image_logit is not None and image_logit > 0 else None
    told = without_repeating(Verdict(requirement, status_of(met, evidence), met, evidence, listed.says, seen))
    if requirement.is_free and listed.logit > 0 and (image_logit or 0.0) <= NOT_SHOWN_LOGIT:
        return replace(told, disagreement=f"listing says {listed.says}, photo does not look it")
    return told


def evidence_from(*, has_field: bool, has_image: bool) -> Evidence:
    if has_field:
        return Evidence.BOTH if has_image else Evidence.FIELD
    return Evidence.IMAGE if has_image else Evidence.NOTHING


def status_of(met: float, evidence: Evidence) -> Status:
    if evidence is Evidence.NOTHING or CONTRADICTED_TO < met < MET_FROM:
        return Status.UNKNOWN
    return Status.MET if met >= MET_FROM else Status.CONTRADICTED


def without_repeating(verdict: Verdict) -> Verdict:
    """The verdict without what it would be odd to say instead: not navy but navy."""
    is_so = {facet_value(value) for value in (verdict.requirement.words, *verdict.requirement.values)}
    if verdict.status is Status.CONTRADICTED and verdict.requirement.wanted and verdict.image_value in is_so:
        return replace(verdict, image_value=None)
    return verdict


def conflict(listed: CatalogValue, image_logit: float | None) -> bool:
    """Whether listing and picture are against each other, and both sure."""
    if image_logit is None or listed.logit * image_logit >= 0:
        return False
    return min(abs(listed.logit), abs(image_logit)) >= CONFLICT_LOGIT


def resolved(verdict: Verdict, listed_values: tuple[str, ...], candidates: Mapping[str, float]) -> Verdict:
    """A verdict whose evidence was in conflict, once the field's values were tried against the picture.

    ``candidates`` has, by value, the probability that the picture shows it, calibrated; ``listed_values`` are
    those that the
    listing names, folded. Where another value is likely and the listed ones are not, the verdict says so: ``listing
    says Navy Blue, photo looks black``. Where the listed one, or nothing, is, the verdict stays as it is.
    """
    if not candidates or verdict.catalog_value is None:
        return verdict
    likeliest = max(candidates, key=lambda value: candidates[value])
    own = max((candidates[value] for value in listed_values if value in candidates), default=0.0)
    if likeliest in listed_values or candidates[likeliest] < ALTERNATIVE_FROM or own > CATALOG_VALUE_TO:
        return verdict
    disagreement = f"listing says {verdict.catalog_value}, photo looks {likeliest}"
    return without_repeating(replace(verdict, image_value=likeliest, disagreement=disagreement))


@dataclass(frozen=True, slots=True)
class HitVerdicts:
    """The verdicts on n hits, each hit's state, their ``totals`` to rank them by, shape (n,), and a ``note`` to people
    on why some were not reranked.

    ``conflicts`` are pairs of an item id and the position of a requirement on which catalog and image disagree.
    """

    verdicts: tuple[tuple[Verdict, ...], ...]
    states: tuple[RerankState, ...]
    totals: Scores
    conflicts: frozenset[tuple[int, int]]
    note: str = ""


class VerdictBuilder:
    """Checks one query's requirements against its hits. Without ``uses_catalog`` only images are evidence."""

    def __init__(
        self,
        parsed: ParsedQuery,
        client: RerankClient,
        images: CandidateImages,
        fusion_weights: FusionWeights,
        watch: Stopwatch,
        uses_catalog: bool = True,
    ) -> None:
        self.requirements = parsed.requirements
        self.statements = statements_of(parsed.query, parsed.requirements)
        self._vocabulary = parsed.vocabulary
        self._client = client
        self._images = images
        self._fusion_weights = fusion_weights
        self._watch = watch
        self._uses_catalog = uses_catalog

    def build(self, hits: Sequence[Hit], top: int, deadline: Deadline) -> HitVerdicts:
        """The verdicts on all hits: from the catalog and, for the first ``top`` hits that have an image, from the
        reranker. Raises nothing of the reranker's; blocks until the deadline at most, and some milliseconds for the
        catalog's part."""
        with self._watch.stage("judge"):
            scored = self._score(hits, top, deadline)
        with self._watch.stage("verdicts"):
            catalog = [self._catalog_values(CatalogEvidence(hit.stored.item)) for hit in hits]
            image = [self._image_logits(row) for row in scored.probabilities]
            verdicts = tuple(
                tuple(verdict_of(*each) for each in zip(self.requirements, *evidence, strict=True))
                for evidence in zip(catalog, image, strict=True)
            )
            conflicts = frozenset(
                (hit.stored.id, at)
                for hit, *evidence in zip(hits, catalog, image, strict=True)
                for at, both in enumerate(zip(*evidence, strict=True))
                if not self.requirements[at].is_free and conflict(*both)
            )
            totals = self._totals(hits, scored.probabilities, verdicts, catalog, image)
        return HitVerdicts(verdicts, scored.states, totals, conflicts, scored.note)

    def resolve_conflicts(
        self, hits: Sequence[Hit], conflicts: Collection[tuple[int, int]], deadline: Deadline
    ) -> tuple[Hit, ...]:
        """The hits; where catalog and image are in conflict, with what the image shows instead, of the values of the
        requirement's field.

        Calls the reranker once more for those hits; conflicts that it has not resolved by the deadline stay.
        """
        with self._watch.stage("compare"):
            tried = {
                (hit.stored.id, at): self._values_to_try(hit, self.requirements[at], hits)
                for hit in hits
                for at in range(len(self.requirements))
                if (hit.stored.id, at) in conflicts
            }
            if not tried:
                return tuple(hits)
            doubtful = [hit for hit in hits if any(item_id == hit.stored.id for item_id, _ in tried)]
            statements = list(dict.fromkeys(statement_of(value) for values in tried.values() for value in values))
            scored = self._client.judge_items([hit.stored for hit in doubtful], statements, self._images, deadline)
            resolved_hits = {
                hit.stored.id: self._resolved(hit, tried, dict(zip(statements, row, strict=True)))
                for hit, row in zip(doubtful, scored.probabilities.tolist(), strict=True)
            }
            return tuple(resolved_hits.get(hit.stored.id, hit) for hit in hits)

    def _score(self, hits: Sequence[Hit], top: int, deadline: Deadline) -> ScoredStatements:
        """P(yes) of the query's statements about all hits, NaN for those that the reranker does not judge."""
        statements = self.statements.asked
        yes = np.full((len(hits), len(statements)), np.nan, np.float32)
        states = [RerankState.NOT_ASKED] * len(hits)
        judged = {row: hit for row, hit in enumerate(hits[:top]) if key_of(hit.stored) is not None}
        if not judged or not statements:
            return ScoredStatements(yes, tuple(states), NOTHING_TO_RERANK if statements else NOTHING_TO_ASK)
        scored = self._client.judge_items([hit.stored for hit in judged.values()], statements, self._images, deadline)
        for row, answers, state in zip(judged, scored.probabilities, scored.states, strict=True):
            yes[row], states[row] = answers, state
        return ScoredStatements(yes, tuple(states), scored.note)

    def _catalog_values(self, catalog: CatalogEvidence) -> list[CatalogValue]:
        """What the catalog says of each requirement."""
        return [catalog.on(requirement) if self._uses_catalog else NOTHING for requirement in self.requirements]

    def _image_logits(self, yes: Probabilities) -> list[float | None]:
        """What the image says of each requirement, as a logit, from one hit's answers, shape (n statements,)."""
        columns = {asked: column for column, asked in enumerate(self.statements.asked)}
        logits = self._fusion_weights.image_logit(yes)
        of_requirements = (self.statements.of.get(requirement) for requirement in self.requirements)
        found = [np.nan if asked is None else float(logits[columns[asked]]) for asked in of_requirements]
        return [None if np.isnan(each) else each for each in found]

    def _resolved(self, hit: Hit, tried: Mapping[tuple[int, int], Sequence[str]], yes: Mapping[str, float]) -> Hit:
        """The hit with its conflicts resolved, from P(yes) by statement, NaN where there was no answer."""
        catalog, verdicts = CatalogEvidence(hit.stored.item), list(hit.verdicts)
        for at, requirement in enumerate(self.requirements):
            values = tried.get((hit.stored.id, at))
            if values is None:
                continue
            shown = shown_probabilities(self._fusion_weights, values, yes)
            verdicts[at] = resolved(verdicts[at], named_values(catalog, requirement), shown)
        return replace(hit, verdicts=tuple(verdicts))

    def _values_to_try(self, hit: Hit, requirement: Requirement, hits: Sequence[Hit]) -> list[str]:
        field = requirement.field
        others = [value for other in hits for value in CatalogEvidence(other.stored.item).values(field)]
        own = CatalogEvidence(hit.stored.item).values(field)
        return values_to_try(own, requirement, others, self._vocabulary.fields.get(field, ()))

    def _totals(
        self,
        hits: Sequence[Hit],
        yes: Probabilities,
        verdicts: Sequence[Sequence[Verdict]],
        catalog: Sequence[Sequence[CatalogValue]],
        image: Sequence[Sequence[float | None]],
    ) -> Scores:
        """What the hits are ranked by, shape (n,): retrieval's scores, the whole phrase and the verdicts, fused."""
        asked, n = self.statements.asked, len(hits)
        whole = yes[:, asked.index(self.statements.whole)] if self.statements.whole else np.full(n, np.nan)
        met = np.array([[verdict.probability for verdict in row] for row in verdicts], np.float64)
        met = met.reshape(n, len(self.requirements))
        shares = [catalog_shares(self.requirements, *evidence) for evidence in zip(catalog, image, strict=True)]
        left_open, answered = np.array(shares, np.float64).reshape(n, 2).T
        is_free = np.array([each.is_free for each in self.requirements], np.bool_)
        scores = np.array([hit.score for hit in hits], np.float64)
        weights = self._fusion_weights
        return weights.totals(weights.features(scores, whole, met, is_free, left_open, answered))


def shown_probabilities(
    fusion_weights: FusionWeights, values: Iterable[str], yes: Mapping[str, float]
) -> dict[str, float]:
    """The calibrated probability that an image shows each of the values, from P(yes) by statement; values without an
    answer (NaN) are left out."""
    answers = {value: yes[statement_of(value)] for value in values}
    return {
        value: float(probability(fusion_weights.image_logit(answer)))
        for value, answer in answers.items()
        if not np.isnan(answer)
    }


def catalog_shares(
    requirements: Sequence[Requirement], listed: Sequence[CatalogValue], seen: Sequence[float | None]
) -> tuple[float, float]:
    """How much of a query a listing leaves open, 0 to 1: what it says nothing of, and what the picture contradicts. And
    what it says of the rest, in log-odds, each requirement having its share, and no more of them than a look may."""
    if not requirements:
        return 1.0, 0.0
    answers = [
        float(np.clip(said.logit if requirement.wanted else -said.logit, -MAX_IMAGE_LOGIT, MAX_IMAGE_LOGIT))
        for requirement, said, candidate in zip(requirements, listed, seen, strict=True)
        if said.logit and not conflict(said, candidate)
    ]
    return 1 - len(answers) / len(requirements), sum(answers) / len(requirements)


def named_values(listing: CatalogEvidence, requirement: Requirement) -> tuple[str, ...]:
    """The values that a listing names, in the requirement's field or, where that is missing, in its texts; folded."""
    mentioned = requirement.values if listing.on(requirement).logit > 0 else ()
    return listing.values(requirement.field) or tuple(map(facet_value, mentioned))
