"""Verdicts: every requirement of a query held against its candidates, by catalog and image evidence."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from vitrina.search.reranking.base import Deadline, Probabilities, key_of
from vitrina.search.reranking.catalog_evidence import NOTHING, CatalogEvidence, CatalogValue
from vitrina.search.reranking.client import CandidateScorer, ScoredStatements
from vitrina.search.reranking.fusion import MAX_IMAGE_LOGIT, Scores, probability
from vitrina.search.reranking.statements import Statements, statement_of, values_to_try
from vitrina.search.types.answer import Hit, RerankState, Stopwatch
from vitrina.search.types.filters import facet_value
from vitrina.search.types.requirement import Evidence, Requirement, Status, Verdict
from vitrina.search.understanding.catalog_attributes import Vocabulary

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
    """What is known of n hits: their verdicts, what became of each at the hands of the reranker, their ``totals`` to be
    ranked by, shape (n,), and in words to people why not all was done.

    ``conflicts`` are item ids and positions of requirements of which listing and picture say different things.
    """

    verdicts: tuple[tuple[Verdict, ...], ...]
    states: tuple[RerankState, ...]
    totals: Scores
    conflicts: frozenset[tuple[int, int]]
    note: str = ""


@dataclass(frozen=True, slots=True)
class VerdictBuilder:
    """Holds one query's requirements against its hits. With ``listings`` false only pictures count."""

    requirements: tuple[Requirement, ...]
    statements: Statements
    vocabulary: Vocabulary
    scorer: CandidateScorer
    watch: Stopwatch
    listings: bool = True

    def of(self, hits: Sequence[Hit], top: int, deadline: Deadline) -> HitVerdicts:
        """Look at the first ``top`` hits that have a picture, and up all of them in the catalog. Raises nothing of the
        reranker's; blocks until the deadline at most, and some milliseconds for the catalog's part."""
        with self.watch.stage("judge"):
            reranked = self._candidate(hits, top, deadline)
        with self.watch.stage("verdicts"):
            listed = [self._listed(CatalogEvidence(hit.stored.item)) for hit in hits]
            seen = [self._seen(row) for row in reranked.probabilities]
            verdicts = [self._verdicts(*row) for row in zip(listed, seen, strict=True)]
            conflicts = frozenset(
                (hit.stored.id, at)
                for hit, *evidence in zip(hits, listed, seen, strict=True)
                for at, said in enumerate(zip(*evidence, strict=True))
                if not self.requirements[at].is_free and conflict(*said)
            )
            totals = self._totals(hits, reranked.probabilities, verdicts, listed, seen)
        return HitVerdicts(tuple(verdicts), reranked.states, totals, conflicts, reranked.note)

    def told_apart(
        self, hits: Sequence[Hit], conflicts: Collection[tuple[int, int]], deadline: Deadline
    ) -> tuple[Hit, ...]:
        """The hits, where listing and picture are in conflict with what the picture looks like instead, of the values
        of the requirement's field. Costs a second look at those hits; what is not done by the deadline stays untold.
        """
        with self.watch.stage("compare"):
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
            answered = self.scorer.ask([hit.stored for hit in doubtful], statements, deadline)
            told = {
                hit.stored.id: self._compared(hit, tried, dict(zip(statements, row, strict=True)))
                for hit, row in zip(doubtful, answered.probabilities.tolist(), strict=True)
            }
            return tuple(told.get(hit.stored.id, hit) for hit in hits)

    def _candidate(self, hits: Sequence[Hit], top: int, deadline: Deadline) -> ScoredStatements:
        statements = self.statements.asked
        yes = np.full((len(hits), len(statements)), np.nan, np.float32)
        states = [RerankState.NOT_ASKED] * len(hits)
        shown = {row: hit for row, hit in enumerate(hits[:top]) if key_of(hit.stored) is not None}
        if not shown or not statements:
            note = "None of these hits is to be looked at." if statements else "The query asks for nothing that shows."
            return ScoredStatements(yes, tuple(states), note)
        answered = self.scorer.ask([hit.stored for hit in shown.values()], statements, deadline)
        for row, answers, state in zip(shown, answered.probabilities, answered.states, strict=True):
            yes[row], states[row] = answers, state
        return ScoredStatements(yes, tuple(states), answered.note)

    def _listed(self, listing: CatalogEvidence) -> list[CatalogValue]:
        """What the catalog says of each requirement."""
        return [listing.on(requirement) if self.listings else NOTHING for requirement in self.requirements]

    def _seen(self, yes: Probabilities) -> list[float | None]:
        """What the picture says of each requirement, in log-odds, from one hit's answers, shape (n claims,)."""
        columns = {asked: column for column, asked in enumerate(self.statements.asked)}
        logit = self.scorer.fusion_weights.image_logit(yes)
        of_statements = (self.statements.of.get(requirement) for requirement in self.requirements)
        found = [np.nan if asked is None else float(logit[columns[asked]]) for asked in of_statements]
        return [None if np.isnan(each) else each for each in found]

    def _verdicts(self, listed: Sequence[CatalogValue], seen: Sequence[float | None]) -> tuple[Verdict, ...]:
        return tuple(verdict_of(*each) for each in zip(self.requirements, listed, seen, strict=True))

    def _compared(self, hit: Hit, tried: Mapping[tuple[int, int], Sequence[str]], yes: Mapping[str, float]) -> Hit:
        """The hit with its doubtful verdicts told apart; P(yes) by claim, NaN where there was no answer."""
        listing, verdicts = CatalogEvidence(hit.stored.item), list(hit.verdicts)
        for at, requirement in enumerate(self.requirements):
            values = tried.get((hit.stored.id, at))
            if values is None:
                continue
            shown = self.scorer.shown(values, yes)
            verdicts[at] = resolved(verdicts[at], named_values(listing, requirement), shown)
        return replace(hit, verdicts=tuple(verdicts))

    def _values_to_try(self, hit: Hit, requirement: Requirement, hits: Sequence[Hit]) -> list[str]:
        field = requirement.field
        others = [value for other in hits for value in CatalogEvidence(other.stored.item).values(field)]
        own = CatalogEvidence(hit.stored.item).values(field)
        return values_to_try(own, requirement, others, self.vocabulary.fields.get(field, ()))

    def _totals(
        self,
        hits: Sequence[Hit],
        yes: Probabilities,
        verdicts: Sequence[Sequence[Verdict]],
        listed: Sequence[Sequence[CatalogValue]],
        seen: Sequence[Sequence[float | None]],
    ) -> Scores:
        asked = self.statements.asked
        whole = yes[:, asked.index(self.statements.whole)] if self.statements.whole else np.full(len(hits), np.nan)
        met = np.array([[verdict.probability for verdict in row] for row in verdicts], np.float64)
        scores = np.array([hit.score for hit in hits], np.float64)
        shares = [catalog_shares(self.requirements, *evidence) for evidence in zip(listed, seen, strict=True)]
        left_open, answered = np.array(shares, np.float64).reshape(len(hits), 2).T
        met = met.reshape(len(hits), len(self.requirements))
        is_free = np.array([each.is_free for each in self.requirements], np.bool_)
        fusion_weights = self.scorer.fusion_weights
        return fusion_weights.totals(fusion_weights.evidence(scores, whole, met, is_free, left_open, answered))


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
