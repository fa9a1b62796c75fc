"""Judging: what the catalog says and what the picture shows, weighed into one verdict.

Evidence is independent enough to be added up as log-odds, from even odds on: what the listing says (``listing.py``),
and the model's P(yes), which the blend makes comparable. A requirement that denies something is the same with its sign
changed. With the embedded model and by pictures alone, of 20,098 requirements of the fashion rows set aside 61% came
out as met, of which 89% were, and 18% as contradicted, of which 86% were; the others were left unknown.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from search.filters import facet_value
from search.requirements.requirement import Requirement
from search.reranking.judging.listing import Listed
from search.reranking.judging.odds import probability
from search.reranking.verdict import Evidence, Standing, Verdict

MET_FROM = 0.65
CONTRADICTED_TO = 0.35
"""Probabilities between them are unknown: listing and picture against each other, or a look that is not sure."""

SAYS_SOMETHING_LOG_ODDS = 0.4
"""A look that is surer than 0.6 is evidence."""

CONFLICT_LOG_ODDS = 2.0
"""Listing and picture disagree where each is surer than 0.88 that the other is wrong."""

NOT_SHOWN_LOG_ODDS = -2.9
"""Words that the texts mention have no other values to be tried against the picture: it must be surer than 0.94 that
it does not show them."""

LOOKS_FROM = 0.7
LISTED_LOOKS_TO = 0.3
"""A disagreement is told where another value is at least so likely, and the listed one, tried too, at most so."""


def verdict_of(requirement: Requirement, listed: Listed, image_log_odds: float | None) -> Verdict:
    """Weigh the evidence. ``image_log_odds`` are those of the requirement's claim, None where nobody looked."""
    looked = image_log_odds is not None and abs(image_log_odds) >= SAYS_SOMETHING_LOG_ODDS
    total = listed.log_odds + (image_log_odds or 0.0)
    met = float(probability(total if requirement.wanted else -total))
    evidence = evidence_of(has_field=listed.log_odds != 0, has_image=looked)
    seen = requirement.words if looked and image_log_odds is not None and image_log_odds > 0 else None
    told = without_repeating(Verdict(requirement, standing_of(met, evidence), met, evidence, listed.says, seen))
    if requirement.is_free and listed.log_odds > 0 and (image_log_odds or 0.0) <= NOT_SHOWN_LOG_ODDS:
        return replace(told, disagreement=f"listing says {listed.says}, photo does not look it")
    return told


def evidence_of(*, has_field: bool, has_image: bool) -> Evidence:
    if has_field:
        return Evidence.BOTH if has_image else Evidence.FIELD
    return Evidence.IMAGE if has_image else Evidence.NOTHING


def standing_of(met: float, evidence: Evidence) -> Standing:
    if evidence is Evidence.NOTHING or CONTRADICTED_TO < met < MET_FROM:
        return Standing.UNKNOWN
    return Standing.MET if met >= MET_FROM else Standing.CONTRADICTED


def without_repeating(verdict: Verdict) -> Verdict:
    """The verdict without what it would be odd to say instead: not navy but navy."""
    is_so = {facet_value(value) for value in (verdict.requirement.words, *verdict.requirement.values)}
    if verdict.standing is Standing.CONTRADICTED and verdict.requirement.wanted and verdict.seen in is_so:
        return replace(verdict, seen=None)
    return verdict


def conflict(listed: Listed, image_log_odds: float | None) -> bool:
    """Whether listing and picture are against each other, and both sure."""
    if image_log_odds is None or listed.log_odds * image_log_odds >= 0:
        return False
    return min(abs(listed.log_odds), abs(image_log_odds)) >= CONFLICT_LOG_ODDS


def compared(verdict: Verdict, listed_values: tuple[str, ...], looks: Mapping[str, float]) -> Verdict:
    """A verdict whose evidence was in conflict, once the field's values were tried against the picture.

    ``looks`` has, by value, the probability that the picture shows it, calibrated; ``listed_values`` are those that the
    listing names, folded. Where another value is likely and the listed ones are not, the verdict says so: ``listing
    says Navy Blue, photo looks black``. Where the listed one, or nothing, is, the verdict stays as it is.
    """
    if not looks or verdict.listed is None:
        return verdict
    likeliest = max(looks, key=lambda value: looks[value])
    own = max((looks[value] for value in listed_values if value in looks), default=0.0)
    if likeliest in listed_values or looks[likeliest] < LOOKS_FROM or own > LISTED_LOOKS_TO:
        return verdict
    disagreement = f"listing says {verdict.listed}, photo looks {likeliest}"
    return without_repeating(replace(verdict, seen=likeliest, disagreement=disagreement))
