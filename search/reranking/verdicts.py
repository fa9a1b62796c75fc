"""Verdicts: whether a query's candidates meet its requirements, by evidence from catalog and image."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from vitrina.search.reranking.base import CandidateImages, Deadline, Probabilities, key_of
from vitrina.search.reranking.catalog_evidence import NOTHING, CatalogEvidence, CatalogValue
from vitrina.search.reranking.client import NOTES, RerankClient, ScoredStatements
from vitrina.search.reranking.fusion import FusionWeights, RerankEvidence, Scores, logit, probability
from vitrina.search.reranking.prompts import Statements, statement_of, statements_of, values_to_try
from vitrina.search.types.answer import Hit, RerankStatus, Shown, Stopwatch
from vitrina.search.types.filters import facet_value
from vitrina.search.types.item import has_words
from vitrina.search.types.requirement import Evidence, Requirement, Status, Verdict
from vitrina.search.understanding.parsed_query import ParsedQuery

MET_FROM = 0.65
CONTRADICTED_TO = 0.35
"""Probabilities in between are unknown: catalog and image disagree, or the model is not sure."""

SAYS_SOMETHING_LOGIT = 0.4
"""An image's answer is evidence if it is surer than 0.6."""

CONFLICT_LOGIT = 2.0
"""Catalog and image are in conflict if each is surer than 0.88 that the other is wrong."""

NOT_SHOWN_LOGIT = -2.9
"""Words that only the texts mention have no other values to try: the model must be surer than 0.94 that the image does
not show them."""

NOTHING_TO_RERANK = "None of these hits has an image that could be judged."
NOTHING_TO_ASK = "The query asks for nothing that shows."


@dataclass(frozen=True, slots=True)
class DisagreementRule:
    """When catalog and image disagree: another value is likelier than ``alternative_above``, the catalog's own at most
    ``catalog_value_to`` likely, and the logit of the other at least ``margin`` higher."""

    alternative_above: float = 0.7
    catalog_value_to: float = 0.3
    margin: float = 0.0

    def holds(self, alternative: float, catalog_value: float) -> bool:
        """Whether they disagree, by the probabilities of both values."""
        is_clear = logit(alternative) - logit(catalog_value) >= self.margin
        return bool(alternative > self.alternative_above and catalog_value <= self.catalog_value_to and is_clear)


TOLD_TO_SHOPPERS = DisagreementRule()


def verdict_of(requirement: Requirement, catalog: CatalogValue, image_logit: float | None) -> Verdict:
    """The verdict on a requirement; ``image_logit`` is that of its statement, None if the reranker gave no answer."""
    has_image = image_logit is not None and abs(image_logit) >= SAYS_SOMETHING_LOGIT
    total = catalog.logit + (image_logit or 0.0)
    met = float(probability(total if requirement.wanted else -total))
    evidence = evidence_from(has_field=catalog.logit != 0, has_image=has_image)
    image_value = requirement.words if has_image and image_logit is not None and image_logit > 0 else None
    verdict = Verdict(
        requirement,
        status_of(met, evidence),
        met,
        evidence,
        catalog_value=catalog.says,
        image_value=image_value,
        catalog_agrees=catalog.logit > 0,
    )
    if requirement.is_free and catalog.logit > 0 and (image_logit or 0.0) <= NOT_SHOWN_LOGIT:
        disagreement = f"listing says {catalog.says}, photo does not look like it"
        return without_repeating(replace(verdict, disagreement=disagreement))
    return without_repeating(verdict)


def evidence_from(*, has_field: bool, has_image: bool) -> Evidence:
    if has_field:
        return Evidence.BOTH if has_image else Evidence.FIELD
    return Evidence.IMAGE if has_image else Evidence.NOTHING


def status_of(met: float, evidence: Evidence) -> Status:
    if evidence is Evidence.NOTHING or CONTRADICTED_TO < met < MET_FROM:
        return Status.UNKNOWN
    return Status.MET if met >= MET_FROM else Status.CONTRADICTED


def without_repeating(verdict: Verdict) -> Verdict:
    """The verdict without an image value that repeats the requirement it contradicts: "not navy but navy"."""
    is_so = {facet_value(value) for value in (verdict.requirement.words, *verdict.requirement.values)}
    if verdict.status is Status.CONTRADICTED and verdict.requirement.wanted and verdict.image_value in is_so:
        return replace(verdict, image_value=None)
    return verdict


def conflict(catalog: CatalogValue, image_logit: float | None) -> bool:
    """Whether catalog and image are in conflict: against each other, and both sure."""
    if image_logit is None or catalog.logit * image_logit >= 0:
        return False
    return min(abs(catalog.logit), abs(image_logit)) >= CONFLICT_LOGIT


def resolved(
    verdict: Verdict,
    catalog_values: tuple[str, ...],
    shown: Mapping[str, float],
    rule: DisagreementRule = TOLD_TO_SHOPPERS,
) -> Verdict:
    """A verdict whose evidence was in conflict, once the field's values were tried.

    ``shown`` has, by value, the calibrated probability that the image shows it; ``catalog_values`` are those that the
    catalog names, folded. If another value is likely and the catalog's are not, the verdict says so: ``listing says
    Navy Blue, photo looks black``. Otherwise it stays as it is.
    """
    if not shown or verdict.catalog_value is None:
        return verdict
    likeliest = max(shown, key=lambda value: shown[value])
    own = max((shown[value] for value in catalog_values if value in shown), default=0.0)
    if likeliest in catalog_values or not rule.holds(shown[likeliest], own):
        return verdict
    disagreement = f"listing says {verdict.catalog_value}, photo looks {likeliest}"
    return without_repeating(replace(verdict, image_value=likeliest, disagreement=disagreement))


@dataclass(frozen=True, slots=True)
class HitVerdicts:
    """The verdicts on n hits, each hit's state, their ``totals`` to rank them by, shape (n,), and a ``note`` to people
    on why some were not reranked.

    ``conflicts`` are pairs of what a hit shows and the position of a requirement on which catalog and image disagree.
    """

    verdicts: tuple[tuple[Verdict, ...], ...]
    states: tuple[RerankStatus, ...]
    totals: Scores
    conflicts: frozenset[tuple[Shown, int]]
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
        self.judged_at = 0.0
        """When the reranker had answered, or its time was over, on ``time.monotonic``."""

    def build(self, hits: Sequence[Hit], top: int, deadline: Deadline) -> HitVerdicts:
        """The verdicts on all hits: from the catalog and, for the first ``top`` hits that have an image, from the
        reranker. Raises nothing of the reranker's; blocks until the deadline at most, and some milliseconds for the
        catalog's part."""
        with self._watch.stage(
            "verdicts"
        ):  # before the model is waited for, since what comes after takes from its time
            catalog = [self._catalog_values(CatalogEvidence(hit.stored.item)) for hit in hits]
        with self._watch.stage("judge"):
            scored = self._score(hits, top, deadline)
        self.judged_at = time.monotonic()
        with self._watch.stage("verdicts"):
            image = [self._image_logits(row) for row in scored.probabilities]
            verdicts = tuple(
                tuple(verdict_of(*each) for each in zip(self.requirements, *evidence, strict=True))
                for evidence in zip(catalog, image, strict=True)
            )
            conflicts = frozenset(
                (hit.shown, at)
                for hit, *evidence in zip(hits, catalog, image, strict=True)
                for at, both in enumerate(zip(*evidence, strict=True))
                if not self.requirements[at].is_free and conflict(*both)
            )
            weights = self._fusion_weights
            evidence = rerank_evidence(hits, self.requirements, self.statements, scored.probabilities, catalog)
            totals = weights.totals(weights.features(evidence))
            states = states_of(scored.states, weights.can_move(evidence).tolist())
            note = scored.note or (NOTES[RerankStatus.JUDGED] if overall(states) is RerankStatus.JUDGED else "")
        return HitVerdicts(verdicts, states, totals, conflicts, note)

    def resolve_conflicts(
        self, hits: Sequence[Hit], conflicts: Collection[tuple[Shown, int]], deadline: Deadline
    ) -> tuple[Hit, ...]:
        """The hits; where catalog and image are in conflict, with what the image shows instead, of the values of the
        requirement's field.

        Calls the reranker once more for those hits; conflicts that it has not resolved by the deadline stay.
        """
        with self._watch.stage("compare"):
            tried = {
                (hit.shown, at): self._values_to_try(hit, self.requirements[at], hits)
                for hit in hits
                for at in range(len(self.requirements))
                if (hit.shown, at) in conflicts
            }
            if not tried:
                return tuple(hits)
            doubtful = [hit for hit in hits if any(shown == hit.shown for shown, _ in tried)]
            statements = list(dict.fromkeys(statement_of(value) for values in tried.values() for value in values))
            scored = self._client.judge_items([hit.stored for hit in doubtful], statements, self._images, deadline)
            resolved_hits = {
                hit.shown: self._resolved(hit, tried, dict(zip(statements, row, strict=True)))
                for hit, row in zip(doubtful, scored.probabilities.tolist(), strict=True)
            }
            return tuple(resolved_hits.get(hit.shown, hit) for hit in hits)

    def _score(self, hits: Sequence[Hit], top: int, deadline: Deadline) -> ScoredStatements:
        """P(yes) of the query's statements about all hits, NaN for those that the reranker does not judge."""
        statements = self.statements.asked
        yes = np.full((len(hits), len(statements)), np.nan, np.float32)
        states = [RerankStatus.NOT_ASKED] * len(hits)
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

    def _resolved(self, hit: Hit, tried: Mapping[tuple[Shown, int], Sequence[str]], yes: Mapping[str, float]) -> Hit:
        """The hit with its conflicts resolved, from P(yes) by statement, NaN where there was no answer."""
        catalog, verdicts = CatalogEvidence(hit.stored.item), list(hit.verdicts)
        for at, requirement in enumerate(self.requirements):
            values = tried.get((hit.shown, at))
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


def rerank_evidence(
    hits: Sequence[Hit],
    requirements: Sequence[Requirement],
    statements: Statements,
    yes: Probabilities,
    catalog: Sequence[Sequence[CatalogValue]],
) -> RerankEvidence:
    """What hits are ranked by: P(yes) of each statement, shape (n, n statements), where the catalog is silent."""
    columns = {asked: column for column, asked in enumerate(statements.asked)}
    answers = np.hstack([yes, np.full((len(hits), 1), np.nan, np.float32)])  # the last column: what was not asked
    of_parts = [columns.get(statements.of.get(each, ""), -1) for each in requirements]
    said = np.array([[value.logit for value in row] for row in catalog], np.float64)
    return RerankEvidence(
        scores=np.array([hit.score for hit in hits], np.float64),
        whole=answers[:, columns.get(statements.whole, -1)],
        parts=answers[:, of_parts],
        wanted=np.array([each.wanted for each in requirements], np.bool_),
        is_free=np.array([each.is_free for each in requirements], np.bool_),
        catalog=said.reshape(len(hits), len(requirements)),
        has_words=np.array([has_words(hit.stored.item) for hit in hits], np.bool_),
    )


def states_of(states: Sequence[RerankStatus], can_move: Sequence[bool]) -> tuple[RerankStatus, ...]:
    """The states of hits, those that were judged and cannot be moved by it told apart."""
    return tuple(
        RerankStatus.JUDGED if state is RerankStatus.RERANKED and not movable else state
        for state, movable in zip(states, can_move, strict=True)
    )


def overall(states: Sequence[RerankStatus]) -> RerankStatus:
    """The state of an answer: reranked if any hit was."""
    for state in (
        RerankStatus.RERANKED,
        RerankStatus.FAILED,
        RerankStatus.LATE,
        RerankStatus.BUSY,
        RerankStatus.JUDGED,
    ):
        if state in states:
            return state
    return RerankStatus.NOT_ASKED


def shown_probabilities(
    fusion_weights: FusionWeights, values: Iterable[str], yes: Mapping[str, float]
) -> dict[str, float]:
    """The calibrated probability that an image shows each of the values, from P(yes) by statement; values without an
    answer (NaN) are left out."""
    answers = {value: yes[statement_of(value)] for value in values}
    return {
        value: float(probability(fusion_weights.calibrated_logit(answer)))
        for value, answer in answers.items()
        if not np.isnan(answer)
    }


def named_values(catalog: CatalogEvidence, requirement: Requirement) -> tuple[str, ...]:
    """The values that the catalog names, in the requirement's field or, if that is missing, in the texts; folded."""
    mentioned = requirement.values if catalog.on(requirement).logit > 0 else ()
    return catalog.values(requirement.field) or tuple(map(facet_value, mentioned))
